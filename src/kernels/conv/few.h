/* Convolutions of few output channels, whose panels would be nearly empty: which problems, and what
 * they take.
 *
 * The columns of the product are (column of the kernel, output channel): every position of a line
 * of x is multiplied once by all of them, and an output is the sum of as many neighbours as the
 * kernel has columns, each shifted by one. conv_few: for each panel of these columns, for each row
 * of the kernel: rows of [channels][panel width] (kernels/panel.h). The loops are in few_tmpl.h. */
#ifndef SV_KERNELS_CONV_FEW_H
#define SV_KERNELS_CONV_FEW_H

#include "kernels/conv.h"

/* What the products and sums take, in ns; negative where the problem cannot be done so or is better
 * done by panels of output channels. Sizes of x and y may be symbols. */
double sv_conv_few_ns(const sv_problem *problem, sv_cpu_level level);

#endif
