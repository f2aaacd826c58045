/* Tiles for AVX-512. The loops are in tile_kernel_tmpl.h. */
#include "kernels/tile_kernel_tmpl.h"
