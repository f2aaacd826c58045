/* JSON numbers, rounded correctly.
 *
 * Three ways, by how many digits there are. Up to 2^53 and 10^22 the number is one exact operation
 * on exact operands (Clinger, "How to Read Floating Point Numbers Accurately", 1990). Up to 19
 * digits and 10^27 it is an exact 128-bit product or quotient with its remainder, rounded by hand.
 * The rest goes to strtod. */
#include "wire/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

enum { MOST_DIGITS = 19, CLINGER_POWER = 22, EXACT_POWER = 27, TOKEN_LIMIT = 1024 };

#define MOST_EXACT_F64 ((uint64_t)1 << 53)
#define EIGHT(byte) (0x0101010101010101u * (byte))

/* digits * 10^exponent, when `whole`; otherwise some digits are only in the text. */
typedef struct {
    uint64_t digits;
    int32_t exponent;
    bool negative, whole, integer;
} number;

static const double power10[CLINGER_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static const uint64_t power5[EXACT_POWER + 1] = {
    1u,
    5u,
    25u,
    125u,
    625u,
    3125u,
    15625u,
    78125u,
    390625u,
    1953125u,
    9765625u,
    48828125u,
    244140625u,
    1220703125u,
    6103515625u,
    30517578125u,
    152587890625u,
    762939453125u,
    3814697265625u,
    19073486328125u,
    95367431640625u,
    476837158203125u,
    2384185791015625u,
    11920928955078125u,
    59604644775390625u,
    298023223876953125u,
    1490116119384765625u,
    7450580596923828125u,
};

/* ---- text to digits ----------------------------------------------------------------------- */

JSON_INLINE bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') < 10;
}

/* Digits as their values in 8 bytes, the first in the lowest: neighbours are joined to pairs, fours
 * and the whole, by one multiplication each. */
JSON_INLINE uint64_t join_eight(uint64_t values)
{
    values = (values * 10 + (values >> 8)) & 0x00FF00FF00FF00FFu;
    values = (values * 100 + (values >> 16)) & 0x0000FFFF0000FFFFu;
    return (values * 10000 + (values >> 32)) & 0xFFFFFFFFu;
}

/* How many of the next eight bytes are digits before the first that is none, and their values. */
typedef struct {
    uint64_t values;
    int count;
} eight_digits;

JSON_INLINE eight_digits look_at_eight(const uint8_t *at)
{
    uint64_t values = sv_load8(at) ^ EIGHT('0');
    uint64_t others = (((values & EIGHT(0x7F)) + EIGHT(0x76)) | values) & EIGHT(0x80);
    return (eight_digits){values, others ? __builtin_ctzll(others) / 8 : 8};
}

/* Appends at most seven digits: a shift puts zeros before them, since a loop as long as they are
 * many could not be predicted. */
JSON_INLINE uint64_t join_first(uint64_t value, eight_digits next)
{
    static const uint32_t scale[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    return value * scale[next.count & 7] +
           join_eight(next.values << (56 - 8 * (next.count & 7)) << 8);
}

/* Appends digits to *value, which wraps beyond 19 of them: the caller counts. */
JSON_INLINE const uint8_t *take_digits(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t v = *value;
    while (end - at >= 8) {
        eight_digits next = look_at_eight(at);
        if (next.count < 8) {
            *value = join_first(v, next);
            return at + next.count;
        }
        v = v * 100000000u + join_eight(next.values);
        at += 8;
    }
    for (; at < end && is_digit(*at); at++)
        v = v * 10 + (uint64_t)(*at - '0');
    *value = v;
    return at;
}

/* The same for what stands before the point, which mostly is one digit. */
JSON_INLINE const uint8_t *take_integer(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    if (end - at < 2 || is_digit(at[1])) return take_digits(at, end, value);
    *value = (uint64_t)(*at - '0');
    return at + 1;
}

/* The digits behind "e", with sign; NULL when there are none. What is beyond any type stays there.
 */
static const uint8_t *take_exponent(const uint8_t *at, const uint8_t *end, int32_t *exponent)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) at++;
    if (at == end || !is_digit(*at)) return NULL;
    int32_t value = 0;
    for (; at < end && is_digit(*at); at++)
        if (value < 100000) value = value * 10 + (*at - '0');
    *exponent = negative ? -value : value;
    return at;
}

/* The digits of [at, end), among which there may be a point, from the first that is not 0. */
static size_t count_significant(const uint8_t *at, const uint8_t *end)
{
    size_t count = 0;
    for (; at < end; at++)
        count += is_digit(*at) && (count || *at != '0');
    return count;
}

/* Reads a number by RFC 8259's grammar; returns its end, or NULL when it is none. */
JSON_INLINE const uint8_t *scan(const uint8_t *at, const uint8_t *end, number *out)
{
    uint64_t digits = 0;
    int32_t exponent = 0;
    bool negative = at < end && *at == '-', integer = true;
    at += negative;
    if (at == end || !is_digit(*at)) return NULL;
    const uint8_t *begin = at;
    at = take_integer(at, end, &digits);
    if (*begin == '0' && at - begin > 1) return NULL;
    if (at < end && *at == '.') {
        const uint8_t *fraction = ++at;
        at = take_digits(at, end, &digits);
        if (at == fraction) return NULL;
        /* So long a fraction is not `whole`, and its exponent is not used. */
        exponent = at - fraction < 10000 ? (int32_t)(fraction - at) : 0;
        integer = false;
    }
    out->whole = at - begin <= MOST_DIGITS || count_significant(begin, at) <= MOST_DIGITS;
    if (at < end && (*at | 0x20) == 'e') {
        int32_t more;
        at = take_exponent(at + 1, end, &more);
        if (!at) return NULL;
        exponent += more;
        integer = false;
    }
    out->negative = negative;
    out->integer = integer;
    out->digits = digits;
    out->exponent = exponent;
    return at;
}

/* The same for those that are in no hurry. */
static const uint8_t *scan_seldom(const uint8_t *at, const uint8_t *end, number *out)
{
    return scan(at, end, out);
}

/* ---- digits to numbers -------------------------------------------------------------------- */

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int bit_length(u128 value)
{
    uint64_t high = (uint64_t)(value >> 64);
    return high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)value);
}

/* digits * 10^exponent (digits not 0, at most 10^27 either way), rounded to nearest even with
 * `precision` bits: so few that at least one bit of the exact result is always left over. */
static double round_exact(uint64_t digits, int exponent, int precision)
{
    u128 value;
    bool inexact = false;
    int scale = exponent;
    if (exponent >= 0) {
        value = (u128)digits * power5[exponent];
    } else {
        int shift = __builtin_clzll(digits);
        u128 dividend = (u128)(digits << shift) << 64;
        value = dividend / power5[-exponent];
        inexact = value * power5[-exponent] != dividend;
        scale -= 64 + shift;
    }
    int drop = bit_length(value) - precision;
    uint64_t kept = (uint64_t)(value >> drop);
    u128 rest = value & (((u128)1 << drop) - 1), half = (u128)1 << (drop - 1);
    if (rest > half || (rest == half && (inexact || (kept & 1)))) kept++;
    return (double)kept * power_of_two(drop + scale);
}

/* Without the decimal point, whose form depends on the locale: "-12.5e3" becomes "-125e2". */
static bool plain_token(const uint8_t *at, const uint8_t *end, char out[TOKEN_LIMIT])
{
    if (end - at > TOKEN_LIMIT - 16) return false;
    size_t size = 0;
    int32_t exponent = 0;
    bool fraction = false;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        out[size++] = (char)*at;
        exponent -= fraction;
    }
    int32_t more = 0;
    if (at < end) take_exponent(at + 1, end, &more);
    snprintf(out + size, TOKEN_LIMIT - size, "e%d", (int)(exponent + more));
    return true;
}

/* How a number may fail to become a value; the offset is where it begins. */
typedef enum { READ, TOO_LONG, OUT_OF_RANGE, NOT_INTEGER } outcome;

static outcome slow_f64(const uint8_t *at, const uint8_t *end, double *out)
{
    char token[TOKEN_LIMIT];
    if (!plain_token(at, end, token)) return TOO_LONG;
    double value = strtod(token, NULL);
    if (isinf(value)) return OUT_OF_RANGE;
    *out = value;
    return READ;
}

static outcome slow_f32(const uint8_t *at, const uint8_t *end, float *out)
{
    char token[TOKEN_LIMIT];
    if (!plain_token(at, end, token)) return TOO_LONG;
    float value = strtof(token, NULL);
    if (isinf(value)) return OUT_OF_RANGE;
    *out = value;
    return READ;
}

JSON_INLINE double scaled(uint64_t digits, int exponent)
{
    return exponent < 0 ? (double)digits / power10[-exponent] : (double)digits * power10[exponent];
}

JSON_INLINE bool within(int32_t exponent, int32_t limit)
{
    return exponent >= -limit && exponent <= limit;
}

JSON_INLINE outcome make_f64(const number *n, const uint8_t *at, const uint8_t *end, double *out)
{
    double value;
    if (n->whole && n->digits <= MOST_EXACT_F64 && within(n->exponent, CLINGER_POWER)) {
        value = scaled(n->digits, n->exponent);
    } else if (n->whole && n->digits != 0 && within(n->exponent, EXACT_POWER)) {
        value = round_exact(n->digits, n->exponent, 53);
    } else {
        return slow_f64(at, end, out);
    }
    *out = n->negative ? -value : value;
    return READ;
}

/* A double that is off by at most two units in its last place gives the right float unless it lies
 * that close to the middle between two floats. */
JSON_INLINE bool near_middle(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t dropped = bits & 0x1FFFFFFF; /* the 29 bits that a float does not have */
    return dropped - (0x10000000 - 4) <= 8;
}

JSON_INLINE outcome make_f32(const number *n, const uint8_t *at, const uint8_t *end, float *out)
{
    double value = 0;
    if (!n->whole || !within(n->exponent, EXACT_POWER)) return slow_f32(at, end, out);
    bool near = within(n->exponent, CLINGER_POWER);
    if (near) value = scaled(n->digits, n->exponent);
    if (n->digits != 0 && (!near || near_middle(value)))
        value = round_exact(n->digits, n->exponent, 24);
    float narrow = (float)value;
    if (isinf(narrow)) return OUT_OF_RANGE;
    *out = n->negative ? -narrow : narrow;
    return READ;
}

/* Integers of 20 digits wrap `digits`; those that still fit 64 bits are read once more. */
static outcome magnitude(const number *n, const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    if (!n->integer) return NOT_INTEGER;
    if (n->whole) {
        *out = n->digits;
        return READ;
    }
    uint64_t value = 0;
    for (at += n->negative; at < end; at++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return OUT_OF_RANGE;
    *out = value;
    return READ;
}

JSON_INLINE outcome make_i64(const number *n, const uint8_t *at, const uint8_t *end, int64_t *out)
{
    uint64_t value = 0;
    outcome result = magnitude(n, at, end, &value);
    if (result != READ) return result;
    if (value > (uint64_t)INT64_MAX + n->negative) return OUT_OF_RANGE;
    *out = (int64_t)(n->negative ? 0 - value : value);
    return READ;
}

JSON_INLINE outcome make_u64(const number *n, const uint8_t *at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    outcome result = magnitude(n, at, end, &value);
    if (result != READ) return result;
    if (value && n->negative) return OUT_OF_RANGE;
    *out = value;
    return READ;
}

/* ---- the reader --------------------------------------------------------------------------- */

static sv_status failure(sv_json *json, outcome result, const char *type)
{
    int shown = 40;
    const char *token = (const char *)json->reader.at;
    number ignored;
    const uint8_t *end = scan_seldom(json->reader.at, json->reader.end, &ignored);
    if (end && end - json->reader.at < shown) shown = (int)(end - json->reader.at);
    switch (result) {
    case NOT_INTEGER:
        return sv_json_error(json, "expected an integer, found %.*s", shown, token);
    case OUT_OF_RANGE:
        return sv_json_error(json, "expected a number in the range of %s, found %.*s", type, shown,
                             token);
    default:
        return sv_json_error(json, "expected a number of at most %d characters, found %.*s...",
                             TOKEN_LIMIT - 16, shown, token);
    }
}

/* NaN, Infinity, -Infinity; the token's end, or NULL. */
static const uint8_t *scan_non_finite(const sv_json *json, double *out)
{
    static const struct {
        const char *text;
        size_t size;
        double value;
    } words[] = {{"NaN", 3, NAN}, {"Infinity", 8, INFINITY}, {"-Infinity", 9, -INFINITY}};
    if (!json->allow_non_finite) return NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sv_reader_left(&json->reader) < words[i].size ||
            memcmp(json->reader.at, words[i].text, words[i].size) != 0)
            continue;
        *out = words[i].value;
        return json->reader.at + words[i].size;
    }
    return NULL;
}

static sv_status no_number(sv_json *json, const char *expected)
{
    if (sv_json_peek(json) != SV_JSON_NUMBER) return json_unexpected(json, expected);
    return sv_json_error(json, "expected %s, found a malformed one", expected);
}

/* What stands where a number was expected and is none. */
static sv_status rare_f64(sv_json *json, double *out)
{
    const uint8_t *end = scan_non_finite(json, out);
    if (!end) return no_number(json, "a number");
    json->reader.at = end;
    return SV_OK;
}

static sv_status rare_f32(sv_json *json, float *out)
{
    double value;
    SV_TRY(rare_f64(json, &value));
    *out = (float)value;
    return SV_OK;
}

#define rare_i64(json, out) no_number(json, "an integer")
#define rare_u64(json, out) no_number(json, "an integer")

/* ---- plain floats -------------------------------------------------------------------------- */

enum { PLAIN_BYTES = 24 }; /* all that plain_f32 looks at */

/* Without a branch: signs cannot be predicted. */
JSON_INLINE float signed_f32(float magnitude, bool negative)
{
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof bits);
    bits |= (uint32_t)negative << 31;
    memcpy(&magnitude, &bits, sizeof bits);
    return magnitude;
}

/* How nearly every float of a body is written: one digit, a point, at most 16 more digits. Returns
 * its end; NULL for all others, and where rounding needs a second look. */
JSON_INLINE const uint8_t *plain_f32(const uint8_t *at, float *out)
{
    bool negative = *at == '-';
    at += negative;
    uint64_t digits = (uint64_t)*at - '0';
    if (digits > 9 || at[1] != '.') return NULL;
    at += 2;
    int before = 0;
    eight_digits next = look_at_eight(at);
    if (next.count == 8) {
        digits = digits * 100000000 + join_eight(next.values);
        before = 8;
        next = look_at_eight(at + 8);
    }
    int count = before + next.count;
    digits = join_first(digits, next);
    uint8_t after = at[count];
    if (next.count == 8 || count == 0 || (after != ',' && after != ']')) return NULL;
    double value = (double)(int64_t)digits / power10[count];
    if (near_middle(value)) return NULL;
    *out = signed_f32((float)value, negative);
    return at + count;
}

/* Takes commas with plain floats behind them, for as long as they come; returns how many. */
static size_t plain_f32_run(sv_json *json, float *out, size_t room)
{
    const uint8_t *at = json->reader.at, *end = json->reader.end;
    size_t n = 0;
    for (; n < room && end - at > PLAIN_BYTES && *at == ','; n++) {
        const uint8_t *next = plain_f32(at + 1, &out[n]);
        if (!next) break;
        at = next;
    }
    json->reader.at = at;
    return n;
}

#define plain_f64_run(json, out, room) ((size_t)0)
#define plain_i64_run(json, out, room) ((size_t)0)
#define plain_u64_run(json, out, room) ((size_t)0)

/* For each type: one number where the reader stands, a value, and a run of values. */
#define DEFINE_READERS(name, type, type_name)                                                      \
    JSON_INLINE sv_status read_##name(sv_json *json, type *out)                                    \
    {                                                                                              \
        number n;                                                                                  \
        const uint8_t *at = json->reader.at, *end = scan(at, json->reader.end, &n);                \
        if (__builtin_expect(!end, 0)) return rare_##name(json, out);                              \
        outcome result = make_##name(&n, at, end, out);                                            \
        if (__builtin_expect(result != READ, 0)) return failure(json, result, type_name);          \
        json->reader.at = end;                                                                     \
        return SV_OK;                                                                              \
    }                                                                                              \
                                                                                                   \
    sv_status sv_json_##name(sv_json *json, type *out)                                             \
    {                                                                                              \
        json->reader.at = json_space(json->reader.at, json->reader.end);                           \
        return read_##name(json, out);                                                             \
    }                                                                                              \
                                                                                                   \
    sv_status sv_json_##name##_run(sv_json *json, type *out, size_t room, size_t *count,           \
                                   bool *ended)                                                    \
    {                                                                                              \
        bool more = true;                                                                          \
        size_t n = 0;                                                                              \
        for (; n < room; n++) {                                                                    \
            if (!json_comma(json)) {                                                               \
                if (!json_next(json, ']', &more)) return sv_json_array_next(json, &more);          \
                if (!more) break;                                                                  \
            }                                                                                      \
            SV_TRY(read_##name(json, &out[n]));                                                    \
            n += plain_##name##_run(json, out + n + 1, room - n - 1);                              \
        }                                                                                          \
        *count = n;                                                                                \
        *ended = !more;                                                                            \
        return SV_OK;                                                                              \
    }

DEFINE_READERS(f32, float, "float32")
DEFINE_READERS(f64, double, "float64")
DEFINE_READERS(i64, int64_t, "int64")
DEFINE_READERS(u64, uint64_t, "uint64")

bool sv_json_is_integer(const sv_json *json)
{
    number n;
    const uint8_t *at = json_space(json->reader.at, json->reader.end);
    return scan_seldom(at, json->reader.end, &n) && n.integer;
}

sv_status json_skip_number(sv_json *json)
{
    number n;
    double value;
    const uint8_t *end = scan_seldom(json->reader.at, json->reader.end, &n);
    if (!end) end = scan_non_finite(json, &value);
    if (!end) return no_number(json, "a number");
    json->reader.at = end;
    return SV_OK;
}
