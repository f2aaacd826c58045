/* Arithmetic of two f32 operands for AVX2; the loops are in the template. */
#include "kernels/binary/binary_f32_tmpl.h"
