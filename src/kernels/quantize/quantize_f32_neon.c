/* Quantising and back in f32 for NEON; the loops are in the template. */
#include "kernels/quantize/quantize_f32_tmpl.h"
