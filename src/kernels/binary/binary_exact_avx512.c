/* Comparisons, logic and arithmetic of integers for AVX-512; the loops are in the template. */
#include "kernels/binary/binary_exact_tmpl.h"
