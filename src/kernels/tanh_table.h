/* tanh by intervals, for levels that look up tables of 32 numbers in one instruction. An interval
 * is a quarter of an octave, up to 10; the first begins at 0. Made by tools/tanh_table.py. */
#ifndef SV_KERNELS_TANH_TABLE_H
#define SV_KERNELS_TANH_TABLE_H

#define SV_TANH_INTERVALS 32
#define SV_TANH_DEGREE 5
/* A float's bits without the last 21 count the intervals; this many at the first. */
#define SV_TANH_FIRST ((0x41000000 >> 21) + 1 - SV_TANH_INTERVALS)

#define SV_TANH_IN_FIRST 0x1.4p-5f

/* In an interval tanh is a polynomial in the distance from its left end. */
typedef struct sv_tanh_columns {
    float left_end[SV_TANH_INTERVALS];
    float coefficient[SV_TANH_DEGREE + 1][SV_TANH_INTERVALS]; /* by power */
} sv_tanh_columns;

extern const sv_tanh_columns sv_tanh_table;

#endif
