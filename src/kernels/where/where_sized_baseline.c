/* Where on elements of one, two and eight bytes for the baseline; the loops are in the template. */
#include "kernels/where/where_sized_tmpl.h"
