/* Functions by intervals, for levels that look up tables of 32 numbers in one instruction: in an
 * interval the function is a polynomial. Made by tools/function_tables.py. */
#ifndef SV_KERNELS_FUNCTION_TABLES_H
#define SV_KERNELS_FUNCTION_TABLES_H

#define SV_TABLE_INTERVALS 32
#define SV_TABLE_DEGREE 5

/* tanh: an interval is a quarter of an octave, up to 10; the first begins at 0. The polynomial is
 * in the distance from the left end. Rows: left ends, then coefficients by power. */
extern const float sv_tanh_table[1 + SV_TABLE_DEGREE + 1][SV_TABLE_INTERVALS];
/* A float's bits without the last 21 count the intervals; this many at the first. */
#define SV_TANH_FIRST ((0x41000000 >> 21) + 1 - SV_TABLE_INTERVALS)
#define SV_TANH_IN_FIRST 0x1.4p-5f

/* Phi(-t), the upper tail of the normal distribution, t >= 0: interval i reaches from i / 4 - 1 / 8
 * to i / 4 + 1 / 8, and the polynomial is in the distance from i / 4. The last one is 0. Rows:
 * coefficients by power. */
extern const float sv_normal_table[SV_TABLE_DEGREE + 1][SV_TABLE_INTERVALS];

#endif
