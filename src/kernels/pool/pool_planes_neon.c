/* Pooling of planes for NEON. The loops are in pool_planes_tmpl.h. */
#include "kernels/pool/pool_planes_tmpl.h"
