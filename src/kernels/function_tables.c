/* The numbers. What they mean is in the header, how they were found in tools/function_tables.py. */
#include "kernels/function_tables.h"

_Alignas(64) const float sv_tanh_table[1 + SV_TABLE_DEGREE + 1][SV_TABLE_INTERVALS] = {
#include "kernels/tanh_table.inc"
};

_Alignas(64) const float sv_normal_table[SV_TABLE_DEGREE + 1][SV_TABLE_INTERVALS] = {
#include "kernels/normal_table.inc"
};
