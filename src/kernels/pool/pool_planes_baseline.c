/* Pooling of planes for the baseline. The loops are in pool_planes_tmpl.h. */
#include "kernels/pool/pool_planes_tmpl.h"
