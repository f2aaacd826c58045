/* Normalisation of channels-last maps for NEON; the loops are in the template. */
#include "kernels/norm/norm_columns_tmpl.h"
