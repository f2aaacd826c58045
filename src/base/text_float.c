/* Shortest decimals of binary floating-point numbers.
 *
 * The method is the free-format digit generation of Steele and White ("How to Print Floating-Point
 * Numbers Accurately", 1990), in fixed point with 60 or 120 binary places: exact for every number
 * whose last bit lies between 2^0 and 2^-118, which are nearly all that anyone prints. The others
 * go through printf with rising precision until the text reads back as the same number. */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

enum {
    WIDE_PLACES = 120,
    NARROW_PLACES = 60,
    MAX_DIGITS = 24,
    NUMBER_ROOM = 48,
    SMALLEST_PLAIN = -4,
};

/* A finite, positive number: mantissa * 2^exponent. */
typedef struct {
    uint64_t mantissa;
    int exponent;
    bool uneven; /* the next smaller number is only half as far away as the next larger one */
} binary;

/* 0.d1d2d3... * 10^point */
typedef struct {
    char digit[MAX_DIGITS];
    int count, point;
} decimal;

static void put_integer(decimal *out, uint64_t value)
{
    char reversed[20];
    int count = 0;
    for (; value; value /= 10)
        reversed[count++] = (char)('0' + value % 10);
    out->count = out->point = count;
    for (int i = 0; i < count; i++)
        out->digit[i] = reversed[count - 1 - i];
}

/* Digits are generated until what is left is closer to 0 (or, rounding up, to 1) than half the
 * distance to the neighbouring number, which grows tenfold with each digit. The integer part needs
 * no such test: all integers in range are numbers themselves, so none lies within the margin.
 *
 * `fixed` is the type of the fraction: its top 4 bits take the next digit, the rest are the places.
 */
#define DEFINE_GENERATE(name, fixed, places)                                                       \
    static void name(const binary *value, decimal *out)                                            \
    {                                                                                              \
        const fixed one = (fixed)1 << (places);                                                    \
        int shift = -value->exponent;                                                              \
        fixed rest = (fixed)value->mantissa << ((places)-shift) & (one - 1);                       \
        fixed above = one >> (shift + 1);                                                          \
        bool even = !(value->mantissa & 1); /* the margins' ends read back as this number too */   \
        put_integer(out, shift < 64 ? value->mantissa >> shift : 0);                               \
        while (rest != 0) {                                                                        \
            rest *= 10;                                                                            \
            above *= 10;                                                                           \
            fixed below = above >> value->uneven, left = one - (rest & (one - 1));                 \
            int digit = (int)(rest >> (places));                                                   \
            rest &= one - 1;                                                                       \
            bool down = rest < below || (even && rest == below);                                   \
            bool up = left < above || (even && left == above);                                     \
            if (!(down || up)) {                                                                   \
                put_digit(out, digit);                                                             \
                continue;                                                                          \
            }                                                                                      \
            bool nearer = rest > left || (rest == left && (digit & 1));                            \
            put_digit(out, digit + (up && (!down || nearer)));                                     \
            break;                                                                                 \
        }                                                                                          \
    }

/* A leading zero behind the point only moves the point. */
static void put_digit(decimal *out, int digit)
{
    if (digit == 0 && out->count == 0)
        out->point--;
    else
        out->digit[out->count++] = (char)('0' + digit);
}

DEFINE_GENERATE(generate_narrow, uint64_t, NARROW_PLACES)
DEFINE_GENERATE(generate_wide, u128, WIDE_PLACES)

static size_t copy(char *at, const char *from, int count)
{
    memcpy(at, from, (size_t)count);
    return (size_t)count;
}

static size_t zeros(char *at, int count)
{
    memset(at, '0', (size_t)count);
    return (size_t)count;
}

/* "12.5", "3.0", "0.00012" or "1.2e-7". */
static size_t layout(const decimal *value, char *out)
{
    size_t size = 0;
    if (value->point <= SMALLEST_PLAIN) {
        out[size++] = value->digit[0];
        if (value->count > 1) {
            out[size++] = '.';
            size += copy(out + size, value->digit + 1, value->count - 1);
        }
        return size + (size_t)snprintf(out + size, 8, "e%d", value->point - 1);
    }
    if (value->point <= 0) {
        size += copy(out, "0.", 2);
        size += zeros(out + size, -value->point);
        return size + copy(out + size, value->digit, value->count);
    }
    size += copy(out, value->digit, value->point);
    if (value->count == value->point) return size + copy(out + size, ".0", 2);
    out[size++] = '.';
    return size + copy(out + size, value->digit + value->point, value->count - value->point);
}

/* The locale's decimal point, whatever its bytes, becomes a dot. */
static void put_without_locale(sv_text *text, const char *number)
{
    static const char plain[] = "+-0123456789e";
    size_t head = strspn(number, plain);
    sv_text_append(text, number, head);
    if (number[head] == '\0') return;
    sv_text_putc(text, '.');
    number += head + strcspn(number + head, plain);
    sv_text_puts(text, number);
}

static bool reads_back(const char *number, double value, bool single)
{
    return single ? strtof(number, NULL) == (float)value : strtod(number, NULL) == value;
}

/* More digits never read back worse, so that the fewest are found by halving. */
static void put_by_search(sv_text *text, double value, bool single)
{
    char number[320]; /* more than "%g" can write with any precision, as compilers check */
    int low = 1, high = single ? 9 : 17;
    while (low < high) {
        int middle = (low + high) / 2;
        snprintf(number, sizeof number, "%.*g", middle, value);
        if (reads_back(number, value, single))
            high = middle;
        else
            low = middle + 1;
    }
    snprintf(number, sizeof number, "%.*g", low, value);
    put_without_locale(text, number);
}

static void put_finite(sv_text *text, const binary *value, bool negative, double same, bool single)
{
    /* The margins need one bit behind the number's last, two where they are uneven. */
    if (value->exponent > 0 || value->exponent < 2 - WIDE_PLACES) {
        put_by_search(text, same, single);
        return;
    }
    char *at = sv_text_reserve(text, NUMBER_ROOM);
    if (!at) return;
    decimal digits;
    if (value->exponent >= 2 - NARROW_PLACES)
        generate_narrow(value, &digits);
    else
        generate_wide(value, &digits);
    if (negative) *at++ = '-';
    at += layout(&digits, at);
    *at = '\0';
    text->size = (size_t)(at - text->data);
}

static void put_special(sv_text *text, bool negative, const char *name)
{
    if (negative) sv_text_putc(text, '-');
    sv_text_puts(text, name);
}

void sv_text_put_f64(sv_text *text, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7FF);
    bool negative = bits >> 63;
    if (exponent == 0x7FF) {
        put_special(text, negative && !fraction, fraction ? "NaN" : "Infinity");
    } else if (exponent == 0 && fraction == 0) {
        put_special(text, negative, "0.0");
    } else {
        binary value = {fraction, -1074, false};
        if (exponent) value = (binary){fraction | (uint64_t)1 << 52, exponent - 1075, !fraction};
        put_finite(text, &value, negative, number, false);
    }
}

void sv_text_put_f32(sv_text *text, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    uint32_t fraction = bits & (((uint32_t)1 << 23) - 1);
    int exponent = (int)(bits >> 23 & 0xFF);
    bool negative = bits >> 31;
    if (exponent == 0xFF) {
        put_special(text, negative && !fraction, fraction ? "NaN" : "Infinity");
    } else if (exponent == 0 && fraction == 0) {
        put_special(text, negative, "0.0");
    } else {
        binary value = {fraction, -149, false};
        if (exponent) value = (binary){fraction | (uint32_t)1 << 23, exponent - 150, !fraction};
        put_finite(text, &value, negative, (double)number, true);
    }
}
