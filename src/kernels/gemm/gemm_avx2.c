/* GEMM for AVX2. The loops are in gemm_tmpl.h. */
#include "kernels/gemm/gemm_tmpl.h"
