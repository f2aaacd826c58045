/* Positions of extremes for the baseline; the loops are in the template. */
#include "kernels/reduce/reduce_arg_tmpl.h"
