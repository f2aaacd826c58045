/* GEMM for any machine of the architecture. The loops are in gemm_tmpl.h. */
#include "kernels/gemm/gemm_tmpl.h"
