/* Strassen's product for AVX2. The loops are in strassen_tmpl.h. */
#include "kernels/gemm/strassen_tmpl.h"
