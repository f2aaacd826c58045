/* Positions of extremes for NEON; the loops are in the template. */
#include "kernels/reduce/reduce_arg_tmpl.h"
