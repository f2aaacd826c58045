/* Strassen's product for NEON. The loops are in strassen_tmpl.h. */
#include "kernels/gemm/strassen_tmpl.h"
