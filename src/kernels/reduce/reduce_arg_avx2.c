/* Positions of extremes for AVX2; the loops are in the template. */
#include "kernels/reduce/reduce_arg_tmpl.h"
