/* Truth values and arithmetic of integers for NEON; the loops are in the template. */
#include "kernels/unary/unary_exact_tmpl.h"
