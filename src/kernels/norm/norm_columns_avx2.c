/* Normalisation of channels-last maps for AVX2; the loops are in the template. */
#include "kernels/norm/norm_columns_tmpl.h"
