/* Squeeze-and-excite in few steps: what separate steps answer, but for the order of a sum, and not
 * where another reads what lies between.  ctest: labels=threads */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { C = 24, HIDDEN = 6, SIDE = 10, OUT = 8, WIDE = 128, MOST = WIDE * C * 9 };

static float numbers[MOST], image[2 * C * SIDE * SIDE];

static void fill(float *to, int n, int seed)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)((i * 37 + seed * 101) % 23 - 11) / 31.0f;
}

typedef enum form {
    WHOLE,        /* depthwise, gates, pointwise */
    NO_DEPTHWISE, /* nothing before the mean can sum up */
    FEW_PIXELS,   /* the pointwise convolution has more weights than the map has elements */
    BATCH,
    MEAN_READ,  /* another reads the mean */
    GATES_READ, /* another reads the gates */
    MAP_READ,   /* another reads the map times the gates */
} form;

static sv_value_id conv(fixture *x, sv_value_id in, int64_t c, int64_t o, int64_t kernel, sv_op op)
{
    sv_node *node;
    const int64_t pad = kernel / 2, pads[4] = {pad, pad, pad, pad};
    const int64_t dim[4] = {o, kernel > 1 ? 1 : c, kernel, kernel};
    fill(numbers, (int)(dim[0] * dim[1] * kernel * kernel), (int)o);
    sv_value_id w = graph_constant(x->graph, numbers, 4, dim);
    fill(numbers, (int)o, 5);
    sv_value_id bias = graph_constant(x->graph, numbers, 1, &o);
    sv_value_id y = graph_node(x->graph, SV_OP_Conv, 3, (sv_value_id[]){in, w, bias}, &node);
    must(sv_node_set_int(x->module, node, "group", kernel > 1 ? o : 1));
    must(sv_node_set_ints(x->module, node, "pads", pads, 4));
    if (op == SV_OP_UNKNOWN) return y;
    sv_fused *fused = sv_arena_array(&x->module->arena, 1, sizeof(*fused));
    assert_non_null(fused);
    *fused = (sv_fused){.op = op, .operand = -1, .name = "fused"};
    node->fused = fused;
    node->n_fused = 1;
    return y;
}

static sv_value_id both(fixture *x, sv_op op, sv_value_id a, sv_value_id b)
{
    return graph_node(x->graph, op, 2, (sv_value_id[]){a, b}, NULL);
}

static int64_t side_of(form what)
{
    return what == FEW_PIXELS ? 3 : SIDE;
}

static sv_value_id graph_of(fixture *x, form what)
{
    const int64_t side = side_of(what), dim[4] = {what == BATCH ? 2 : 1, C, side, side};
    sv_value_id map = graph_input(x->graph, "x", SV_F32, 4, dim);
    map = conv(x, map, C, C, 1, SV_OP_Relu);
    if (what != NO_DEPTHWISE) map = conv(x, map, C, C, 3, SV_OP_HardSwish);
    sv_value_id mean = graph_node(x->graph, SV_OP_GlobalAveragePool, 1, &map, NULL);
    sv_value_id gate = conv(x, mean, C, HIDDEN, 1, SV_OP_Relu);
    gate = conv(x, gate, HIDDEN, C, 1, SV_OP_Sigmoid);
    sv_value_id product = both(x, SV_OP_Mul, map, gate);
    sv_value_id y = conv(x, product, C, what == FEW_PIXELS ? WIDE : C, 1, SV_OP_UNKNOWN);
    if (what == MEAN_READ) return both(x, SV_OP_Add, y, mean);
    if (what == GATES_READ) return both(x, SV_OP_Add, y, gate);
    if (what == MAP_READ) return both(x, SV_OP_Add, y, product);
    return y;
}

/* Steps of the plan that ran; the result is copied. */
static uint32_t run(form what, bool join, float **out, int64_t *count)
{
    fixture x;
    fixture_start(&x);
    x.join = join;
    fixture_finish(&x, graph_of(&x, what));
    fill(image, 2 * C * SIDE * SIDE, 3);
    const int64_t side = side_of(what);
    fixture_bind(&x, 0, SV_F32, 4, (int64_t[]){what == BATCH ? 2 : 1, C, side, side}, image);
    void *bytes;
    size_t size;
    const uint32_t steps = fixture_answer(&x, &bytes, &size);
    *out = bytes;
    *count = (int64_t)(size / sizeof(float));
    return steps;
}

static void check(form what, uint32_t fewer)
{
    float *separate, *joined;
    int64_t count, joined_count;
    uint32_t steps = run(what, false, &separate, &count);
    assert_int_equal(run(what, true, &joined, &joined_count), steps - fewer);
    assert_int_equal(count, joined_count);
    for (int64_t i = 0; i < count; i++) {
        if (fabsf(separate[i] - joined[i]) > 2e-6f)
            fail_msg("%lld: %.9g joined, %.9g separate", (long long)i, (double)joined[i],
                     (double)separate[i]);
    }
    free(separate);
    free(joined);
}

/* The mean goes into the depthwise convolution, the products are one, the last product goes into
 * weights. */
static void test_few_steps(void **state)
{
    (void)state;
    check(WHOLE, 3);
    check(NO_DEPTHWISE, 2);
    check(FEW_PIXELS, 2);
    check(BATCH, 2);
}

static void test_values_read_twice_are_stored(void **state)
{
    (void)state;
    check(MEAN_READ, 0);
    check(GATES_READ, 2);
    check(MAP_READ, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_steps),
        cmocka_unit_test(test_values_read_twice_are_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
