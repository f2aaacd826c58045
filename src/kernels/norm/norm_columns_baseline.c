/* Normalisation of channels-last maps for the baseline; the loops are in the template. */
#include "kernels/norm/norm_columns_tmpl.h"
