/* Reductions of f32 for AVX2; the loops are in the template. */
#include "kernels/reduce/reduce_f32_tmpl.h"
