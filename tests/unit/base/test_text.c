/* Text: growth, numbers that read back, JSON strings. */
#include "base/alloc.h"
#include "base/text.h"
#include "support/check.h"

#include <math.h>
#include <stdio.h>

static uint64_t random_state = 88172645463325252u;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void check_f64(double value, const char *expected)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_put_f64(&text, value);
    assert_string_equal(text.data, expected);
    sv_text_release(&text);
}

static void check_f32(float value, const char *expected)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_put_f32(&text, value);
    assert_string_equal(text.data, expected);
    sv_text_release(&text);
}

static void test_known_floats(void **state)
{
    (void)state;
    check_f64(0.0, "0.0");
    check_f64(-0.0, "-0.0");
    check_f64(1.0, "1.0");
    check_f64(-12.5, "-12.5");
    check_f64(0.1, "0.1");
    check_f64(0.3, "0.3");
    check_f64(1.0 / 3.0, "0.3333333333333333");
    check_f64(2.0 / 3.0, "0.6666666666666666");
    check_f64(0.0001, "0.0001");
    check_f64(0.00001, "1e-5");
    check_f64(1.25e-7, "1.25e-7");
    check_f64(9007199254740991.0, "9007199254740991.0");
    check_f64(1e300, "1e+300");
    check_f64(5e-324, "5e-324");
    check_f64(1.7976931348623157e308, "1.7976931348623157e+308");
    check_f64(0x1p-44, "5.684341886080802e-14");
    check_f64(123456.789, "123456.789");
    check_f64(100.0, "100.0");
    check_f64(NAN, "NaN");
    check_f64(-NAN, "NaN");
    check_f64(INFINITY, "Infinity");
    check_f64(-INFINITY, "-Infinity");
    check_f32(0.1f, "0.1");
    check_f32(0.99999994f, "0.99999994");
    check_f32(16777215.0f, "16777215.0");
    check_f32(3.4028235e38f, "3.4028235e+38");
    check_f32(1e-45f, "1e-45");
    check_f32(0.007843138f, "0.007843138");
    check_f32(0.5f, "0.5");
    check_f32(-5.0f, "-5.0");
    check_f32(0x1p-9f, "0.001953125");
    check_f32(0x1p-10f, "0.0009765625");
    check_f32(8388608.0f, "8388608.0");
    check_f32(-4194304.5f, "-4194304.5");
    check_f32(-INFINITY, "-Infinity");
}

/* Digits that count, so that lengths can be compared with what printf needs. */
static int significant(const char *number)
{
    int count = 0, zeros = 0;
    for (; *number && *number != 'e'; number++) {
        if (*number < '0' || *number > '9') continue;
        if (*number == '0') {
            zeros += count > 0;
            continue;
        }
        count += 1 + zeros;
        zeros = 0;
    }
    return count;
}

static int shortest_by_printf(double value, bool single)
{
    char number[64];
    int precision = 1;
    for (;; precision++) {
        snprintf(number, sizeof number, "%.*e", precision - 1, value);
        if (single ? strtof(number, NULL) == (float)value : strtod(number, NULL) == value) break;
    }
    return precision;
}

static void test_random_floats_read_back_and_are_shortest(void **state)
{
    (void)state;
    sv_text text;
    sv_text_init(&text, NULL);
    for (int i = 0; i < 60000; i++) {
        sv_text_clear(&text);
        /* Every other round in the range that people use, the rest over all bits. */
        double value = i & 1 ? ldexp((double)(int64_t)random_u64(), -(int)(random_u64() % 100)) : 0;
        if (!(i & 1)) {
            uint64_t bits = random_u64();
            memcpy(&value, &bits, sizeof value);
        }
        if (i % 1000 == 1) value = ldexp(1.0, (int)(random_u64() % 160) - 118);
        if (!isfinite(value)) continue;
        sv_text_put_f64(&text, value);
        assert_true(strtod(text.data, NULL) == value);
        if (fabs(value) < 0x1p53 && fabs(value) > 0x1p-60 && i % 4 == 1)
            assert_true(significant(text.data) <= shortest_by_printf(value, false));
    }
    for (int i = 0; i < 60000; i++) {
        sv_text_clear(&text);
        uint32_t bits = (uint32_t)random_u64();
        if (i & 1) bits = (bits & 0x807FFFFF) | (uint32_t)(64 + random_u64() % 90) << 23;
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        sv_text_put_f32(&text, value);
        assert_true(strtof(text.data, NULL) == value);
        if (fabsf(value) < 0x1p24f && fabsf(value) > 0x1p-90f && i % 4 == 1)
            assert_true(significant(text.data) <= shortest_by_printf((double)value, true));
    }
    sv_text_release(&text);
}

static void test_integers(void **state)
{
    (void)state;
    const int64_t values[] = {0, 1, -1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN, 1234567890123};
    sv_text text;
    sv_text_init(&text, NULL);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)values[i]);
        sv_text_clear(&text);
        sv_text_put_i64(&text, values[i]);
        assert_string_equal(text.data, expected);
    }
    sv_text_clear(&text);
    sv_text_put_u64(&text, UINT64_MAX);
    assert_string_equal(text.data, "18446744073709551615");
    sv_text_release(&text);
}

static void check_json(const char *from, size_t size, const char *expected)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_put_json(&text, from, size);
    assert_string_equal(text.data, expected);
    sv_text_release(&text);
}

static void test_json_strings(void **state)
{
    (void)state;
    check_json("", 0, "\"\"");
    check_json("plain", 5, "\"plain\"");
    check_json("a\"b\\c\n\t\r\b\f\x01", 11, "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\"");
    check_json("a\0b", 3, "\"a\\u0000b\"");
    check_json("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9,
               "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    check_json("x\xFFy", 3, "\"x\xEF\xBF\xBDy\"");
    check_json("\xC3", 1, "\"\xEF\xBF\xBD\"");
}

static void test_utf8_step(void **state)
{
    (void)state;
    assert_int_equal(sv_utf8_step("a", 1), 1);
    assert_int_equal(sv_utf8_step("", 0), 0);
    assert_int_equal(sv_utf8_step("\xC3\xA4", 2), 2);
    assert_int_equal(sv_utf8_step("\xED\x9F\xBF", 3), 3);
    assert_int_equal(sv_utf8_step("\xF4\x8F\xBF\xBF", 4), 4);
    const char *bad[] = {"\x80",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
                         "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                         "\xC3\x41",     "\xE2\x82\x41"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(sv_utf8_step(bad[i], strlen(bad[i])), 0);
    assert_int_equal(sv_utf8_step("\xE2\x82\xAC", 2), 0);
}

static void test_printf_and_growth(void **state)
{
    (void)state;
    sv_text text;
    sv_text_init(&text, NULL);
    for (int i = 0; i < 200; i++)
        sv_text_printf(&text, "%d,", i);
    sv_text_printf(&text, "%500d", 7);
    assert_int_equal(strlen(text.data), text.size);
    assert_int_equal(text.size, 10 * 2 + 90 * 3 + 100 * 4 + 500);
    sv_text_putc(&text, '!');
    sv_text_puts(&text, "end");
    assert_string_equal(text.data + text.size - 4, "!end");
    sv_text_clear(&text);
    assert_string_equal(text.data, "");
    CHECK_OK(sv_text_status(&text, "answer"));
    sv_text_release(&text);
}

static void test_failures_stick(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    counting.limit_bytes = 300;
    sv_text text;
    sv_text_init(&text, &counting.allocator);
    sv_text_puts(&text, "kept");
    sv_text_printf(&text, "%400d", 1);
    sv_text_puts(&text, "dropped");
    sv_text_put_f64(&text, 1.5);
    sv_text_put_u64(&text, 1);
    sv_text_putc(&text, 'x');
    assert_true(text.failed);
    assert_string_equal(text.data, "kept");
    assert_null(sv_text_reserve(&text, 1));
    CHECK_FAILS(sv_text_status(&text, "answer"), SV_CODE_RESOURCE_EXHAUSTED, "answer");
    sv_text_clear(&text);
    assert_null(sv_text_reserve(&text, SIZE_MAX));
    sv_text_release(&text);
    assert_int_equal(counting.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_floats),
        cmocka_unit_test(test_random_floats_read_back_and_are_shortest),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_utf8_step),
        cmocka_unit_test(test_printf_and_growth),
        cmocka_unit_test(test_failures_stick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
