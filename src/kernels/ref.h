/* What the reference rows share: reading and writing one element of any numeric type, and epilogues
 * one value at a time.
 *
 * Floats are computed in f64 whatever their storage, integers modulo 2^64, so that reference rows
 * are more exact than the rows that are compared with them. Always inlined: where the dtype is a
 * constant, the switches vanish. */
#ifndef SV_KERNELS_REF_H
#define SV_KERNELS_REF_H

#include "kernels/prices.h"
#include "kernels/unary/unary_scalar.h"

#define SV_REF_INLINE static inline __attribute__((always_inline, unused))

/* What `operations` of a reference loop cost. */
SV_REF_INLINE double ref_ns(const sv_problem *problem, double operations)
{
    return operations * sv_price(problem, SV_CPU_BASELINE, SV_PRICE_reference);
}

SV_REF_INLINE double ref_cost(const sv_problem *problem)
{
    return sv_problem_default_cost(problem) + ref_ns(problem, sv_problem_flops(problem));
}

SV_REF_INLINE double ref_get(sv_dtype dtype, const void *base, int64_t i)
{
    switch (dtype) {
    case SV_F32:
        return (double)((const float *)base)[i];
    case SV_F64:
        return ((const double *)base)[i];
    case SV_F16:
        return (double)sv_f16_to_f32(((const uint16_t *)base)[i]);
    case SV_BF16:
        return (double)sv_bf16_to_f32(((const uint16_t *)base)[i]);
    case SV_I8:
        return ((const int8_t *)base)[i];
    case SV_U8:
        return ((const uint8_t *)base)[i];
    case SV_I32:
        return ((const int32_t *)base)[i];
    case SV_U32:
        return ((const uint32_t *)base)[i];
    default:
        return 0;
    }
}

/* Narrow floats are rounded twice, by way of f32; integers must hold the value. */
SV_REF_INLINE void ref_put(sv_dtype dtype, void *base, int64_t i, double value)
{
    switch (dtype) {
    case SV_F32:
        ((float *)base)[i] = (float)value;
        break;
    case SV_F64:
        ((double *)base)[i] = value;
        break;
    case SV_F16:
        ((uint16_t *)base)[i] = sv_f32_to_f16((float)value);
        break;
    case SV_BF16:
        ((uint16_t *)base)[i] = sv_f32_to_bf16((float)value);
        break;
    case SV_I8:
        ((int8_t *)base)[i] = (int8_t)value;
        break;
    case SV_U8:
        ((uint8_t *)base)[i] = (uint8_t)value;
        break;
    default:
        break;
    }
}

/* Integers modulo 2^64: products and sums of two's complement keep their low bits. */
SV_REF_INLINE uint64_t ref_get_integer(sv_dtype dtype, const void *base, int64_t i)
{
    switch (dtype) {
    case SV_I16:
        return (uint64_t)((const int16_t *)base)[i];
    case SV_I32:
        return (uint64_t)((const int32_t *)base)[i];
    case SV_U32:
        return ((const uint32_t *)base)[i];
    case SV_I64:
        return (uint64_t)((const int64_t *)base)[i];
    case SV_U64:
        return ((const uint64_t *)base)[i];
    default:
        return 0;
    }
}

SV_REF_INLINE void ref_put_integer(sv_dtype dtype, void *base, int64_t i, uint64_t value)
{
    if (dtype == SV_I32 || dtype == SV_U32) {
        ((uint32_t *)base)[i] = (uint32_t)value;
    } else {
        ((uint64_t *)base)[i] = value;
    }
}

SV_REF_INLINE bool ref_is_float(sv_dtype dtype)
{
    return dtype == SV_F32 || dtype == SV_F64 || dtype == SV_F16 || dtype == SV_BF16;
}

/* Where the element of an operand lies that meets y[index]: dimensions of 1 are repeated. */
static inline int64_t ref_offset(const sv_desc *desc, const int64_t *index)
{
    int64_t offset = 0;
    for (int32_t i = 0; i < desc->rank; i++) {
        if (desc->dim[i] != 1) offset += index[i] * desc->stride[i];
    }
    return offset;
}

/* The call's epilogue on the value of y[index], whose channel is index[channel]. */
static inline double ref_epilogue(const sv_call *call, double value, const int64_t *index,
                                  int32_t channel)
{
    for (uint32_t i = 0; i < call->epilogue->n; i++) {
        const sv_epilogue_item *item = &call->epilogue->item[i];
        if (item->kind == SV_EPI_UNARY) {
            value =
                sv_unary_apply_f64((sv_unary)item->unary, value, (double)item->a, (double)item->b);
            continue;
        }
        const sv_desc *desc = &call->desc[item->operand];
        int64_t at = item->kind == SV_EPI_BIAS ? index[channel] : ref_offset(desc, index);
        double other = ref_get(desc->dtype, call->ptr[item->operand], at);
        value = item->kind == SV_EPI_MUL ? value * other : value + other;
    }
    return value;
}

#endif
