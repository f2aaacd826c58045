/* GEMM for AVX-512. The loops are in gemm_tmpl.h. */
#include "kernels/gemm/gemm_tmpl.h"
