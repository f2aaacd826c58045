/* Products and logarithms of sums of powers for AVX-512; the loops are in the template. */
#include "kernels/reduce/reduce_wide_tmpl.h"
