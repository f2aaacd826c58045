/* Normalisation of f32 for AVX2; the loops are in the template. */
#include "kernels/norm/norm_f32_tmpl.h"
