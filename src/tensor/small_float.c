/* The floating-point formats of 16, 8 and 4 bits.
 *
 * Everything is done on bits: the results then depend neither on the rounding mode nor on whether
 * denormals are being flushed, which runs switch on. */
#include "tensor/dtype.h"

#include <string.h>

enum { F32_MANTISSA = 23, F32_BIAS = 127 };

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static bool is_nan_bits(uint32_t bits)
{
    return (bits & 0x7FFFFFFF) > 0x7F800000;
}

/* A format of a sign, exponent and mantissa, with denormals. */
typedef struct {
    uint8_t mantissa, bias;
    uint16_t sign;     /* the sign's bit */
    uint16_t largest;  /* the code of the largest finite number */
    uint16_t infinity; /* the code that stands for overflow: infinity, or NaN where there is none */
    uint16_t nan;
    bool signed_nan; /* NaN has a sign, and so has 0 */
} format;

static const format half = {10, 15, 0x8000, 0x7BFF, 0x7C00, 0x7E00, true};
static const format e4m3fn = {3, 7, 0x80, 0x7E, 0x7F, 0x7F, true};
static const format e4m3fnuz = {3, 8, 0x80, 0x7F, 0x80, 0x80, false};
static const format e5m2 = {2, 15, 0x80, 0x7B, 0x7C, 0x7E, true};
static const format e5m2fnuz = {2, 16, 0x80, 0x7F, 0x80, 0x80, false};
/* No NaN, no infinity: overflow is the largest, NaN becomes -0 as in the ml_dtypes package. */
static const format e2m1 = {1, 1, 0x8, 0x7, 0x7, 0x8, true};

static const format *format_of(sv_dtype dtype)
{
    switch (dtype) {
    case SV_F16:
        return &half;
    case SV_F8E4M3FN:
        return &e4m3fn;
    case SV_F8E4M3FNUZ:
        return &e4m3fnuz;
    case SV_F8E5M2:
        return &e5m2;
    case SV_F8E5M2FNUZ:
        return &e5m2fnuz;
    default:
        return &e2m1;
    }
}

/* value >> shift, to nearest, ties to even. */
static uint32_t shift_to_even(uint32_t value, int shift)
{
    if (shift > 31) return 0;
    uint32_t rest = value & ((1u << shift) - 1), tie = 1u << (shift - 1), whole = value >> shift;
    return whole + (rest > tie || (rest == tie && (whole & 1)));
}

static uint16_t encode(const format *f, float value, bool saturate)
{
    uint32_t bits = bits_of(value);
    uint16_t sign = bits >> 31 ? f->sign : 0;
    if (is_nan_bits(bits)) return f->signed_nan && f != &e2m1 ? f->nan | sign : f->nan;
    int exponent = (int)(bits >> F32_MANTISSA & 0xFF);
    uint32_t significand = bits & 0x7FFFFF;
    if (exponent == 0)
        exponent = 1;
    else
        significand |= 0x800000;
    /* Denormals of the target share the exponent of its smallest normal number. */
    int least = 1 - f->bias, own = exponent - F32_BIAS, used = own < least ? least : own;
    uint32_t rounded = shift_to_even(significand, used - own + F32_MANTISSA - f->mantissa);
    uint32_t code = ((uint32_t)(used - least) << f->mantissa) + rounded;
    if (code > f->largest) code = saturate ? f->largest : f->infinity;
    if (code == 0 && !f->signed_nan) return 0;
    return (uint16_t)(code | sign);
}

/* 2^exponent for exponents of normal numbers. */
static float power_of_two(int exponent)
{
    return float_of((uint32_t)(exponent + F32_BIAS) << F32_MANTISSA);
}

static float decode(const format *f, uint16_t code)
{
    uint32_t sign = code & f->sign ? 0x80000000u : 0;
    uint32_t magnitude = code & (uint32_t)(f->sign - 1);
    if (!f->signed_nan && code == f->nan) return float_of(0x7FC00000);
    if (f->infinity != f->largest && f->signed_nan && magnitude > f->largest)
        return float_of(
            sign | (magnitude == f->infinity && f->infinity != f->nan ? 0x7F800000 : 0x7FC00000));
    uint32_t mask = (1u << f->mantissa) - 1;
    int exponent = (int)(magnitude >> f->mantissa);
    uint32_t significand = magnitude & mask;
    if (exponent == 0)
        exponent = 1;
    else
        significand |= mask + 1;
    /* Both factors and the product are exact and normal. */
    float value = (float)significand * power_of_two(exponent - f->bias - f->mantissa);
    return float_of(bits_of(value) | sign);
}

float sv_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    /* NaN keeps its payload, so that every code survives the round trip. */
    if ((bits & 0x7C00) == 0x7C00)
        return float_of(sign | 0x7F800000 | (uint32_t)(bits & 0x3FF) << 13);
    return decode(&half, bits);
}

uint16_t sv_f32_to_f16(float value)
{
    uint32_t bits = bits_of(value);
    if (is_nan_bits(bits))
        return (uint16_t)(bits >> 16 & 0x8000) | 0x7E00 | (uint16_t)(bits >> 13 & 0x3FF);
    return encode(&half, value, false);
}

float sv_bf16_to_f32(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t sv_f32_to_bf16(float value)
{
    uint32_t bits = bits_of(value);
    if (is_nan_bits(bits)) return (uint16_t)(bits >> 16) | 0x40;
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* float8e8m0: the exponent alone, 2^-127 to 2^127; 0xFF is NaN. */
static float e8m0_to_f32(uint8_t code)
{
    if (code == 0xFF) return float_of(0x7FC00000);
    return float_of(code == 0 ? 0x400000 : (uint32_t)code << F32_MANTISSA);
}

/* How far the number lies above the power of two below it: 0 on it, 1 under the middle, 2 in the
 * middle or above. */
static int position_above(uint32_t fraction, uint32_t span)
{
    return fraction == 0 ? 0 : fraction < span / 2 ? 1 : 2;
}

uint8_t sv_f32_to_e8m0(float value, sv_round_mode mode, bool saturate)
{
    uint32_t bits = bits_of(value) & 0x7FFFFFFF;
    if (is_nan_bits(bits)) return 0xFF;
    if (bits == 0x7F800000) return saturate ? 0xFE : 0xFF;
    if (bits < 0x400000) return saturate ? 0 : 0xFF;
    uint32_t code = bits >> F32_MANTISSA;
    int position = code ? position_above(bits & 0x7FFFFF, 0x800000)
                        : position_above(bits - 0x400000, 0x400000);
    if (mode == SV_ROUND_UP ? position > 0 : mode == SV_ROUND_NEAREST && position == 2) code++;
    if (code > 0xFE) return saturate ? 0xFE : 0xFF;
    return (uint8_t)code;
}

float sv_small_float_to_f32(sv_dtype dtype, uint8_t bits)
{
    if (dtype == SV_F8E8M0) return e8m0_to_f32(bits);
    return decode(format_of(dtype), dtype == SV_F4E2M1 ? bits & 0xF : bits);
}

uint8_t sv_f32_to_small_float(sv_dtype dtype, float value, bool saturate)
{
    if (dtype == SV_F8E8M0) return sv_f32_to_e8m0(value, SV_ROUND_NEAREST, saturate);
    return (uint8_t)encode(format_of(dtype), value, saturate);
}
