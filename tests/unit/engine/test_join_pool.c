/* A convolution and the pool behind it in one step: what two steps answer, whether or not another
 * reads what lies between.  ctest: labels=threads */
#include "fixture.h"

#include <stdlib.h>

enum { IN = 3, C = 32, SIDE = 160, FAR = 1000 };

static float numbers[C * IN * 9], image[IN * SIDE * SIDE];

static void fill(float *to, int n, int seed)
{
    for (int i = 0; i < n; i++)
        to[i] = (float)((i * 37 + seed * 101) % 23 - 11) / 31.0f;
}

typedef enum form {
    OVERLAPPING, /* windows of 3, 2 apart */
    HALVES,      /* windows of 2 */
    MAP_READ,    /* HALVES, and another reads the map */
    MAP_SHARED,  /* OVERLAPPING, and another reads the map: rows would be made twice */
} form;

static sv_value_id conv(fixture *x, sv_value_id in)
{
    sv_node *node;
    const int64_t pads[4] = {1, 1, 1, 1}, dim[4] = {C, IN, 3, 3}, channels = C;
    fill(numbers, C * IN * 9, 1);
    sv_value_id w = graph_constant(x->graph, numbers, 4, dim);
    sv_value_id bias = graph_constant(x->graph, numbers, 1, &channels);
    sv_value_id y = graph_node(x->graph, SV_OP_Conv, 3, (sv_value_id[]){in, w, bias}, &node);
    must(sv_node_set_ints(x->module, node, "pads", pads, 4));
    return y;
}

static sv_value_id pool(fixture *x, sv_value_id in, bool overlaps)
{
    sv_node *node;
    const int64_t kernel = overlaps ? 3 : 2, pads[4] = {overlaps, overlaps, 0, 0};
    sv_value_id y = graph_node(x->graph, SV_OP_MaxPool, 1, &in, &node);
    must(sv_node_set_ints(x->module, node, "kernel_shape", (int64_t[]){kernel, kernel}, 2));
    must(sv_node_set_ints(x->module, node, "strides", (int64_t[]){2, 2}, 2));
    must(sv_node_set_ints(x->module, node, "pads", pads, 4));
    return y;
}

static sv_value_id graph_of(fixture *x, form what)
{
    const int64_t dim[4] = {1, IN, SIDE, SIDE};
    sv_value_id map = conv(x, graph_input(x->graph, "x", SV_F32, 4, dim));
    sv_value_id y = pool(x, map, what == OVERLAPPING || what == MAP_SHARED);
    if (what != MAP_READ && what != MAP_SHARED) return y;
    sv_value_id means[] = {graph_node(x->graph, SV_OP_GlobalAveragePool, 1, &map, NULL),
                           graph_node(x->graph, SV_OP_GlobalAveragePool, 1, &y, NULL)};
    return graph_node(x->graph, SV_OP_Add, 2, means, NULL);
}

/* Steps of the plan that ran, where what comes back from far off costs `far` ns for 1,000 bytes;
 * the result is copied. */
static uint32_t run(form what, bool join, double far, void **out, size_t *bytes)
{
    fixture x;
    const sv_prices prices = fixture_prices(far);
    fixture_start(&x);
    x.join = join;
    x.prices = &prices;
    fixture_finish(&x, graph_of(&x, what));
    fill(image, IN * SIDE * SIDE, 3);
    fixture_bind(&x, 0, SV_F32, 4, (int64_t[]){1, IN, SIDE, SIDE}, image);
    return fixture_answer(&x, out, bytes);
}

static void check(form what, double far, uint32_t fewer)
{
    void *separate, *joined;
    size_t bytes, joined_bytes;
    uint32_t steps = run(what, false, far, &separate, &bytes);
    assert_int_equal(run(what, true, far, &joined, &joined_bytes), steps - fewer);
    assert_int_equal(bytes, joined_bytes);
    assert_memory_equal(separate, joined, bytes);
    free(separate);
    free(joined);
}

static void test_one_step(void **state)
{
    (void)state;
    check(OVERLAPPING, FAR, 1);
    check(HALVES, FAR, 1);
    check(MAP_READ, FAR, 1);
}

static void test_rows_that_windows_share_are_made_once(void **state)
{
    (void)state;
    check(MAP_SHARED, FAR, 0);
}

/* Where nothing is saved, steps stay apart. */
static void test_prices_decide(void **state)
{
    (void)state;
    check(OVERLAPPING, 0, 0);
    check(MAP_READ, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_rows_that_windows_share_are_made_once),
        cmocka_unit_test(test_prices_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
