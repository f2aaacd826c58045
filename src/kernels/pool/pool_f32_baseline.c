/* Pooling for any machine of the architecture. The loops are in pool_tmpl.h. */
#include "kernels/pool/pool_tmpl.h"
