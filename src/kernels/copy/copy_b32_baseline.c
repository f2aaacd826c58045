/* Transpositions of elements of four bytes for the baseline; the loops are in the template. */
#include "kernels/copy/copy_b32_tmpl.h"
