/* Convolutions for any machine of the architecture. The loops are in conv_tmpl.h. */
#include "kernels/conv/conv_tmpl.h"
