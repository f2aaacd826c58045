/* Products of i16 for AVX2; the loops are in the template. */
#include "kernels/gemm/gemm_i16_tmpl.h"
