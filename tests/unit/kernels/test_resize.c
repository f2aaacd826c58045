/* Resize: the reference against ONNX's evaluator (cases_resize.inc), channels-last rows against the
 * reference. */
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>
#include <string.h>

typedef struct resize_case {
    sv_resize_mode mode;
    int coordinate, nearest, antialias, exclude;
    int64_t in[2], out[2];
    double scale[2];
    double roi[4]; /* starts, ends */
    double y[80];
} resize_case;

static const resize_case cases[] = {
#include "cases_resize.inc"
};
#define CASES (sizeof cases / sizeof cases[0])

/* Parameters of a case whose two dimensions are `first` and the next of the tensor. */
static sv_resize_param make_param(const resize_case *c, int32_t first, int32_t rank)
{
    sv_resize_param p = {.mode = (uint8_t)c->mode,
                         .coordinate = (uint8_t)c->coordinate,
                         .nearest = (uint8_t)c->nearest,
                         .antialias = c->antialias,
                         .exclude_outside = c->exclude,
                         .cubic_a = -0.75f,
                         .extrapolation = 7.5f};
    for (int32_t d = 0; d < rank; d++) {
        bool ours = d >= first && d < first + 2;
        p.scale[d] = ours ? c->scale[d - first] : 1;
        p.roi_start[d] = ours ? c->roi[d - first] : 0;
        p.roi_end[d] = ours ? c->roi[2 + d - first] : 1;
    }
    return p;
}

static double pattern(int64_t i, int64_t seed)
{
    return (float)((double)((i * 37 + seed * 53) % 101) / 100 - 0.5);
}

static void test_planes(void **state)
{
    (void)state;
    for (size_t n = 0; n < CASES; n++) {
        const resize_case *c = &cases[n];
        for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
            trial_tensor x = trial_make(SV_F32, layout, TRIAL_DIMS(c->in[0], c->in[1]));
            trial_tensor y = trial_make(SV_F32, TRIAL_PADDED, TRIAL_DIMS(c->out[0], c->out[1]));
            for (int64_t i = 0; i < trial_count(&x); i++)
                trial_set(&x, i, pattern(i, 1));
            sv_resize_param p = make_param(c, 0, 2);
            trial t;
            trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
            trial_reference(&t);
            trial_equal_values(&y, c->y, 2e-6, 2e-6);
            trial_free(&x);
            trial_free(&y);
        }
    }
}

/* Every channel is the plane plus its number; weights sum to one. */
static void check_channels(const trial_tensor *y, const resize_case *c)
{
    int64_t plane = c->out[0] * c->out[1], channels = y->desc.dim[1];
    for (int64_t i = 0; i < trial_count(y); i++) {
        double expected = c->y[i % plane];
        if (expected != 7.5) expected += (double)(i / plane % channels);
        assert_true(fabs(trial_get(y, i) - expected) <= 3e-5);
    }
}

static void test_channels_last(void **state)
{
    (void)state;
    const int64_t channels[] = {1, 3, 16, 37};
    for (size_t n = 0; n < CASES; n++) {
        const resize_case *c = &cases[n];
        for (int k = 0; k < 4; k++) {
            trial_tensor x = trial_make(SV_F32, TRIAL_CHANNELS_LAST,
                                        TRIAL_DIMS(2, channels[k], c->in[0], c->in[1]));
            trial_tensor y = trial_make(SV_F32, TRIAL_CHANNELS_LAST,
                                        TRIAL_DIMS(2, channels[k], c->out[0], c->out[1]));
            int64_t plane = c->in[0] * c->in[1];
            for (int64_t i = 0; i < trial_count(&x); i++) {
                trial_set(&x, i, pattern(i % plane, 1) + (double)(i / plane % channels[k]));
            }
            sv_resize_param p = make_param(c, 2, 4);
            trial t;
            trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
            int rows = trial_compare(&t, 1e-5, 1e-5);
            /* With one channel, rows need a column that stays. */
            if (channels[k] > 1 || rows) assert_int_equal(rows, trial_levels());
            check_channels(&y, c);
            trial_free(&x);
            trial_free(&y);
        }
    }
}

static void test_dtypes(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_U8, SV_I32, SV_F16, SV_BF16, SV_F64, SV_I8};
    for (int i = 0; i < 6; i++) {
        trial_tensor x = trial_make(dtypes[i], TRIAL_DENSE, TRIAL_DIMS(1, 1, 3));
        trial_tensor y = trial_make(dtypes[i], TRIAL_DENSE, TRIAL_DIMS(1, 1, 6));
        TRIAL_PUT(&x, 0, 10, 101);
        sv_resize_param p = {.mode = SV_RESIZE_LINEAR, .scale = {1, 1, 2}};
        trial t;
        trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        trial_reference(&t);
        if (sv_dtype_is_float(dtypes[i])) {
            TRIAL_EQUAL(&y, 4e-3, 0, 0, 2.5, 7.5, 32.75, 78.25, 101);
        } else {
            TRIAL_EQUAL(&y, 0, 0, 0, 2, 8, 33, 78, 101);
        }
        trial_free(&x);
        trial_free(&y);
    }
}

static void test_strings_move(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(2));
    trial_tensor y = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(4));
    memcpy(x.data, (const sv_string[]){{"a", 1}, {"b", 1}}, 2 * sizeof(sv_string));
    sv_resize_param p = {.mode = SV_RESIZE_NEAREST,
                         .coordinate = SV_COORD_ASYMMETRIC,
                         .nearest = SV_NEAREST_FLOOR,
                         .scale = {2}};
    trial t;
    trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_reference(&t);
    const sv_string *out = y.data;
    assert_memory_equal(out[1].data, "a", 1);
    assert_memory_equal(out[2].data, "b", 1);
    trial_free(&x);
    trial_free(&y);
}

/* Three resized dimensions: volumes. A linear ramp stays one. */
static void test_volume(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_CHANNELS_LAST, TRIAL_DIMS(1, 4, 3, 3, 3));
    trial_tensor y = trial_make(SV_F32, TRIAL_CHANNELS_LAST, TRIAL_DIMS(1, 4, 5, 5, 5));
    for (int64_t i = 0; i < trial_count(&x); i++) {
        trial_set(&x, i, (double)(i % 3) + 10 * (double)(i / 3 % 3) + 100 * (double)(i / 9 % 3));
    }
    sv_resize_param p = {.mode = SV_RESIZE_LINEAR,
                         .coordinate = SV_COORD_ALIGN_CORNERS,
                         .scale = {1, 1, 5.0 / 3, 5.0 / 3, 5.0 / 3}};
    trial t;
    trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    assert_int_equal(trial_compare(&t, 1e-6, 1e-5), trial_levels());
    for (int64_t i = 0; i < trial_count(&y); i++) {
        double expected =
            (double)(i % 5) / 2 + 10 * (double)(i / 5 % 5) / 2 + 100 * (double)(i / 25 % 5) / 2;
        assert_true(fabs(trial_get(&y, i) - expected) <= 1e-4);
    }
    trial_free(&x);
    trial_free(&y);
}

/* Scales of all resized dimensions, by their sizes. */
static void size_scales(sv_resize_param *p, const trial_tensor *x, const trial_tensor *y)
{
    for (int32_t d = 0; d < x->desc.rank; d++) {
        p->scale[d] = (double)y->desc.dim[d] / (double)x->desc.dim[d];
        p->roi_end[d] = 1;
    }
}

/* All rows of x to y with the parameters; values that are no numbers where `spoiled`. */
static void compare_layouts(sv_resize_param p, trial_layout x_layout, trial_layout y_layout,
                            const int64_t *in, const int64_t *out, bool spoiled)
{
    trial_tensor x = trial_make(SV_F32, x_layout, in), y = trial_make(SV_F32, y_layout, out);
    trial t;
    size_scales(&p, &x, &y);
    trial_fill(&x, 7, -1, 1);
    /* Sums of the greatest numbers are finite in f64, and not in f32. */
    if (spoiled && p.mode == SV_RESIZE_NEAREST) trial_spoil(&x, 3);
    trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    int rows = trial_compare(&t, 1e-5, 1e-5);
    if (y_layout <= TRIAL_PADDED || (x_layout == y_layout && y_layout == TRIAL_CHANNELS_LAST))
        assert_int_equal(rows, trial_levels());
    trial_free(&x);
    trial_free(&y);
}

/* Planes of any layout, lines that one look-up, two look-ups and gathering serve, tails. */
static void test_lines(void **state)
{
    (void)state;
    static const int64_t widths[][2] = {{1, 7},    {9, 33},   {33, 129}, {40, 41},  {64, 33},
                                        {130, 61}, {300, 64}, {500, 17}, {31, 160}, {70, 1}};
    for (size_t n = 0; n < sizeof widths / sizeof widths[0]; n++) {
        const int64_t *w = widths[n];
        for (int mode = 0; mode < 3; mode++) {
            for (int coordinate = 0; coordinate < 5; coordinate++) {
                sv_resize_param p = {.mode = (uint8_t)mode,
                                     .coordinate = (uint8_t)coordinate,
                                     .nearest = (uint8_t)(n % 4),
                                     .cubic_a = -0.75f};
                for (int x = 0; x < TRIAL_LAYOUTS; x++) {
                    compare_layouts(p, (trial_layout)x, (trial_layout)((x + (int)n) % 3),
                                    TRIAL_DIMS(1, 2, 5, w[0]), TRIAL_DIMS(1, 2, 8, w[1]), false);
                }
            }
        }
    }
}

/* One and three resized dimensions, a channel that is one too, few channels beside each other. */
static void test_ranks(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        for (int layout = 0; layout < TRIAL_REVERSED; layout++) {
            sv_resize_param p = {.mode = (uint8_t)mode, .cubic_a = -0.5f};
            trial_layout l = (trial_layout)layout;
            compare_layouts(p, l, l, TRIAL_DIMS(3, 5, 21), TRIAL_DIMS(3, 5, 64), true);
            compare_layouts(p, l, l, TRIAL_DIMS(2, 3, 4, 9, 7), TRIAL_DIMS(2, 3, 7, 3, 19), false);
            compare_layouts(p, l, l, TRIAL_DIMS(2, 37, 6, 9), TRIAL_DIMS(2, 37, 3, 40), false);
            compare_layouts(p, l, l, TRIAL_DIMS(2, 3, 6, 33), TRIAL_DIMS(2, 3, 12, 40), true);
            compare_layouts(p, l, l, TRIAL_DIMS(2, 8, 6, 5), TRIAL_DIMS(2, 8, 6, 9), false);
            compare_layouts(p, l, l, TRIAL_DIMS(2, 8, 6, 5), TRIAL_DIMS(2, 8, 11, 5), false);
        }
    }
    sv_resize_param p = {.mode = SV_RESIZE_LINEAR};
    compare_layouts(p, TRIAL_DENSE, TRIAL_DENSE, TRIAL_DIMS(2, 3, 6, 5), TRIAL_DIMS(3, 2, 6, 5),
                    false);
}

/* A filter that is stretched over all of a large input, along two dimensions, is left to the
 * reference; along one it is not. */
static void test_far_taps(void **state)
{
    (void)state;
    for (int outer = 1; outer < 3; outer++) {
        const int64_t deep = outer == 2 ? 300 : 1;
        trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(deep, 300, 20));
        trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1, 1, 10));
        sv_resize_param p = {.mode = SV_RESIZE_LINEAR, .antialias = true};
        trial t;
        size_scales(&p, &x, &y);
        trial_fill(&x, 13, -1, 1);
        trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        assert_int_equal(trial_compare(&t, 1e-4, 1e-4), outer == 1 ? trial_levels() : 0);
        trial_free(&x);
        trial_free(&y);
    }
}

/* What counts nothing is not looked at: a position on an element takes that element alone. */
static void test_no_numbers(void **state)
{
    (void)state;
    for (int layout = 0; layout < TRIAL_REVERSED; layout++) {
        trial_tensor x =
            trial_make(SV_F32, (trial_layout)layout, TRIAL_DIMS(1, layout == 3 ? 40 : 1, 3, 50));
        trial_tensor y =
            trial_make(SV_F32, (trial_layout)layout, TRIAL_DIMS(1, layout == 3 ? 40 : 1, 5, 99));
        sv_resize_param p = {.mode = SV_RESIZE_LINEAR, .coordinate = SV_COORD_ALIGN_CORNERS};
        trial t;
        size_scales(&p, &x, &y);
        trial_fill(&x, 9, -1, 1);
        for (int64_t i = 4; i < trial_count(&x); i += 9)
            trial_set(&x, i, i % 2 ? (double)NAN : (double)INFINITY);
        trial_init(&t, SV_FAMILY_resize, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        assert_int_equal(trial_compare(&t, 1e-5, 1e-5), trial_levels());
        trial_free(&x);
        trial_free(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planes),   cmocka_unit_test(test_channels_last),
        cmocka_unit_test(test_dtypes),   cmocka_unit_test(test_strings_move),
        cmocka_unit_test(test_volume),   cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ranks),    cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_far_taps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
