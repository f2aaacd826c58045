/* ConvInteger and QLinearConv against plain loops: strides, dilations, padding, groups, filters
 * with many taps (which are not copied), zero points and scales one for all or one a filter. */
#include "node_case.h"
#include "support/check.h"

#include <math.h>

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

enum { MOST = 8192 };

/* A convolution of two spatial dimensions. */
typedef struct conv_case {
    int64_t n, c, h, w, filters, groups, kh, kw, stride[2], dilation[2], pads[4];
} conv_case;

static uint8_t x[MOST];
static int8_t w[MOST];
static int32_t sum[MOST];
static int8_t w_zero[64];

static void put(node_case *c, uint32_t i, sv_dtype dtype, int32_t rank, const int64_t *dim,
                void *data)
{
    const sv_shape shape = sv_shape_make(rank, dim);
    c->tensor[i] = (sv_tensor){.dtype = dtype, .shape = shape, .data = data};
    c->in[i] = (sv_type){dtype, shape};
    c->value[i] = &c->tensor[i];
}

static int64_t size_of(const conv_case *t, int d)
{
    const int64_t in = d ? t->w : t->h, k = d ? t->kw : t->kh;
    return (in + t->pads[d] + t->pads[d + 2] - t->dilation[d] * (k - 1) - 1) / t->stride[d] + 1;
}

static int32_t one_sum(const conv_case *t, const int64_t at[4], int32_t x_zero, bool zeros)
{
    const int64_t c_group = t->c / t->groups, group = at[1] / (t->filters / t->groups);
    int32_t total = 0;
    for (int64_t c = 0; c < c_group; c++)
        for (int64_t i = 0; i < t->kh; i++)
            for (int64_t j = 0; j < t->kw; j++) {
                const int64_t r = at[2] * t->stride[0] - t->pads[0] + i * t->dilation[0];
                const int64_t q = at[3] * t->stride[1] - t->pads[1] + j * t->dilation[1];
                if (r < 0 || r >= t->h || q < 0 || q >= t->w) continue;
                const int64_t from = ((at[0] * t->c + group * c_group + c) * t->h + r) * t->w + q;
                const int64_t by = ((at[1] * c_group + c) * t->kh + i) * t->kw + j;
                total += (x[from] - x_zero) * (w[by] - (zeros ? w_zero[at[1]] : 0));
            }
    return total;
}

static int64_t expect(const conv_case *t, int32_t x_zero, bool zeros)
{
    int64_t k = 0;
    for (int64_t n = 0; n < t->n; n++)
        for (int64_t o = 0; o < t->filters; o++)
            for (int64_t r = 0; r < size_of(t, 0); r++)
                for (int64_t q = 0; q < size_of(t, 1); q++)
                    sum[k++] = one_sum(t, DIMS(n, o, r, q), x_zero, zeros);
    return k;
}

static void attributes(node_case *c, const conv_case *t)
{
    node_case_ints(c, "strides", 2, t->stride);
    node_case_ints(c, "dilations", 2, t->dilation);
    node_case_ints(c, "pads", 4, t->pads);
    node_case_int(c, "group", t->groups);
}

static void fill(const conv_case *t)
{
    for (int64_t i = 0; i < t->n * t->c * t->h * t->w; i++)
        x[i] = (uint8_t)(i * 37 % 256);
    for (int64_t i = 0; i < t->filters * (t->c / t->groups) * t->kh * t->kw; i++)
        w[i] = (int8_t)(i * 53 % 255 - 127);
    for (int64_t i = 0; i < t->filters; i++)
        w_zero[i] = (int8_t)(i * 11 % 20 - 9);
}

static void check_sums(const conv_case *t)
{
    uint8_t x_zero = 13;
    node_case c;
    fill(t);
    node_case_init(&c, SV_OP_ConvInteger, 4, 1);
    attributes(&c, t);
    put(&c, 0, SV_U8, 4, DIMS(t->n, t->c, t->h, t->w), x);
    put(&c, 1, SV_I8, 4, DIMS(t->filters, t->c / t->groups, t->kh, t->kw), w);
    put(&c, 2, SV_U8, 0, NULL, &x_zero);
    put(&c, 3, SV_I8, 1, DIMS(t->filters), w_zero);
    CHECK_OK(node_case_eval(&c));
    const int64_t count = expect(t, x_zero, true);
    assert_int_equal(sv_tensor_count(&c.result[0]), count);
    assert_memory_equal(c.result[0].data, sum, (size_t)count * sizeof *sum);
    c.node->in[2] = c.node->in[3] = SV_NO_VALUE;
    c.in[2] = c.in[3] = (sv_type){0};
    c.value[2] = c.value[3] = NULL;
    CHECK_OK(node_case_eval(&c));
    expect(t, 0, false);
    assert_memory_equal(c.result[0].data, sum, (size_t)count * sizeof *sum);
    node_case_release(&c);
}

static void check_linear(const conv_case *t)
{
    float x_scale = 0.03f, y_scale = 0.7f, scale[64];
    uint8_t x_zero = 100, y_zero = 7;
    int32_t bias[64];
    int8_t none[64] = {0};
    node_case c;
    fill(t);
    for (int64_t i = 0; i < t->filters; i++) {
        scale[i] = 0.002f + 0.0007f * (float)i;
        bias[i] = (int32_t)(i * 997 - 2000);
    }
    node_case_init(&c, SV_OP_QLinearConv, 9, 1);
    attributes(&c, t);
    put(&c, 0, SV_U8, 4, DIMS(t->n, t->c, t->h, t->w), x);
    put(&c, 1, SV_F32, 0, NULL, &x_scale);
    put(&c, 2, SV_U8, 0, NULL, &x_zero);
    put(&c, 3, SV_I8, 4, DIMS(t->filters, t->c / t->groups, t->kh, t->kw), w);
    put(&c, 4, SV_F32, 1, DIMS(t->filters), scale);
    put(&c, 5, SV_I8, 1, DIMS(t->filters), none);
    put(&c, 6, SV_F32, 0, NULL, &y_scale);
    put(&c, 7, SV_U8, 0, NULL, &y_zero);
    put(&c, 8, SV_I32, 1, DIMS(t->filters), bias);
    CHECK_OK(node_case_eval(&c));
    const int64_t count = expect(t, x_zero, false), plane = size_of(t, 0) * size_of(t, 1);
    for (int64_t i = 0; i < count; i++) {
        const int64_t o = i / plane % t->filters;
        const float by = x_scale * scale[o] / y_scale;
        const float value = nearbyintf((float)(sum[i] + bias[o]) * by) + y_zero;
        assert_int_equal(((const uint8_t *)c.result[0].data)[i], value < 0     ? 0
                                                                 : value > 255 ? 255
                                                                               : (uint8_t)value);
    }
    node_case_release(&c);
}

static const conv_case cases[] = {
    {2, 4, 9, 11, 6, 2, 2, 3, {2, 1}, {1, 2}, {0, 1, 2, 1}},
    {1, 3, 12, 10, 5, 1, 3, 3, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {1, 5, 7, 7, 5, 5, 3, 3, {2, 2}, {1, 1}, {1, 1, 0, 0}},
    {2, 7, 6, 5, 8, 1, 1, 1, {1, 1}, {1, 1}, {0, 0, 0, 0}},
    {1, 4, 9, 9, 3, 1, 1, 1, {3, 3}, {1, 1}, {0, 0, 0, 0}},
    {1, 2, 20, 18, 3, 1, 9, 8, {2, 3}, {1, 1}, {4, 3, 4, 3}},
};

static void sums(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_sums(&cases[i]);
}

static void linear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_linear(&cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
