/* One level of Strassen's product in Winograd's form: seven products of halves instead of eight
 * (V. Strassen, "Gaussian Elimination is not Optimal", 1969; the variant of 15 sums after
 * S. Winograd, as in D. Knuth, "The Art of Computer Programming" 2, 4.6.4). Which problems have it,
 * and when it is the cheaper way.
 *
 *   S1 = A21 + A22  S2 = S1 - A11   S3 = A11 - A21  S4 = A12 - S2
 *   T1 = B12 - B11  T2 = B22 - T1   T3 = B22 - B12  T4 = T2 - B21
 *   C11 = A11 B11 + A12 B21         U  = A11 B11 + S2 T2     V = U + S3 T3
 *   C12 = U + S1 T1 + S4 B22        C21 = V - A22 T4         C22 = V + S1 T1
 *
 * What it does to accuracy is in docs/performance.md. How the loops go is in strassen_tmpl.h. */
#ifndef SV_KERNELS_GEMM_STRASSEN_H
#define SV_KERNELS_GEMM_STRASSEN_H

#include "kernels/gemm.h"

/* The matrices of the right side, in the order in which they are packed: each [K / 2, N / 2] in
 * panels. */
typedef enum strassen_side {
    STRASSEN_B11,
    STRASSEN_B21,
    STRASSEN_T2,
    STRASSEN_T3,
    STRASSEN_T1,
    STRASSEN_B22,
    STRASSEN_MINUS_T4,
    STRASSEN_SIDES,
} strassen_side;

/* Whether the problem can be done so: one constant right side whose halves are whole panels of
 * every level. Sizes of a and y may be symbols. */
bool sv_strassen_takes(const sv_problem *problem);
/* What it takes; of problems of known sizes. */
double sv_strassen_ns(const sv_problem *problem, sv_cpu_level level);
/* Whether it is the cheaper way at `level`, and the problem need not be computed exactly. Depends
 * on sizes alone; symbols: no. */
bool sv_strassen_choose(const sv_problem *problem, sv_cpu_level level);

#endif
