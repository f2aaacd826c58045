/* Softmax of f32 for the baseline; the loops are in the template. */
#include "kernels/softmax/softmax_f32_tmpl.h"
