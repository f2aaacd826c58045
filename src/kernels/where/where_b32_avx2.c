/* Where on elements of four bytes for AVX2; the loops are in the template. */
#include "kernels/where/where_b32_tmpl.h"
