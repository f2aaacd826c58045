/* Convolutions of few output channels for the baseline. The loops are in few_tmpl.h. */
#include "kernels/conv/few_tmpl.h"
