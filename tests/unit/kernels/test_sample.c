/* Weighted sums of chosen elements: against sums computed anew, rows against the reference.
 * ctest: labels=cpu */
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>

enum { IMAGES = 3, H = 5, W = 7, PLANE = H * W };

typedef struct sample_case {
    trial_layout x, y;
    int64_t channels, sets, height, width, taps;
    bool chosen; /* images by a table */
} sample_case;

static double want(const sample_case *c, trial_tensor *const *o, int64_t m, int64_t channel,
                   int64_t p)
{
    double sum = 0;
    int64_t image = c->chosen ? (int64_t)trial_get(o[1], m) : m;
    for (int64_t t = 0; t < c->taps; t++) {
        int64_t i = (m * c->height * c->width + p) * c->taps + t;
        double weight = trial_get(o[3], i);
        int64_t at = (int64_t)trial_get(o[2], i);
        if (weight != 0)
            sum += weight * trial_get(o[0], (image * c->channels + channel) * PLANE + at);
    }
    return sum;
}

static void check(const sample_case *c)
{
    const int64_t points = c->height * c->width, count = c->sets * points * c->taps;
    trial_tensor x = trial_make(SV_F32, c->x, TRIAL_DIMS(IMAGES, c->channels, H, W));
    trial_tensor image =
        c->chosen ? trial_make(SV_I32, TRIAL_DENSE, TRIAL_DIMS(c->sets)) : trial_absent();
    trial_tensor at = trial_make(SV_I32, TRIAL_DENSE, TRIAL_DIMS(c->sets, points, c->taps));
    trial_tensor weight = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(c->sets, points, c->taps));
    trial_tensor y =
        trial_make(SV_F32, c->y, TRIAL_DIMS(c->sets, c->channels, c->height, c->width));
    trial_tensor *const operands[] = {&x, &image, &at, &weight, &y, NULL};
    trial_fill(&x, 3, -1, 1);
    trial_fill(&weight, 5, -1, 1);
    for (int64_t i = 0; i < count; i++) {
        trial_set(&at, i, (double)(i * 11 % PLANE));
        /* No number, and of no account. */
        if (i * 11 % PLANE == 4) trial_set(&weight, i, 0);
    }
    for (int64_t i = 0; i < IMAGES * c->channels; i++)
        trial_set(&x, i * PLANE + 4, i % 2 ? (double)NAN : (double)INFINITY);
    for (int64_t m = 0; c->chosen && m < c->sets; m++)
        trial_set(&image, m, (double)(m * 2 % IMAGES));
    trial t;
    trial_init(&t, SV_FAMILY_sample, NULL, 0, 1 << 4, operands);
    const int rows = trial_compare(&t, 1e-5, 1e-5);
    if (c->x == TRIAL_CHANNELS_LAST && c->y == c->x) assert_int_equal(rows, trial_levels());
    for (int64_t i = 0; i < trial_count(&y); i++) {
        double expected =
            want(c, operands, i / points / c->channels, i / points % c->channels, i % points);
        assert_true(fabs(trial_get(&y, i) - expected) <= 1e-5);
    }
    for (int i = 0; operands[i]; i++)
        trial_free(operands[i]);
}

static void test_layouts(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 16, 37, 80}, taps[] = {1, 4, 8, 16, 21};
    for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
        for (int i = 0; i < 25; i++) {
            check(&(sample_case){.x = (trial_layout)layout,
                                 .y = (trial_layout)layout,
                                 .channels = channels[i % 5],
                                 .sets = i % 2 ? 5 : 2,
                                 .height = 3,
                                 .width = 4,
                                 .taps = taps[i / 5],
                                 .chosen = i % 2});
        }
    }
    check(&(sample_case){TRIAL_CHANNELS_LAST, TRIAL_DENSE, 20, 3, 2, 9, 4, false});
    check(&(sample_case){TRIAL_CHANNELS_LAST, TRIAL_CHANNELS_LAST, 600, 1, 40, 40, 4, true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layouts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
