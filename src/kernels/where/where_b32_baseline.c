/* Where on elements of four bytes for the baseline; the loops are in the template. */
#include "kernels/where/where_b32_tmpl.h"
