/* Convolutions of few output channels for AVX-512. The loops are in few_tmpl.h. */
#include "kernels/conv/few_tmpl.h"
