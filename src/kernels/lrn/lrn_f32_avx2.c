/* Local response normalisation for AVX2. The loops are in lrn_tmpl.h. */
#include "kernels/lrn/lrn_tmpl.h"
