/* Runs of elements to and from the types that loops compute in: one loop a pair, from the tables of
 * types below. */
#include "kernels/convert/element.h"

#include <math.h>
#include <string.h>

/* ---- single values ------------------------------------------------------------------------- */

static inline int64_t f64_to_i64(double x)
{
    if (x != x) return 0;
    if (x >= 0x1p63) return INT64_MAX;
    return x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

static inline uint64_t f64_to_u64(double x)
{
    if (!(x > 0)) return 0;
    return x >= 0x1p64 ? UINT64_MAX : (uint64_t)x;
}

static inline int64_t clamp_f64(double x, int64_t low, int64_t high)
{
    int64_t i = f64_to_i64(x);
    if (i < low) return low;
    return i > high ? high : i;
}

/* Rounds to odd: a later rounding to at most 22 bits then comes out as if it were the only one. */
static inline float f64_to_f32_odd(double x)
{
    float f = (float)x;
    double back = f;
    if (back == x || x != x) return f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    /* Rounding away from zero (also to infinity) is undone; then the last bit says "inexact". */
    if (fabs(back) > fabs(x)) bits--;
    bits |= 1;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Two's complement of 4 or 2 bits in a byte of its own. */
static inline int8_t sign_extend(uint64_t x, int bits)
{
    uint64_t mask = (UINT64_C(1) << bits) - 1, sign = UINT64_C(1) << (bits - 1);
    return (int8_t)((int)((x & mask) ^ sign) - (int)sign);
}

#define LOAD_F16(v) sv_f16_to_f32(v)
#define LOAD_BF16(v) sv_bf16_to_f32(v)
#define LOAD_SMALL(v) sv_small_float_to_f32(dtype, v)
#define LOAD_SAME(v) (v)

/* X(dtype, type in memory, type of the value, expression that loads it). */
#define FLOAT_TYPES(X)                                                                             \
    X(SV_F32, float, float, LOAD_SAME)                                                             \
    X(SV_F16, uint16_t, float, LOAD_F16)                                                           \
    X(SV_BF16, uint16_t, float, LOAD_BF16)                                                         \
    X(SV_F64, double, double, LOAD_SAME)                                                           \
    X(SV_C64, float, float, LOAD_SAME)                                                             \
    X(SV_C128, double, double, LOAD_SAME)                                                          \
    X(SV_F8E4M3FN, uint8_t, float, LOAD_SMALL)                                                     \
    X(SV_F8E4M3FNUZ, uint8_t, float, LOAD_SMALL)                                                   \
    X(SV_F8E5M2, uint8_t, float, LOAD_SMALL)                                                       \
    X(SV_F8E5M2FNUZ, uint8_t, float, LOAD_SMALL)                                                   \
    X(SV_F8E8M0, uint8_t, float, LOAD_SMALL)                                                       \
    X(SV_F4E2M1, uint8_t, float, LOAD_SMALL)

#define INTEGER_TYPES(X)                                                                           \
    X(SV_U8, uint8_t)                                                                              \
    X(SV_I8, int8_t)                                                                               \
    X(SV_U16, uint16_t)                                                                            \
    X(SV_I16, int16_t)                                                                             \
    X(SV_I32, int32_t)                                                                             \
    X(SV_I64, int64_t)                                                                             \
    X(SV_U32, uint32_t)                                                                            \
    X(SV_U64, uint64_t)                                                                            \
    X(SV_BOOL, uint8_t)                                                                            \
    X(SV_U4, uint8_t)                                                                              \
    X(SV_I4, int8_t)                                                                               \
    X(SV_U2, uint8_t)                                                                              \
    X(SV_I2, int8_t)

sv_dtype sv_element_wide(sv_dtype dtype)
{
    switch (dtype) {
    case SV_DTYPE_NONE:
    case SV_DTYPE_COUNT:
    case SV_STRING:
        return SV_DTYPE_NONE;
    case SV_U64:
        return SV_U64;
#define X(name, memory, value, load)                                                               \
    case name:                                                                                     \
        return sizeof(value) == 8 ? SV_F64 : SV_F32;
        FLOAT_TYPES(X)
#undef X
    default:
        return SV_I64;
    }
}

/* ---- reading ------------------------------------------------------------------------------- */

#define READ(memory, expression)                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                              \
        memory v = *(const memory *)(x + i * step);                                                \
        y[i] = expression;                                                                         \
    }                                                                                              \
    break;

/* A reader of type `type` whose floats become it by `from_float`. */
#define READER(name, type, from_float)                                                             \
    void sv_element_get_##name(sv_dtype dtype, const char *x, int64_t step, type *y, int64_t n)    \
    {                                                                                              \
        switch (dtype) {                                                                           \
            FLOAT_TYPES(from_float)                                                                \
            INTEGER_TYPES(READ_INTEGER_##name)                                                     \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

#define READ_INTEGER(dtype_, memory, type)                                                         \
    case dtype_:                                                                                   \
        READ(memory, (type)v)
#define READ_INTEGER_f32(d, m) READ_INTEGER(d, m, float)
#define READ_INTEGER_f64(d, m) READ_INTEGER(d, m, double)
#define READ_INTEGER_i64(d, m) READ_INTEGER(d, m, int64_t)
#define READ_INTEGER_u64(d, m) READ_INTEGER(d, m, uint64_t)

#define READ_AS_f32(d, memory, value, load)                                                        \
    case d:                                                                                        \
        READ(memory, (float)load(v))
#define READ_AS_f64(d, memory, value, load)                                                        \
    case d:                                                                                        \
        READ(memory, (double)load(v))
#define READ_AS_i64(d, memory, value, load)                                                        \
    case d:                                                                                        \
        READ(memory, f64_to_i64(load(v)))
#define READ_AS_u64(d, memory, value, load)                                                        \
    case d:                                                                                        \
        READ(memory, f64_to_u64(load(v)))

READER(f32, float, READ_AS_f32)
READER(f64, double, READ_AS_f64)
READER(i64, int64_t, READ_AS_i64)
READER(u64, uint64_t, READ_AS_u64)

/* ---- writing ------------------------------------------------------------------------------- */

#define WRITE(dtype_, memory, expression)                                                          \
    case dtype_:                                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            *(memory *)(y + i * step) = (memory)(expression);                                      \
        break;

/* What all four writers share: `narrow(v)` is the f32 from which narrow floats are rounded. */
#define WRITE_FLOATS(narrow)                                                                       \
    WRITE(SV_F32, float, x[i])                                                                     \
    WRITE(SV_F64, double, x[i])                                                                    \
    WRITE(SV_F16, uint16_t, sv_f32_to_f16(narrow(x[i])))                                           \
    WRITE(SV_BF16, uint16_t, sv_f32_to_bf16(narrow(x[i])))                                         \
    WRITE(SV_BOOL, uint8_t, x[i] != 0)                                                             \
    WRITE(SV_F8E8M0, uint8_t, sv_f32_to_e8m0(narrow(x[i]), SV_ROUND_UP, saturate))                 \
    case SV_F8E4M3FN:                                                                              \
    case SV_F8E4M3FNUZ:                                                                            \
    case SV_F8E5M2:                                                                                \
    case SV_F8E5M2FNUZ:                                                                            \
        WRITE(SV_F4E2M1, uint8_t, sv_f32_to_small_float(dtype, narrow(x[i]), saturate))

#define WRITE_COMPLEX(dtype_, memory)                                                              \
    case dtype_:                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            ((memory *)(y + i * step))[0] = (memory)x[i];                                          \
            ((memory *)(y + i * step))[1] = 0;                                                     \
        }                                                                                          \
        break;

#define WRITE_SUB_BYTES(to_u64)                                                                    \
    WRITE(SV_U4, uint8_t, (to_u64)&15)                                                             \
    WRITE(SV_I4, int8_t, sign_extend(to_u64, 4))                                                   \
    WRITE(SV_U2, uint8_t, (to_u64)&3)                                                              \
    WRITE(SV_I2, int8_t, sign_extend(to_u64, 2))

#define WRITER_OF_FLOATS(name, type, narrow)                                                       \
    void sv_element_put_##name(sv_dtype dtype, const type *x, char *y, int64_t step, int64_t n,    \
                               bool saturate)                                                      \
    {                                                                                              \
        switch (dtype) {                                                                           \
            WRITE_FLOATS(narrow)                                                                   \
            WRITE_COMPLEX(SV_C64, float)                                                           \
            WRITE_COMPLEX(SV_C128, double)                                                         \
            WRITE_SUB_BYTES((uint64_t)f64_to_i64(x[i]))                                            \
            WRITE(SV_U8, uint8_t, clamp_f64(x[i], 0, UINT8_MAX))                                   \
            WRITE(SV_I8, int8_t, clamp_f64(x[i], INT8_MIN, INT8_MAX))                              \
            WRITE(SV_U16, uint16_t, clamp_f64(x[i], 0, UINT16_MAX))                                \
            WRITE(SV_I16, int16_t, clamp_f64(x[i], INT16_MIN, INT16_MAX))                          \
            WRITE(SV_U32, uint32_t, clamp_f64(x[i], 0, UINT32_MAX))                                \
            WRITE(SV_I32, int32_t, clamp_f64(x[i], INT32_MIN, INT32_MAX))                          \
            WRITE(SV_U64, uint64_t, f64_to_u64(x[i]))                                              \
            WRITE(SV_I64, int64_t, f64_to_i64(x[i]))                                               \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

#define WRITE_INTEGER(dtype_, memory) WRITE(dtype_, memory, x[i])

#define WRITER_OF_INTEGERS(name, type)                                                             \
    void sv_element_put_##name(sv_dtype dtype, const type *x, char *y, int64_t step, int64_t n,    \
                               bool saturate)                                                      \
    {                                                                                              \
        switch (dtype) {                                                                           \
            WRITE_FLOATS((float))                                                                  \
            WRITE_COMPLEX(SV_C64, float)                                                           \
            WRITE_COMPLEX(SV_C128, double)                                                         \
            WRITE_SUB_BYTES((uint64_t)x[i])                                                        \
            WRITE(SV_U8, uint8_t, x[i])                                                            \
            WRITE(SV_I8, int8_t, x[i])                                                             \
            WRITE(SV_U16, uint16_t, x[i])                                                          \
            WRITE(SV_I16, int16_t, x[i])                                                           \
            WRITE(SV_U32, uint32_t, x[i])                                                          \
            WRITE(SV_I32, int32_t, x[i])                                                           \
            WRITE(SV_U64, uint64_t, x[i])                                                          \
            WRITE(SV_I64, int64_t, x[i])                                                           \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
    }

WRITER_OF_FLOATS(f32, float, LOAD_SAME)
WRITER_OF_FLOATS(f64, double, f64_to_f32_odd)
WRITER_OF_INTEGERS(i64, int64_t)
WRITER_OF_INTEGERS(u64, uint64_t)
