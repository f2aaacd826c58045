/* Conversions between common dtypes for AVX-512; the loops are in the template. */
#include "kernels/convert/convert_pairs_tmpl.h"
