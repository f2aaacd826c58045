/* Resize of f32 for AVX-512; the loops are in the template. */
#include "kernels/resize/resize_f32_tmpl.h"
