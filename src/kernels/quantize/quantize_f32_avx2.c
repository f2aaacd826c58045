/* Quantising and back in f32 for AVX2; the loops are in the template. */
#include "kernels/quantize/quantize_f32_tmpl.h"
