/* Local response normalisation for any machine of the architecture. The loops are in lrn_tmpl.h. */
#include "kernels/lrn/lrn_tmpl.h"
