/* Comparison of answers within a tolerance. */
#include "cli/compare.h"

#include "support/check.h"
#include <math.h>

static sv_datum of(sv_dtype dtype, int64_t count, void *data)
{
    sv_datum d = {.kind = SV_KIND_TENSOR};
    d.tensor.dtype = dtype;
    d.tensor.shape = (sv_shape){.rank = 1, .dim = {count}};
    d.tensor.data = data;
    return d;
}

static void test_floats(void **state)
{
    (void)state;
    float expected[] = {1, -100, 0, NAN, INFINITY};
    float close[] = {1.0009f, -100.09f, 1e-8f, NAN, INFINITY};
    float far[] = {1.002f, -100, 0, NAN, INFINITY};
    float finite[] = {1, -100, 0, NAN, 3e38f};
    float number[] = {1, -100, 0, 0, INFINITY};
    sv_comparison c = {.rtol = 1e-3, .atol = 1e-7};
    sv_datum e = of(SV_F32, 5, expected), f = of(SV_F32, 5, close);
    CHECK_OK(sv_compare(&c, &f, &e));
    assert_int_equal(c.compared, 5);
    assert_int_equal(c.differing, 0);
    assert_true(fabs(c.max_rel - 9e-4) < 1e-5);
    f = of(SV_F32, 5, far);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "element 0: expected 1, found 1.00199");
    f = of(SV_F32, 5, finite);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "element 4");
    f = of(SV_F32, 5, number);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "element 3");
    assert_int_equal(c.differing, 3);
}

static void test_whole_numbers_and_strings(void **state)
{
    (void)state;
    int64_t big[] = {INT64_MAX, INT64_MIN}, same[] = {INT64_MAX, INT64_MIN},
            other[] = {5, INT64_MIN};
    sv_string a[] = {{"abc", 3}, {NULL, 0}}, b[] = {{"abd", 3}, {NULL, 0}};
    sv_comparison c = {.rtol = 0, .atol = 0};
    sv_datum e = of(SV_I64, 2, big), f = of(SV_I64, 2, same);
    CHECK_OK(sv_compare(&c, &f, &e));
    f = of(SV_I64, 2, other);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "element 0");
    e = of(SV_STRING, 2, a);
    CHECK_OK(sv_compare(&c, &e, &e));
    f = of(SV_STRING, 2, b);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "expected 'abc', found 'abd'");
}

static void test_types_and_kinds(void **state)
{
    (void)state;
    float numbers[4] = {0};
    sv_comparison c = {.rtol = 1, .atol = 1};
    sv_datum e = of(SV_F32, 4, numbers), f = of(SV_F32, 3, numbers), i = of(SV_I32, 4, numbers);
    CHECK_FAILS(sv_compare(&c, &f, &e), SV_CODE_ABORTED, "expected float32[4], found float32[3]");
    CHECK_FAILS(sv_compare(&c, &i, &e), SV_CODE_ABORTED, "found int32[4]");
    sv_datum two[] = {e, e}, one[] = {f, e};
    sv_datum sequence = {.kind = SV_KIND_SEQUENCE, .count = 2, .item = two};
    sv_datum wrong = {.kind = SV_KIND_SEQUENCE, .count = 2, .item = one};
    sv_datum shorter = {.kind = SV_KIND_SEQUENCE, .count = 1, .item = two};
    CHECK_OK(sv_compare(&c, &sequence, &sequence));
    CHECK_FAILS(sv_compare(&c, &wrong, &sequence), SV_CODE_ABORTED, "item 0: expected float32[4]");
    CHECK_FAILS(sv_compare(&c, &shorter, &sequence), SV_CODE_ABORTED, "expected 2 items, found 1");
    CHECK_FAILS(sv_compare(&c, &e, &sequence), SV_CODE_ABORTED, "expected a sequence");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_whole_numbers_and_strings),
        cmocka_unit_test(test_types_and_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
