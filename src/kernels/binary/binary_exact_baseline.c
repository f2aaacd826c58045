/* Comparisons, logic and arithmetic of integers for the baseline; the loops are in the template. */
#include "kernels/binary/binary_exact_tmpl.h"
