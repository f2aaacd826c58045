/* Tiles for any machine of the architecture. The loops are in tile_kernel_tmpl.h. */
#include "kernels/tile_kernel_tmpl.h"
