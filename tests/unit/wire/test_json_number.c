/* JSON numbers against strtod and strtof, bit by bit. */
#include "support/check.h"
#include "wire/json.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>

static uint64_t random_state = 0x9E3779B97F4A7C15u;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static sv_json reader_of(const char *text)
{
    sv_json json;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    return json;
}

static void check_number(const char *text)
{
    sv_json json = reader_of(text);
    double wide = strtod(text, NULL), got_wide = 0;
    float narrow = strtof(text, NULL), got_narrow = 0;
    sv_status status = sv_json_f64(&json, &got_wide);
    if (isinf(wide)) {
        CHECK_FAILS(status, SV_CODE_INVALID_ARGUMENT, "range of float64");
    } else {
        CHECK_OK(status);
        if (wide != got_wide || signbit(wide) != signbit(got_wide))
            fail_msg("%s: %a not %a", text, got_wide, wide);
        CHECK_OK(sv_json_end(&json));
    }
    json = reader_of(text);
    status = sv_json_f32(&json, &got_narrow);
    if (isinf(narrow)) {
        CHECK_FAILS(status, SV_CODE_INVALID_ARGUMENT, "range of float32");
    } else {
        CHECK_OK(status);
        if (narrow != got_narrow || signbit(narrow) != signbit(got_narrow))
            fail_msg("%s: %a not %a", text, (double)got_narrow, (double)narrow);
    }
}

static void test_chosen_numbers(void **state)
{
    (void)state;
    const char *texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0",
        "0e0",
        "0e99",
        "0e-99999",
        "0.000e25",
        "0e25",
        "1",
        "-1",
        "0.1",
        "0.5",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "9007199254740995",
        "18446744073709551615",
        "18446744073709551616",
        "36893488147419103232",
        "18446744073709551616.5",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e309",
        "-1e309",
        "1e999999999999",
        "5e-324",
        "2e-324",
        "1e-400",
        "1e-999999999999",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "16777217",
        "16777219",
        "16777216.999999999",
        "16777217.000000001",
        "3.4028234663852886e38",
        "3.4028235677973366e38",
        "3.4028235677973365e38",
        "1e39",
        "1.4e-45",
        "7e-46",
        "7.1e-46",
        "1.17549435e-38",
        "0.30000001192092896",
        "0.1000000000000000055511151231257827",
        "1.00000005960464477539062500",
        "1.000000059604644775390625001",
        "1.000000059604644775390624999",
        "1.0000000596046447",
        "1.0000000596046448",
        "123456789012345678901234567890",
        "0.00000000000000000000000000000000000000001234567890123456789",
        "1E5",
        "1e+5",
        "1.5E-5",
        "9999999999999999999",
        "0.9999999999999999999",
        "0.000000000000000000000001",
        "10000000000000000000000000000",
        "8.41e21",
        "2.0e-27",
        "9.999999999999999999e27",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_number(texts[i]);
}

/* Values as programs print them, over all exponents, with 1 to 19 digits and more. */
static void test_random_numbers(void **state)
{
    (void)state;
    char text[128];
    for (int i = 0; i < 100000; i++) {
        double value;
        uint64_t bits = random_u64();
        if (i & 1) bits = (bits & 0x800FFFFFFFFFFFFFu) | (1023 - 60 + random_u64() % 120) << 52;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        int digits = (int)(random_u64() % 22);
        switch (i % 4) {
        case 0:
            snprintf(text, sizeof text, "%.*e", digits, value);
            break;
        case 1:
            snprintf(text, sizeof text, "%.*g", digits, value);
            break;
        case 2:
            snprintf(text, sizeof text, "%.17g", value);
            break;
        default:
            snprintf(text, sizeof text, "%.*f", digits, fmod(value, 1e15));
            break;
        }
        if (strchr(text, 'e') && text[strlen(text) - 1] == '.') continue;
        check_number(text);
    }
}

/* The middles between floats and doubles, exactly and a little to either side. */
static void test_middles(void **state)
{
    (void)state;
    char text[128];
    for (int i = 0; i < 20000; i++) {
        uint32_t bits =
            (uint32_t)(random_u64() & 0x7FFFFF) | (uint32_t)(127 - 30 + random_u64() % 60) << 23;
        float low;
        memcpy(&low, &bits, sizeof low);
        double middle = ((double)low + (double)nextafterf(low, INFINITY)) / 2;
        for (int digits = 15; digits < 40; digits += 4) {
            snprintf(text, sizeof text, "%.*g", digits, middle);
            check_number(text);
        }
        double next = nextafter(middle, random_u64() & 1 ? 0 : INFINITY);
        snprintf(text, sizeof text, "%.19g", next);
        check_number(text);
        snprintf(text, sizeof text, "%llu.5",
                 (unsigned long long)(random_u64() >> 11 | (uint64_t)1 << 52));
        check_number(text);
    }
}

static void test_integers(void **state)
{
    (void)state;
    const struct {
        const char *text;
        bool fits_i64, fits_u64;
        int64_t i64;
        uint64_t u64;
    } rows[] = {
        {"0", true, true, 0, 0},
        {"-0", true, true, 0, 0},
        {"42", true, true, 42, 42},
        {"-42", true, false, -42, 0},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", false, true, 0, (uint64_t)1 << 63},
        {"-9223372036854775808", true, false, INT64_MIN, 0},
        {"-9223372036854775809", false, false, 0, 0},
        {"18446744073709551615", false, true, 0, UINT64_MAX},
        {"18446744073709551616", false, false, 0, 0},
        {"99999999999999999999", false, false, 0, 0},
        {"-18446744073709551616", false, false, 0, 0},
        {"340282366920938463463374607431768211456", false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t i64 = 0;
        uint64_t u64 = 0;
        sv_json json = reader_of(rows[i].text);
        sv_status status = sv_json_i64(&json, &i64);
        if (rows[i].fits_i64) {
            CHECK_OK(status);
            assert_true(i64 == rows[i].i64);
        } else {
            CHECK_FAILS(status, SV_CODE_INVALID_ARGUMENT, "range of int64");
        }
        json = reader_of(rows[i].text);
        status = sv_json_u64(&json, &u64);
        if (rows[i].fits_u64) {
            CHECK_OK(status);
            assert_true(u64 == rows[i].u64);
        } else {
            CHECK_FAILS(status, SV_CODE_INVALID_ARGUMENT, "range of uint64");
        }
    }
}

static void test_integers_have_no_fraction(void **state)
{
    (void)state;
    const char *texts[] = {"1.0", "1e2", "1.5"};
    for (int i = 0; i < 3; i++) {
        int64_t value;
        sv_json json = reader_of(texts[i]);
        assert_false(sv_json_is_integer(&json));
        CHECK_FAILS(sv_json_i64(&json, &value), SV_CODE_INVALID_ARGUMENT,
                    "expected an integer, found 1");
    }
    int64_t value;
    sv_json json = reader_of("NaN");
    json.allow_non_finite = true;
    CHECK_FAILS(sv_json_i64(&json, &value), SV_CODE_INVALID_ARGUMENT, "expected an integer");
}

static void test_non_finite(void **state)
{
    (void)state;
    double wide = 0;
    float narrow = 0;
    sv_json json = reader_of("NaN");
    CHECK_FAILS(sv_json_f64(&json, &wide), SV_CODE_INVALID_ARGUMENT,
                "expected a number, found 'N'");
    json.allow_non_finite = true;
    CHECK_OK(sv_json_f64(&json, &wide));
    assert_true(isnan(wide));
    json = reader_of("-Infinity");
    CHECK_FAILS(sv_json_f32(&json, &narrow), SV_CODE_INVALID_ARGUMENT, "malformed");
    json.allow_non_finite = true;
    CHECK_OK(sv_json_f32(&json, &narrow));
    assert_true(isinf(narrow) && narrow < 0);
}

static void test_endless_numbers_are_refused(void **state)
{
    (void)state;
    char text[3000];
    double value;
    memset(text, '7', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sv_json json = reader_of(text);
    CHECK_FAILS(sv_json_f64(&json, &value), SV_CODE_INVALID_ARGUMENT, "at most 1008 characters");
    text[900] = '\0';
    json = reader_of(text);
    CHECK_FAILS(sv_json_f64(&json, &value), SV_CODE_INVALID_ARGUMENT, "range of float64");
    text[0] = '0';
    text[1] = '.';
    check_number(text);
}

static void test_the_locale_changes_nothing(void **state)
{
    (void)state;
    const char *names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C.UTF-8"};
    bool set = false;
    for (int i = 0; i < 4 && !set; i++)
        set = setlocale(LC_NUMERIC, names[i]) != NULL;
    double value = 0;
    sv_json json = reader_of("1.2345678901234567890123");
    CHECK_OK(sv_json_f64(&json, &value));
    assert_true(value == 1.2345678901234567890123);
    setlocale(LC_NUMERIC, "C");
}

/* Numbers of a run, in the ways that bodies write them; returns how many. */
static size_t write_run(char *text, size_t count)
{
    char *at = text;
    for (size_t i = 0; i < count; i++) {
        double value = ldexp((double)(int64_t)random_u64(), -63 + (int)(random_u64() % 8));
        const char *const formats[] = {"%.*f", "%.*f", "%.*f", "%.*g", "%.*e"};
        *at++ = i ? ',' : '[';
        if (random_u64() % 16 == 0) *at++ = ' ';
        at += sprintf(at, formats[random_u64() % 5], (int)(random_u64() % 20), value);
        if (random_u64() % 16 == 0) *at++ = ' ';
    }
    strcpy(at, "]");
    return count;
}

static void check_run(const char *text, size_t count)
{
    float got[64];
    size_t found;
    bool ended;
    sv_json json = reader_of(text);
    CHECK_OK(sv_json_array_begin(&json));
    CHECK_OK(sv_json_f32_run(&json, got, 64, &found, &ended));
    assert_true(ended);
    assert_int_equal(found, count);
    CHECK_OK(sv_json_end(&json));
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        char *end;
        float expected = strtof(at + 1, &end);
        if (expected != got[i] || signbit(expected) != signbit(got[i]))
            fail_msg("number %zu of %s: %a not %a", i, text, (double)got[i], (double)expected);
        at = end + strspn(end, " ");
    }
}

static void test_runs_read_as_single_numbers_do(void **state)
{
    (void)state;
    char text[64 * 64];
    for (int round = 0; round < 2000; round++)
        check_run(text, write_run(text, 1 + random_u64() % 63));
    check_run("[0.5,-0.0,0.000,9.9999999999999999,1.23456789012345678,1.0000000596046448,0.1]", 7);
}

static void test_malformed_numbers_within_runs_are_refused(void **state)
{
    (void)state;
    const char *texts[] = {"1.",    ".5",   "-.5",  "01.5", "1.5.5", "1.5e",
                           "--1.5", "1.5x", "1.5-", "+1.5", "1,,2",  "1.5]"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[128];
        float got[8];
        size_t found;
        bool ended;
        snprintf(text, sizeof text, "[0.25,%s,0.25,0.25,0.25,0.25]", texts[i]);
        sv_json json = reader_of(text);
        CHECK_OK(sv_json_array_begin(&json));
        sv_status status = sv_json_f32_run(&json, got, 8, &found, &ended);
        if (!status && ended) status = sv_json_end(&json);
        CHECK_FAILS(status, SV_CODE_INVALID_ARGUMENT, "at byte");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen_numbers),
        cmocka_unit_test(test_random_numbers),
        cmocka_unit_test(test_middles),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_integers_have_no_fraction),
        cmocka_unit_test(test_non_finite),
        cmocka_unit_test(test_endless_numbers_are_refused),
        cmocka_unit_test(test_the_locale_changes_nothing),
        cmocka_unit_test(test_runs_read_as_single_numbers_do),
        cmocka_unit_test(test_malformed_numbers_within_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
