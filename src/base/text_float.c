/* Shortest decimals of binary floating-point numbers.
 *
 * A number's decimal must lie within half the distance to its neighbours. Where 10^places times the
 * number fits 128 bits, the fewest places are found for which an integer lies within, by comparing
 * integers (as Giulietti's Schubfach does, "The Schubfach way to render doubles", 2020). Smaller
 * numbers go through the free-format digit generation of Steele and White ("How to Print
 * Floating-Point Numbers Accurately", 1990), in fixed point with 120 binary places. Both are exact;
 * together they cover numbers whose last bit lies between 2^0 and 2^-118, which are nearly all that
 * anyone prints. The others go through printf with rising precision until the text reads back. */
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

enum {
    WIDE_PLACES = 120,
    SCALED_BITS = 58, /* behind the point: 19 decimal places then suffice, which 64 bits hold */
    SCALED_PLACES = 19,
    SINGLE_SCALED_BITS = 32, /* single floats: 11 places suffice, and everything fits 64 bits */
    INTEGER_DIGITS = 20,
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
    char *digit; /* into `room` */
    int count, point;
    char room[INTEGER_DIGITS + MAX_DIGITS];
} decimal;

static void put_integer(decimal *out, uint64_t value)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char *end = out->room + INTEGER_DIGITS, *at = end;
    for (; value >= 10; value /= 100)
        at = memcpy(at - 2, pairs + value % 100 * 2, 2);
    if (value) *--at = (char)('0' + value);
    out->digit = at;
    out->count = out->point = (int)(end - at);
}

static const uint64_t power10[SCALED_PLACES + 1] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

/* Which integers lie within the margins of value * 10^places, if least <= most, and which of them
 * is the nearest. */
typedef struct {
    uint64_t least, most, nearest;
} candidates;

/* All is counted in quarters of the mantissa's last bit, so that both margins are whole; `fixed`
 * must hold four times the mantissa times 10^places, and the margins besides. Without branches,
 * since no digit can be predicted. */
#define DEFINE_FIND(name, fixed)                                                                   \
    static inline candidates name(const binary *value, int places)                                 \
    {                                                                                              \
        int shift = 2 - value->exponent;                                                           \
        bool odd = value->mantissa & 1; /* then the margins' ends do not read back as it */        \
        fixed scale = power10[places], middle = scale * (4 * value->mantissa);                     \
        fixed low = middle - (scale << !value->uneven) + odd, high = middle + 2 * scale - odd;     \
        fixed one = (fixed)1 << shift, half = one >> 1;                                            \
        uint64_t least = (uint64_t)((low + one - 1) >> shift), most = (uint64_t)(high >> shift);   \
        uint64_t nearest = (uint64_t)((middle + half) >> shift);                                   \
        nearest -= (nearest & 1) & ((middle & (one - 1)) == half);                                 \
        if (nearest < least) nearest = least;                                                      \
        if (nearest > most) nearest = most;                                                        \
        return (candidates){least, most, nearest};                                                 \
    }

DEFINE_FIND(find_scaled, u128)
DEFINE_FIND(find_scaled_single, uint64_t)

/* With so many places the margins are less than 1 apart: what is found then is the only one, and
 * fewer places would write the same number. */
static int first_places(const binary *value)
{
    return -value->exponent * 1233 >> 12; /* log10(2) */
}

static void generate_scaled(const binary *value, decimal *out)
{
    int places = first_places(value);
    candidates found = find_scaled(value, places);
    while (found.least > found.most)
        found = find_scaled(value, ++places);
    put_integer(out, found.nearest);
    out->point -= places;
    int least = out->point > 1 ? out->point : 1;
    while (out->count > least && out->digit[out->count - 1] == '0')
        out->count--;
}

/* A leading zero behind the point only moves the point. */
static void put_digit(decimal *out, int digit)
{
    if (digit == 0 && out->count == 0)
        out->point--;
    else
        out->digit[out->count++] = (char)('0' + digit);
}

/* Digits are generated until what is left is closer to 0 (or, rounding up, to 1) than half the
 * distance to the neighbouring number, which grows tenfold with each digit. The integer part needs
 * no such test: all integers in range are numbers themselves, so none lies within the margin. The
 * top bits of a fraction take the next digit. */
static void generate_wide(const binary *value, decimal *out)
{
    const u128 one = (u128)1 << WIDE_PLACES;
    int shift = -value->exponent;
    u128 rest = (u128)value->mantissa << (WIDE_PLACES - shift) & (one - 1);
    u128 above = one >> (shift + 1);
    bool even = !(value->mantissa & 1); /* the margins' ends read back as this number too */
    put_integer(out, shift < 64 ? value->mantissa >> shift : 0);
    while (rest != 0) {
        rest *= 10;
        above *= 10;
        u128 below = above >> value->uneven, left = one - (rest & (one - 1));
        int digit = (int)(rest >> WIDE_PLACES);
        rest &= one - 1;
        bool down = rest < below || (even && rest == below);
        bool up = left < above || (even && left == above);
        if (!(down || up)) {
            put_digit(out, digit);
            continue;
        }
        bool nearer = rest > left || (rest == left && (digit & 1));
        put_digit(out, digit + (up && (!down || nearer)));
        break;
    }
}

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
    if (value->exponent >= -SCALED_BITS)
        generate_scaled(value, &digits);
    else
        generate_wide(value, &digits);
    if (negative) *at++ = '-';
    at += layout(&digits, at);
    *at = '\0';
    text->size = (size_t)(at - text->data);
}

/* ---- single floats, of which answers are made ---------------------------------------------- */

/* Sixteen characters in a register, the first in the lowest byte. */
typedef u128 characters;

enum { CHARACTERS = 16, HALF = 8 };

#define ZEROS 0x3030303030303030u /* "00000000" */

/* Eight decimal digits, with zeros before: the two halves, their pairs and single digits are parted
 * by one multiplication each, with the reciprocals of 100 and 10. */
static uint64_t eight_digits(uint32_t value)
{
    uint64_t v = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t high = v * 5243 >> 19 & 0x0000007F0000007Fu;
    v = high | (v - high * 100) << 16;
    high = v * 103 >> 10 & 0x000F000F000F000Fu;
    return (high | (v - high * 10) << 8) + ZEROS;
}

static characters sixteen_digits(uint64_t value)
{
    uint64_t high = value / 100000000, low = value % 100000000;
    return (characters)eight_digits((uint32_t)low) << 64 | eight_digits((uint32_t)high);
}

static void store(char *at, characters text)
{
    uint64_t half[2] = {(uint64_t)text, (uint64_t)(text >> 64)};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    half[0] = __builtin_bswap64(half[0]);
    half[1] = __builtin_bswap64(half[1]);
#endif
    memcpy(at, half, sizeof half);
}

/* How many of the first, and of the last, eight characters are '0'. */
static int zeros_first(uint64_t half)
{
    int zeros = __builtin_ctzll((half ^ ZEROS) | (uint64_t)1 << 63) / 8;
    return zeros + (half == ZEROS);
}

static int zeros_last(uint64_t half)
{
    int zeros = __builtin_clzll((half ^ ZEROS) | 1) / 8;
    return zeros + (half == ZEROS);
}

/* From 2^-9 to 2^24 nothing is written in steps: all digits at once, the integer part and, one byte
 * further on, the fraction, each with more behind it than counts in the end. */
static void put_single(sv_text *text, const binary *value, bool negative)
{
    char *begin = sv_text_reserve(text, NUMBER_ROOM), *at = begin;
    if (!at) return;
    int places = first_places(value) + 1;
    candidates found = find_scaled_single(value, places);
    while (found.least > found.most)
        found = find_scaled_single(value, ++places);
    uint64_t shorter = found.most / 10 * 10;
    characters digits = sixteen_digits(shorter >= found.least ? shorter : found.nearest);
    /* There are 7 to 10 digits, and at least one on each side of the point. */
    int point = CHARACTERS - places, first = 6 + zeros_first((uint64_t)(digits >> 8 * 6));
    int zeros = zeros_last((uint64_t)(digits >> 64));
    zeros += zeros == HALF ? zeros_last((uint64_t)digits) : 0;
    int last = CHARACTERS - 1 - zeros;
    if (first > point - 1) first = point - 1;
    if (last < point) last = point;
    *at = '-';
    at += negative;
    store(at, digits >> 8 * first);
    at += point - first;
    *at++ = '.';
    store(at, digits >> 8 * point);
    at += last + 1 - point;
    *at = '\0';
    text->size += (size_t)(at - begin);
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
        bool usual = -value.exponent <= SINGLE_SCALED_BITS && value.exponent <= 0;
        if (usual)
            put_single(text, &value, negative);
        else
            put_finite(text, &value, negative, (double)number, true);
    }
}
