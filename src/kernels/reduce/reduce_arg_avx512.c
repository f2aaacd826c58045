/* Positions of extremes for AVX-512; the loops are in the template. */
#include "kernels/reduce/reduce_arg_tmpl.h"
