/* One element of any type, through the widest type of its class. */
#include "tensor/dtype.h"

#include <math.h>
#include <string.h>

/* Elements may lie anywhere: in a file's bytes, in a caller's buffer. */
#define LOAD(type, at)                                                                             \
    __extension__({                                                                                \
        type load_value;                                                                           \
        memcpy(&load_value, (at), sizeof load_value);                                              \
        load_value;                                                                                \
    })
#define STORE(type, at, from)                                                                      \
    do {                                                                                           \
        type store_value = (type)(from);                                                           \
        memcpy((at), &store_value, sizeof store_value);                                            \
    } while (0)

static int64_t low_bits_signed(uint64_t value, int bits)
{
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static uint64_t low_bits(uint64_t value, int bits)
{
    return bits == 64 ? value : value & (((uint64_t)1 << bits) - 1);
}

/* Any integer or bool, as the 64 bits that stand for it (sign-extended). */
static uint64_t get_integer(sv_dtype dtype, const void *at)
{
    switch (dtype) {
    case SV_U8:
        return LOAD(uint8_t, at);
    case SV_I8:
        return (uint64_t)(int64_t)LOAD(int8_t, at);
    case SV_U16:
        return LOAD(uint16_t, at);
    case SV_I16:
        return (uint64_t)(int64_t)LOAD(int16_t, at);
    case SV_U32:
        return LOAD(uint32_t, at);
    case SV_I32:
        return (uint64_t)(int64_t)LOAD(int32_t, at);
    case SV_U64:
    case SV_I64:
        return LOAD(uint64_t, at);
    case SV_BOOL:
        return LOAD(uint8_t, at) != 0;
    case SV_U4:
        return low_bits(LOAD(uint8_t, at), 4);
    case SV_I4:
        return (uint64_t)low_bits_signed(LOAD(uint8_t, at), 4);
    case SV_U2:
        return low_bits(LOAD(uint8_t, at), 2);
    case SV_I2:
        return (uint64_t)low_bits_signed(LOAD(uint8_t, at), 2);
    default:
        return 0;
    }
}

static void set_integer(sv_dtype dtype, void *at, uint64_t value)
{
    const sv_dtype_info *row = sv_dtype_get(dtype);
    if (row->bits < 8)
        value = row->class_ == SV_CLASS_INT ? (uint64_t)low_bits_signed(value, row->bits)
                                            : low_bits(value, row->bits);
    switch (row->size) {
    case 1:
        STORE(uint8_t, at, value);
        break;
    case 2:
        STORE(uint16_t, at, value);
        break;
    case 4:
        STORE(uint32_t, at, value);
        break;
    default:
        STORE(uint64_t, at, value);
        break;
    }
}

static bool is_whole(uint8_t class_)
{
    return class_ == SV_CLASS_INT || class_ == SV_CLASS_UINT || class_ == SV_CLASS_BOOL;
}

/* Floats and the real part of complex numbers; 0 for what is no number. */
static double get_float(sv_dtype dtype, const void *at)
{
    switch (dtype) {
    case SV_F32:
    case SV_C64:
        return (double)LOAD(float, at);
    case SV_F64:
    case SV_C128:
        return LOAD(double, at);
    case SV_F16:
        return (double)sv_f16_to_f32(LOAD(uint16_t, at));
    case SV_BF16:
        return (double)sv_bf16_to_f32(LOAD(uint16_t, at));
    case SV_F8E4M3FN:
    case SV_F8E4M3FNUZ:
    case SV_F8E5M2:
    case SV_F8E5M2FNUZ:
    case SV_F4E2M1:
    case SV_F8E8M0:
        return (double)sv_small_float_to_f32(dtype, LOAD(uint8_t, at));
    default:
        return 0;
    }
}

/* To float with a sticky last bit ("round to odd"): rounding the result once more, to any narrower
 * format, then gives what rounding the double itself would have given (Boldo and Melquiond, 2008).
 */
static float narrow_sticky(double value)
{
    float near = (float)value;
    if (isnan(value) || (double)near == value) return near;
    uint32_t bits;
    memcpy(&bits, &near, sizeof bits);
    if (!(bits & 1)) bits = fabs((double)near) > fabs(value) ? bits - 1 : bits + 1;
    memcpy(&near, &bits, sizeof near);
    return near;
}

static void set_float(sv_dtype dtype, void *at, double value)
{
    switch (dtype) {
    case SV_C64:
        STORE(float, (char *)at + sizeof(float), 0); /* fall through */
    case SV_F32:
        STORE(float, at, value);
        break;
    case SV_C128:
        STORE(double, (char *)at + sizeof(double), 0); /* fall through */
    case SV_F64:
        STORE(double, at, value);
        break;
    case SV_F16:
        STORE(uint16_t, at, sv_f32_to_f16(narrow_sticky(value)));
        break;
    case SV_BF16:
        STORE(uint16_t, at, sv_f32_to_bf16(narrow_sticky(value)));
        break;
    case SV_F8E4M3FN:
    case SV_F8E4M3FNUZ:
    case SV_F8E5M2:
    case SV_F8E5M2FNUZ:
    case SV_F4E2M1:
    case SV_F8E8M0:
        STORE(uint8_t, at, sv_f32_to_small_float(dtype, narrow_sticky(value), true));
        break;
    default:
        break;
    }
}

/* Truncation towards 0, clamped; NaN is 0. */
static int64_t clamp_i64(double value, int64_t low, int64_t high)
{
    if (isnan(value)) return 0;
    if (value <= (double)low) return low;
    if (value >= (double)high) return high;
    return (int64_t)value;
}

static uint64_t clamp_u64(double value, uint64_t high)
{
    if (!(value > 0)) return 0;
    return value >= (double)high ? high : (uint64_t)value;
}

double sv_scalar_get_f64(sv_dtype dtype, const void *at)
{
    uint8_t class_ = sv_dtype_get(dtype)->class_;
    if (!is_whole(class_)) return get_float(dtype, at);
    uint64_t value = get_integer(dtype, at);
    return class_ == SV_CLASS_INT ? (double)(int64_t)value : (double)value;
}

int64_t sv_scalar_get_i64(sv_dtype dtype, const void *at)
{
    if (is_whole(sv_dtype_get(dtype)->class_)) return (int64_t)get_integer(dtype, at);
    return clamp_i64(get_float(dtype, at), INT64_MIN, INT64_MAX);
}

uint64_t sv_scalar_get_u64(sv_dtype dtype, const void *at)
{
    if (is_whole(sv_dtype_get(dtype)->class_)) return get_integer(dtype, at);
    return clamp_u64(get_float(dtype, at), UINT64_MAX);
}

void sv_scalar_set_f64(sv_dtype dtype, void *at, double value)
{
    const sv_dtype_info *row = sv_dtype_get(dtype);
    switch (row->class_) {
    case SV_CLASS_BOOL:
        STORE(uint8_t, at, value != 0);
        break;
    case SV_CLASS_INT: {
        int64_t high = (int64_t)(UINT64_MAX >> (65 - row->bits));
        set_integer(dtype, at, (uint64_t)clamp_i64(value, -high - 1, high));
        break;
    }
    case SV_CLASS_UINT:
        set_integer(dtype, at, clamp_u64(value, UINT64_MAX >> (64 - row->bits)));
        break;
    default:
        set_float(dtype, at, value);
        break;
    }
}

/* A 64-bit magnitude as a double whose last bit is sticky, for the same reason as above. */
static double widen_sticky(uint64_t magnitude)
{
    const uint64_t beyond = (1 << 11) - 1;
    if (magnitude >> 53)
        magnitude = (magnitude & ~beyond) | (uint64_t) !!(magnitude & beyond) << 11;
    return (double)magnitude;
}

static void set_whole(sv_dtype dtype, void *at, bool negative, uint64_t magnitude)
{
    switch (dtype) {
    case SV_F32:
    case SV_C64: {
        float value = (float)magnitude;
        set_float(dtype, at, negative ? -(double)value : (double)value);
        break;
    }
    case SV_F64:
    case SV_C128: {
        double value = (double)magnitude;
        set_float(dtype, at, negative ? -value : value);
        break;
    }
    default: {
        double value = widen_sticky(magnitude);
        set_float(dtype, at, negative ? -value : value);
        break;
    }
    }
}

void sv_scalar_set_i64(sv_dtype dtype, void *at, int64_t value)
{
    uint8_t class_ = sv_dtype_get(dtype)->class_;
    if (class_ == SV_CLASS_BOOL)
        STORE(uint8_t, at, value != 0);
    else if (is_whole(class_))
        set_integer(dtype, at, (uint64_t)value);
    else
        set_whole(dtype, at, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void sv_scalar_set_u64(sv_dtype dtype, void *at, uint64_t value)
{
    uint8_t class_ = sv_dtype_get(dtype)->class_;
    if (class_ == SV_CLASS_BOOL)
        STORE(uint8_t, at, value != 0);
    else if (is_whole(class_))
        set_integer(dtype, at, value);
    else
        set_whole(dtype, at, false, value);
}
