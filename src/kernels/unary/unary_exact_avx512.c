/* Truth values and arithmetic of integers for AVX-512; the loops are in the template. */
#include "kernels/unary/unary_exact_tmpl.h"
