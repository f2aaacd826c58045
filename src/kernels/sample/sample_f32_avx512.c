/* Sums of chosen pixels for AVX-512; the loops are in the template. */
#include "kernels/sample/sample_f32_tmpl.h"
