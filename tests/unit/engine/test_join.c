/* Steps that one kernel does together: the same bytes as separate steps, in fewer of them, and not
 * where another reads what lies between.  ctest: labels=threads */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* A price at which joining is worth it at every level. */
#define FAR 1000.0

/* Sizes at which what lies between is more than stays near: 72 * 64 * 64 floats. */
enum { IN = 8, MID = 72, SIDE = 64, MOST = MID * MID * 9 };

static float numbers[MOST], image[2 * IN * SIDE * SIDE];

static void fill(float *to, int n, int seed)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)((i * 37 + seed * 101) % 23 - 11) / 31.0f;
}

static sv_value_id constant(fixture *x, int64_t o, int64_t c, int64_t size, int seed)
{
    fill(numbers, (int)(o * c * size * size), seed);
    if (size == 0) {
        fill(numbers, (int)o, seed);
        return graph_constant(x->graph, numbers, 1, &o);
    }
    return graph_constant(x->graph, numbers, 4, (int64_t[]){o, c, size, size});
}

/* A convolution with a bias; depthwise where kernel > 1, then padded to keep the size at stride 1.
 */
static sv_value_id conv(fixture *x, sv_value_id in, int64_t c, int64_t o, int64_t kernel,
                        int64_t stride, sv_node **node)
{
    const int64_t pad = kernel / 2, pads[4] = {pad, pad, pad, pad}, strides[2] = {stride, stride};
    sv_value_id w = constant(x, o, kernel > 1 ? 1 : c, kernel, (int)kernel);
    sv_value_id bias = constant(x, o, 0, 0, 5);
    sv_value_id y = graph_node(x->graph, SV_OP_Conv, 3, (sv_value_id[]){in, w, bias}, node);
    must(sv_node_set_int(x->module, *node, "group", kernel > 1 ? o : 1));
    must(sv_node_set_ints(x->module, *node, "pads", pads, 4));
    must(sv_node_set_ints(x->module, *node, "strides", strides, 2));
    return y;
}

static void fuse(fixture *x, sv_node *node, sv_op op, int32_t operand)
{
    sv_fused *fused = sv_arena_array(&x->module->arena, 1, sizeof(*fused));
    assert_non_null(fused);
    *fused = (sv_fused){.op = op, .operand = operand, .name = "fused"};
    node->fused = fused;
    node->n_fused = 1;
}

typedef enum form { PLAIN, STRIDED, RESIDUAL, READ_TWICE, PROJECTED_ONLY, EXPANDED_ONLY } form;

static sv_value_id graph_of(fixture *x, form what)
{
    sv_node *node;
    const int64_t first = what == PROJECTED_ONLY ? MID : IN, last = what == PLAIN ? MID : IN;
    sv_value_id in = graph_input(x->graph, "x", SV_F32, 4, (int64_t[]){2, IN, SIDE, SIDE}),
                value = in;
    if (first == IN) {
        value = conv(x, value, IN, MID, 1, 1, &node);
        fuse(x, node, SV_OP_Relu, -1);
    } else {
        value = graph_node(x->graph, SV_OP_Concat, 9,
                           (sv_value_id[]){in, in, in, in, in, in, in, in, in}, &node);
        must(sv_node_set_int(x->module, node, "axis", 1));
    }
    sv_value_id between = value;
    value = conv(x, value, MID, MID, 3, what == STRIDED ? 2 : 1, &node);
    fuse(x, node, SV_OP_HardSwish, -1);
    if (what == READ_TWICE)
        return graph_node(x->graph, SV_OP_Mul, 2, (sv_value_id[]){between, value}, NULL);
    if (what == EXPANDED_ONLY) return value;
    value = conv(x, value, MID, last, 1, 1, &node);
    if (what == RESIDUAL) {
        must(sv_node_add_input(x->module, node, in));
        fuse(x, node, SV_OP_Add, 3);
    }
    return value;
}

/* Steps of the plan that ran; its result's bytes, from malloc. */
static uint32_t run(form what, bool join, double far, void **bytes, size_t *size)
{
    fixture x;
    const sv_prices prices = fixture_prices(far);
    fixture_start(&x);
    x.join = join;
    x.prices = &prices;
    fixture_finish(&x, graph_of(&x, what));
    fill(image, 2 * IN * SIDE * SIDE, 3);
    fixture_bind(&x, 0, SV_F32, 4, (int64_t[]){2, IN, SIDE, SIDE}, image);
    return fixture_answer(&x, bytes, size);
}

static void check(form what, double far, uint32_t fewer)
{
    void *separate, *joined;
    size_t size, joined_size;
    uint32_t steps = run(what, false, far, &separate, &size);
    assert_int_equal(run(what, true, far, &joined, &joined_size), steps - fewer);
    assert_int_equal(size, joined_size);
    assert_memory_equal(separate, joined, size);
    free(separate);
    free(joined);
}

static void test_chains_are_one_step(void **state)
{
    (void)state;
    check(PLAIN, FAR, 2);
    check(STRIDED, FAR, 2);
    check(RESIDUAL, FAR, 2);
    check(PROJECTED_ONLY, FAR, 1);
    check(EXPANDED_ONLY, FAR, 1);
}

static void test_a_value_read_twice_is_stored(void **state)
{
    (void)state;
    check(READ_TWICE, FAR, 0);
}

/* Where nothing is saved, steps stay apart. */
static void test_prices_decide(void **state)
{
    (void)state;
    check(PLAIN, 0, 0);
    check(STRIDED, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_are_one_step),
        cmocka_unit_test(test_a_value_read_twice_is_stored),
        cmocka_unit_test(test_prices_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
