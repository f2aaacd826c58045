/* Strassen's product for any machine of the architecture. The loops are in strassen_tmpl.h. */
#include "kernels/gemm/strassen_tmpl.h"
