/* The numbers. What they mean is in the header, how they were found in tools/tanh_table.py. */
#include "kernels/tanh_table.h"

_Alignas(64) const sv_tanh_columns sv_tanh_table = {
#include "kernels/tanh_table.inc"
};
