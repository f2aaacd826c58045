/* Products of i16 summed in i32: every row against the reference, to the bit. */
#include "kernels/gemm.h"
#include "trial.h"

static void compare(const int64_t *a, const int64_t *b, const int64_t *y, trial_layout layout,
                    trial_layout other, double most)
{
    trial_tensor ta = trial_make(SV_I16, layout, a), tb = trial_make(SV_I16, other, b);
    trial_tensor ty = trial_make(SV_I32, layout, y);
    trial_fill(&ta, 1, -most, most);
    trial_fill(&tb, 2, -most, most);
    int32_t rank = ty.desc.rank;
    int64_t whole_a[SV_MAX_RANK + 1], whole_b[SV_MAX_RANK + 1];
    for (int32_t i = 0; i < rank; i++)
        whole_a[i] = whole_b[i] = y[i];
    whole_a[rank - 1] = whole_b[rank - 2] = ta.desc.dim[ta.desc.rank - 1];
    whole_a[rank] = whole_b[rank] = -1;
    trial_tensor ea = trial_expand(&ta, whole_a), eb = trial_expand(&tb, whole_b);
    sv_gemm_param p = {.alpha = 1};
    trial t;
    trial_init(&t, SV_FAMILY_gemm, &p, sizeof p, 4, TRIAL_TENSORS(&ea, &eb, &ty));
    assert_true(trial_compare(&t, 0, 0) >= trial_levels());
    trial_free(&ta);
    trial_free(&tb);
    trial_free(&ty);
}

static void test_sizes(void **state)
{
    (void)state;
    static const int64_t m[] = {1, 3, 4, 5, 6, 7, 24, 31}, n[] = {1, 7, 8, 16, 63, 64, 65, 300};
    static const int64_t k[] = {0, 1, 2, 5, 32, 77};
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++)
            for (int l = 0; l < 6; l++)
                compare(TRIAL_DIMS(m[i], k[l]), TRIAL_DIMS(k[l], n[j]), TRIAL_DIMS(m[i], n[j]),
                        TRIAL_DENSE, TRIAL_DENSE, 255);
}

static void test_layouts(void **state)
{
    (void)state;
    for (int a = 0; a < TRIAL_LAYOUTS; a++) {
        for (int b = 0; b < TRIAL_LAYOUTS; b++) {
            compare(TRIAL_DIMS(29, 19), TRIAL_DIMS(19, 77), TRIAL_DIMS(29, 77), a, b, 255);
            compare(TRIAL_DIMS(2, 3, 9, 20), TRIAL_DIMS(20, 70), TRIAL_DIMS(2, 3, 9, 70), a, b, 9);
            compare(TRIAL_DIMS(2, 3, 9, 21), TRIAL_DIMS(2, 3, 21, 70), TRIAL_DIMS(2, 3, 9, 70), a,
                    b, 255);
            compare(TRIAL_DIMS(3, 21), TRIAL_DIMS(2, 21, 170), TRIAL_DIMS(2, 3, 170), a, b, 255);
            compare(TRIAL_DIMS(9, 21), TRIAL_DIMS(3, 21, 70), TRIAL_DIMS(3, 9, 70), a, b, 255);
        }
    }
}

/* Sums beyond 32 bits wrap around. */
static void test_wrapping(void **state)
{
    (void)state;
    compare(TRIAL_DIMS(7, 300), TRIAL_DIMS(300, 70), TRIAL_DIMS(7, 70), TRIAL_DENSE, TRIAL_DENSE,
            32767);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_wrapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
