/* What every unary operation means on one f32 or f64: the definition that vectorised rows are
 * tested against, and that epilogues of other families fall back to.
 *
 *   float  sv_unary_apply_f32(sv_unary op, float x, float a, float b);
 *   double sv_unary_apply_f64(sv_unary op, double x, double a, double b);
 *
 * Both are always inlined: with a constant `op` the switch vanishes. Truth values (Not, IsNaN,
 * IsInf) are 1 and 0. Integers and the storage of narrow floats are the business of the unary rows.
 */
#ifndef SV_KERNELS_UNARY_SCALAR_H
#define SV_KERNELS_UNARY_SCALAR_H

#include "kernels/elementwise.h"

#include <math.h>

#define SV_REAL float
#define SV_REAL_NAME(name) sv_##name##_f32
#define SV_MATH(name) name##f
#include "kernels/unary/unary_scalar_tmpl.h"

#define SV_REAL double
#define SV_REAL_NAME(name) sv_##name##_f64
#define SV_MATH(name) name
#include "kernels/unary/unary_scalar_tmpl.h"

#endif
