/* Convolutions for AVX2. The loops are in conv_tmpl.h. */
#include "kernels/conv/conv_tmpl.h"
