/* Where on elements of one, two and eight bytes for AVX-512; the loops are in the template. */
#include "kernels/where/where_sized_tmpl.h"
