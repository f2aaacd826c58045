/* The unary operations that have a vector form: one definition for the unary rows and for
 * epilogues.
 *
 * Meaning is that of unary/unary_scalar.h, which also does the operations that are not listed here.
 */
#ifndef SV_KERNELS_ACTIVATION_TMPL_H
#define SV_KERNELS_ACTIVATION_TMPL_H

#include "kernels/elementwise.h"
#include "kernels/vecmath_tmpl.h"

SV_INLINE sv_vf vf_elu(sv_vf x, sv_vf alpha)
{
    return vf_select(vf_less(x, vf_zero()), alpha * vf_expm1(x), x);
}

SV_INLINE sv_vf vf_celu(sv_vf x, sv_vf alpha)
{
    /* A negative alpha turns the quotient up: where expm1 ends, the result is infinite. */
    sv_vf q = x / alpha, infinity = vf_set1(__builtin_inff());
    sv_vf e = vf_select(vf_less(vf_set1(88.0f), q), infinity, vf_expm1(q));
    return vf_select(vf_less(x, vf_zero()), alpha * e, x);
}

SV_INLINE sv_vf vf_softplus(sv_vf x)
{
    return vf_max(vf_zero(), x) + vf_log1p(vf_exp(vf_neg(vf_abs(x))));
}

SV_INLINE sv_vf vf_mish(sv_vf x)
{
    /* tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); above 20 the quotient is 1, and e^2 no longer
     * fits. */
    sv_vf e = vf_exp(vf_min(vf_set1(20.0f), x));
    sv_vf n = e * (e + vf_set1(2.0f));
    return x * (n / (n + vf_set1(2.0f)));
}

SV_INLINE sv_vf vf_gelu_tanh(sv_vf x)
{
    /* (1 + tanh(u)) / 2 is the sigmoid of 2u, which keeps its precision where 1 + tanh cancels. */
    sv_vf cube = vf_set1(0.044715f) * x * x * x;
    return x * vf_sigmoid(vf_set1(1.59576912f) * (x + cube));
}

SV_INLINE sv_vf vf_swish(sv_vf x, sv_vf a)
{
    return x * vf_sigmoid(a * x);
}

SV_INLINE sv_vf vf_hard_sigmoid(sv_vf x, sv_vf a, sv_vf b)
{
    return vf_clip(a * x + b, vf_zero(), vf_set1(1.0f));
}

SV_INLINE sv_vf vf_hard_swish(sv_vf x)
{
    return x * vf_hard_sigmoid(x, vf_set1(1.0f / 6), vf_set1(0.5f));
}

/* Whether vf_activate knows `op`. */
SV_INLINE bool vf_activate_has(sv_unary op)
{
    switch (op) {
    case SV_UNARY_Abs:
    case SV_UNARY_Affine:
    case SV_UNARY_Celu:
    case SV_UNARY_Clip:
    case SV_UNARY_Elu:
    case SV_UNARY_Erf:
    case SV_UNARY_Exp:
    case SV_UNARY_Gelu:
    case SV_UNARY_GeluTanh:
    case SV_UNARY_HardSigmoid:
    case SV_UNARY_HardSwish:
    case SV_UNARY_LeakyRelu:
    case SV_UNARY_Log:
    case SV_UNARY_Mish:
    case SV_UNARY_Neg:
    case SV_UNARY_Reciprocal:
    case SV_UNARY_Relu:
    case SV_UNARY_Selu:
    case SV_UNARY_Sigmoid:
    case SV_UNARY_Softplus:
    case SV_UNARY_Softsign:
    case SV_UNARY_Sqrt:
    case SV_UNARY_Swish:
    case SV_UNARY_Tanh:
    case SV_UNARY_ThresholdedRelu:
        return true;
    default:
        return false;
    }
}

/* One operation on one vector; with a constant `op` the switch vanishes. Operations that
 * vf_activate_has does not know give x. */
SV_INLINE sv_vf vf_activate(sv_unary op, sv_vf x, sv_vf a, sv_vf b)
{
    const sv_vf zero = vf_zero(), one = vf_set1(1.0f);
    switch (op) {
    case SV_UNARY_Abs:
        return vf_abs(x);
    case SV_UNARY_Affine:
        return a * x + b;
    case SV_UNARY_Celu:
        return vf_celu(x, a);
    case SV_UNARY_Clip:
        return vf_clip(x, a, b);
    case SV_UNARY_Elu:
        return vf_elu(x, a);
    case SV_UNARY_Erf:
        return vf_erf(x);
    case SV_UNARY_Exp:
        return vf_exp(x);
    case SV_UNARY_Gelu:
        return vf_gelu(x);
    case SV_UNARY_GeluTanh:
        return vf_gelu_tanh(x);
    case SV_UNARY_HardSigmoid:
        return vf_hard_sigmoid(x, a, b);
    case SV_UNARY_HardSwish:
        return vf_hard_swish(x);
    case SV_UNARY_LeakyRelu:
        return vf_select(vf_less(x, zero), a * x, x);
    case SV_UNARY_Log:
        return vf_log(x);
    case SV_UNARY_Mish:
        return vf_mish(x);
    case SV_UNARY_Neg:
        return vf_neg(x);
    case SV_UNARY_Reciprocal:
        return one / x;
    case SV_UNARY_Relu:
        return vf_max(zero, x);
    case SV_UNARY_Selu:
        return b * vf_elu(x, a);
    case SV_UNARY_Sigmoid:
        return vf_sigmoid(x);
    case SV_UNARY_Softplus:
        return vf_softplus(x);
    case SV_UNARY_Softsign:
        return x / (one + vf_abs(x));
    case SV_UNARY_Sqrt:
        return vf_sqrt(x);
    case SV_UNARY_Swish:
        return vf_swish(x, a);
    case SV_UNARY_Tanh:
        return vf_tanh(x);
    case SV_UNARY_ThresholdedRelu:
        return vf_select(vf_less_equal(x, a), zero, x);
    default:
        return x;
    }
}

#endif
