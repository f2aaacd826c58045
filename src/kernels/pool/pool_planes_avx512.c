/* Pooling of planes for AVX-512. The loops are in pool_planes_tmpl.h. */
#include "kernels/pool/pool_planes_tmpl.h"
