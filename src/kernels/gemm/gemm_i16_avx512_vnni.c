/* Products of i16 for AVX-512 with VNNI; the loops are in the template. */
#include "kernels/gemm/gemm_i16_tmpl.h"
