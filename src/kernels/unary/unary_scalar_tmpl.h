/* One precision of unary_scalar.h, which includes this twice. SV_REAL is the type, SV_REAL_NAME(n)
 * the name of a function, SV_MATH(n) libm's function of that precision. Infinities and NaN go
 * through as IEEE 754 has it: NaN in, NaN out, except for the truth values. */

static inline SV_REAL SV_REAL_NAME(sigmoid)(SV_REAL x)
{
    /* exp of a negative number only, so that nothing overflows. */
    SV_REAL e = SV_MATH(exp)(-SV_MATH(fabs)(x));
    return (x < 0 ? e : 1) / (1 + e);
}

static inline SV_REAL SV_REAL_NAME(softplus)(SV_REAL x)
{
    return (x < 0 ? 0 : x) + SV_MATH(log1p)(SV_MATH(exp)(-SV_MATH(fabs)(x)));
}

static inline SV_REAL SV_REAL_NAME(clip)(SV_REAL x, SV_REAL low, SV_REAL high)
{
    if (x < low) x = low;
    return x > high ? high : x;
}

static inline SV_REAL SV_REAL_NAME(elu)(SV_REAL x, SV_REAL alpha)
{
    return x < 0 ? alpha * SV_MATH(expm1)(x) : x;
}

static inline SV_REAL SV_REAL_NAME(gelu)(SV_REAL x)
{
    /* erfc keeps its relative precision where 1 + erf would cancel. */
    return (SV_REAL)0.5 * x * SV_MATH(erfc)(x * (SV_REAL)-M_SQRT1_2);
}

static inline SV_REAL SV_REAL_NAME(gelu_tanh)(SV_REAL x)
{
    /* (1 + tanh(u)) / 2 is the sigmoid of 2u, which does not cancel; u holds the root of 2 / pi. */
    const SV_REAL c = (SV_REAL)(2 * M_SQRT1_2 * M_2_SQRTPI);
    return x * SV_REAL_NAME(sigmoid)(c * (x + (SV_REAL)0.044715 * x * x * x));
}

static inline SV_REAL SV_REAL_NAME(shrink)(SV_REAL x, SV_REAL bias, SV_REAL lambd)
{
    if (x < -lambd) return x + bias;
    if (x > lambd) return x - bias;
    return x == x ? 0 : x;
}

static inline SV_REAL SV_REAL_NAME(sign)(SV_REAL x)
{
    if (x > 0) return 1;
    return x < 0 ? -1 : x;
}

static inline SV_REAL SV_REAL_NAME(is_inf)(SV_REAL x, SV_REAL negative, SV_REAL positive)
{
    return (negative != 0 && x == (SV_REAL)-INFINITY) || (positive != 0 && x == (SV_REAL)INFINITY);
}

/* The operations with a libm function of the same meaning. */
static inline __attribute__((always_inline)) SV_REAL SV_REAL_NAME(unary_math)(sv_unary op,
                                                                              SV_REAL x)
{
    switch (op) {
    case SV_UNARY_Abs:
        return SV_MATH(fabs)(x);
    case SV_UNARY_Acos:
        return SV_MATH(acos)(x);
    case SV_UNARY_Acosh:
        return SV_MATH(acosh)(x);
    case SV_UNARY_Asin:
        return SV_MATH(asin)(x);
    case SV_UNARY_Asinh:
        return SV_MATH(asinh)(x);
    case SV_UNARY_Atan:
        return SV_MATH(atan)(x);
    case SV_UNARY_Atanh:
        return SV_MATH(atanh)(x);
    case SV_UNARY_Ceil:
        return SV_MATH(ceil)(x);
    case SV_UNARY_Cos:
        return SV_MATH(cos)(x);
    case SV_UNARY_Cosh:
        return SV_MATH(cosh)(x);
    case SV_UNARY_Erf:
        return SV_MATH(erf)(x);
    case SV_UNARY_Exp:
        return SV_MATH(exp)(x);
    case SV_UNARY_Floor:
        return SV_MATH(floor)(x);
    case SV_UNARY_Log:
        return SV_MATH(log)(x);
    case SV_UNARY_Round:
        return SV_MATH(rint)(x); /* halves to even, in the default rounding mode */
    case SV_UNARY_Sin:
        return SV_MATH(sin)(x);
    case SV_UNARY_Sinh:
        return SV_MATH(sinh)(x);
    case SV_UNARY_Sqrt:
        return SV_MATH(sqrt)(x);
    case SV_UNARY_Tan:
        return SV_MATH(tan)(x);
    case SV_UNARY_Tanh:
        return SV_MATH(tanh)(x);
    default:
        return x; /* BitwiseNot has no meaning on floats */
    }
}

static inline __attribute__((always_inline)) SV_REAL
SV_REAL_NAME(unary_apply)(sv_unary op, SV_REAL x, SV_REAL a, SV_REAL b)
{
    switch (op) {
    case SV_UNARY_Affine:
        return a * x + b;
    case SV_UNARY_Celu:
        return x < 0 ? a * SV_MATH(expm1)(x / a) : x;
    case SV_UNARY_Clip:
        return SV_REAL_NAME(clip)(x, a, b);
    case SV_UNARY_Elu:
        return SV_REAL_NAME(elu)(x, a);
    case SV_UNARY_Gelu:
        return SV_REAL_NAME(gelu)(x);
    case SV_UNARY_GeluTanh:
        return SV_REAL_NAME(gelu_tanh)(x);
    case SV_UNARY_HardSigmoid:
        return SV_REAL_NAME(clip)(a * x + b, 0, 1);
    case SV_UNARY_HardSwish:
        return x * SV_REAL_NAME(clip)(x / 6 + (SV_REAL)0.5, 0, 1);
    case SV_UNARY_IsInf:
        return SV_REAL_NAME(is_inf)(x, a, b);
    case SV_UNARY_IsNaN:
        return x != x;
    case SV_UNARY_LeakyRelu:
        return x < 0 ? a * x : x;
    case SV_UNARY_Mish:
        return x * SV_MATH(tanh)(SV_REAL_NAME(softplus)(x));
    case SV_UNARY_Neg:
        return -x;
    case SV_UNARY_Not:
        return x == 0;
    case SV_UNARY_Reciprocal:
        return 1 / x;
    case SV_UNARY_Relu:
        return x < 0 ? 0 : x;
    case SV_UNARY_ScaledTanh:
        return a * SV_MATH(tanh)(b * x);
    case SV_UNARY_Selu:
        return b * SV_REAL_NAME(elu)(x, a);
    case SV_UNARY_Shrink:
        return SV_REAL_NAME(shrink)(x, a, b);
    case SV_UNARY_Sigmoid:
        return SV_REAL_NAME(sigmoid)(x);
    case SV_UNARY_Sign:
        return SV_REAL_NAME(sign)(x);
    case SV_UNARY_Softplus:
        return SV_REAL_NAME(softplus)(x);
    case SV_UNARY_Softsign:
        return x / (1 + SV_MATH(fabs)(x));
    case SV_UNARY_Swish:
        return x * SV_REAL_NAME(sigmoid)(a * x);
    case SV_UNARY_ThresholdedRelu:
        return x > a || x != x ? x : 0;
    default:
        return SV_REAL_NAME(unary_math)(op, x);
    }
}

#undef SV_REAL
#undef SV_REAL_NAME
#undef SV_MATH
