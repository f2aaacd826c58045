/* Strassen's product for AVX-512. The loops are in strassen_tmpl.h. */
#include "kernels/gemm/strassen_tmpl.h"
