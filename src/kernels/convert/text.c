/* Numbers as text and back; see the header.
 *
 * libc's conversions follow the process's locale, which belongs to the program that embeds us: the
 * decimal point is put in and taken out here. */
#include "kernels/convert/text.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The locale's decimal point, one byte long in all that we can handle. */
static char locale_point(void)
{
    const struct lconv *convention = localeconv();
    return convention && convention->decimal_point[0] ? convention->decimal_point[0] : '.';
}

static bool reads_back(const char *text, double value, bool single)
{
    return single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* numpy's form: an exponent below 1e-4 and from 1e16 on, otherwise digits with a fraction. */
static void write_finite(double value, bool single, char out[SV_NUMBER_TEXT])
{
    int digits = single ? 6 : 15, most = single ? 9 : 17;
    char shortest[SV_NUMBER_TEXT];
    for (;; digits++) {
        snprintf(shortest, sizeof shortest, "%.*e", digits - 1, value);
        if (digits == most || reads_back(shortest, value, single)) break;
    }
    /* Trailing zeros of the significand say nothing: "1.500000e+00" has two digits. */
    char *e = strchr(shortest, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    char *end = e;
    while (end[-1] == '0')
        end--;
    int kept = digits - (int)(e - end);
    if (kept < 1) kept = 1;
    if (exponent >= -4 && exponent < 16) {
        int decimals = kept - 1 - exponent;
        snprintf(out, SV_NUMBER_TEXT, "%.*f", decimals > 1 ? decimals : 1, value);
    } else {
        snprintf(out, SV_NUMBER_TEXT, "%.*e", kept - 1, value);
    }
}

size_t sv_number_write(double value, bool single, char out[SV_NUMBER_TEXT])
{
    if (value != value) {
        strcpy(out, "nan");
    } else if (isinf(value)) {
        strcpy(out, value < 0 ? "-inf" : "inf");
    } else {
        write_finite(value, single, out);
        char *point = strchr(out, locale_point());
        if (point) *point = '.';
    }
    return strlen(out);
}

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A NUL-terminated copy without the blanks around; false when it cannot be a number. */
static bool trimmed(const char *text, size_t size, char *out, size_t capacity)
{
    while (size && blank(text[0])) {
        text++;
        size--;
    }
    while (size && blank(text[size - 1]))
        size--;
    if (!size || size >= capacity) return false;
    /* libc also takes hexadecimal and payloads of NaN, which are no part of the format. */
    for (size_t i = 0; i < size; i++) {
        if (!strchr("0123456789+-.eEinfatyINFATY", text[i]) || !text[i]) return false;
        out[i] = text[i];
    }
    out[size] = 0;
    return true;
}

/* Longer decimals exist, but none whose value needs its digits behind these. */
#define NUMBER_LONGEST 1100

bool sv_number_read(const char *text, size_t size, double *out)
{
    char copy[NUMBER_LONGEST];
    if (!trimmed(text, size, copy, sizeof copy)) return false;
    char *point = strchr(copy, '.');
    if (point) *point = locale_point();
    char *end;
    double value = strtod(copy, &end);
    if (end == copy || *end) return false;
    *out = value;
    return true;
}

bool sv_integer_read(const char *text, size_t size, int64_t *out, bool *is_unsigned)
{
    char copy[NUMBER_LONGEST];
    if (!trimmed(text, size, copy, sizeof copy)) return false;
    *is_unsigned = false;
    const char *digits = copy + (copy[0] == '-' || copy[0] == '+');
    if (digits[0] && !digits[strspn(digits, "0123456789")]) {
        uint64_t magnitude = 0;
        for (const char *at = digits; *at; at++) {
            if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
                __builtin_add_overflow(magnitude, (uint64_t)(*at - '0'), &magnitude)) {
                return false;
            }
        }
        bool negative = copy[0] == '-';
        if (negative && magnitude > UINT64_C(1) << 63) return false;
        *out = (int64_t)(negative ? -magnitude : magnitude);
        *is_unsigned = !negative && magnitude > INT64_MAX;
        return true;
    }
    double value;
    if (!sv_number_read(text, size, &value) || !(value >= -0x1p63 && value < 0x1p63)) return false;
    *out = (int64_t)value;
    return true;
}
