/* Copies between all layouts: transpositions, broadcasts, windows; every row equals the reference
 * and both equal the source. */
#include "kernels/elementwise.h"
#include "trial.h"

#include <string.h>

static void fill_bytes(const trial_tensor *t)
{
    for (size_t i = 0; i < t->bytes; i++)
        ((unsigned char *)t->data)[i] = (unsigned char)(i * 167 + 13);
}

static void compare(trial_tensor *x, trial_tensor *y)
{
    size_t size = sv_dtype_get(x->desc.dtype)->size;
    trial t;
    trial_init(&t, SV_FAMILY_copy, NULL, 0, 2, TRIAL_TENSORS(x, y));
    assert_int_equal(trial_compare(&t, 0, 0), size == 4 ? trial_levels() : 0);
    for (int64_t i = 0; i < trial_count(y); i++)
        assert_memory_equal(trial_at(x, i), trial_at(y, i), size);
}

/* Bits, not numbers: trial_compare must not see NaN in them. */
static const sv_dtype dtypes[] = {SV_U8, SV_I16, SV_I32, SV_U32, SV_I64};

static void test_layouts(void **state)
{
    (void)state;
    const int64_t shapes[][5] = {
        {1, -1},     {33, -1},           {17, 35, -1},      {64, 64, -1},    {3, 50, -1},
        {50, 3, -1}, {2, 3, 17, 19, -1}, {2, 37, 5, 4, -1}, {5, 1, 129, -1}, {0, 4, -1},
        {50, 4, -1}, {37, 2, -1},        {131, 8, -1},      {3, 21, 4, -1}};
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            for (int from = 0; from < TRIAL_LAYOUTS; from++) {
                for (int to = 0; to < TRIAL_LAYOUTS; to++) {
                    trial_tensor x = trial_make(dtypes[d], from, shapes[s]);
                    trial_tensor y = trial_make(dtypes[d], to, shapes[s]);
                    fill_bytes(&x);
                    compare(&x, &y);
                    trial_free(&x);
                    trial_free(&y);
                }
            }
        }
    }
}

static void test_broadcast(void **state)
{
    (void)state;
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        trial_tensor x = trial_make(dtypes[d], TRIAL_DENSE, TRIAL_DIMS(5, 1, 3));
        trial_tensor y = trial_make(dtypes[d], TRIAL_REVERSED, TRIAL_DIMS(5, 40, 3));
        fill_bytes(&x);
        trial_tensor wide = trial_expand(&x, TRIAL_DIMS(5, 40, 3));
        compare(&wide, &y);
        trial_free(&x);
        trial_free(&y);
    }
}

/* A window of a larger tensor: what lies around it stays. */
static void test_window(void **state)
{
    (void)state;
    trial_tensor whole = trial_make(SV_I32, TRIAL_DENSE, TRIAL_DIMS(9, 20, 21));
    trial_tensor x = trial_make(SV_I32, TRIAL_CHANNELS_LAST, TRIAL_DIMS(4, 18, 19));
    trial_tensor y = whole;
    for (int i = 0; i < 3; i++)
        y.desc.dim[i] = x.desc.dim[i];
    y.data = (int32_t *)whole.data + 2 * 20 * 21 + 21 + 1;
    y.bytes = (3 * 20 * 21 + 17 * 21 + 19) * sizeof(int32_t);
    fill_bytes(&x);
    compare(&x, &y);
    trial_free(&whole);
    trial_free(&x);
}

/* Pixels that take turns become rows of their own. */
static void test_separated_pixels(void **state)
{
    (void)state;
    static const int64_t lengths[] = {1, 5, 16, 17, 40, 130};
    for (int64_t turns = 2; turns < 6; turns++) {
        for (int i = 0; i < 6; i++) {
            trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(3, lengths[i], turns));
            trial_tensor y = trial_make(SV_F32, i % 2 ? TRIAL_PADDED : TRIAL_DENSE,
                                        TRIAL_DIMS(3, turns, lengths[i]));
            trial_fill(&x, 5, -1, 1);
            x.desc.dim[1] = turns;
            x.desc.stride[1] = 1;
            x.desc.dim[2] = lengths[i];
            x.desc.stride[2] = turns;
            trial t;
            trial_init(&t, SV_FAMILY_copy, NULL, 0, 2, TRIAL_TENSORS(&x, &y));
            assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
            trial_free(&x);
            trial_free(&y);
        }
    }
}

static void test_wide_elements(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(7, 40));
    trial_tensor y = trial_make(SV_STRING, TRIAL_REVERSED, TRIAL_DIMS(7, 40));
    for (int64_t i = 0; i < trial_count(&x); i++)
        *(sv_string *)trial_at(&x, i) = (sv_string){"text", (size_t)i};
    trial t;
    trial_init(&t, SV_FAMILY_copy, NULL, 0, 2, TRIAL_TENSORS(&x, &y));
    trial_reference(&t);
    for (int64_t i = 0; i < trial_count(&x); i++)
        assert_memory_equal(trial_at(&x, i), trial_at(&y, i), sizeof(sv_string));
    trial_free(&x);
    trial_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),       cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_window),        cmocka_unit_test(test_separated_pixels),
        cmocka_unit_test(test_wide_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
