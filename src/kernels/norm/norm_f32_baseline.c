/* Normalisation of f32 for the baseline; the loops are in the template. */
#include "kernels/norm/norm_f32_tmpl.h"
