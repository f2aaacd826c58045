/* Sums of chosen pixels for NEON; the loops are in the template. */
#include "kernels/sample/sample_f32_tmpl.h"
