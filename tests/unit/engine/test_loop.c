/* Loops: bodies with captures, states that change their shapes, items, what can go wrong. */
#include "fixture.h"

#include "support/check.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* A body of Loop: iteration, condition, and states of these ranks of any size. */
static sv_graph *loop_body(fixture *x, uint32_t n_state, const int32_t *rank, sv_value_id *state)
{
    sv_graph *body;
    sv_value_id out;
    const int64_t any[SV_MAX_RANK] = {-1, -1, -1, -1, -1, -1, -1, -1};
    must(sv_graph_create(x->module, x->graph, "body", &body));
    graph_input(body, "i", SV_I64, 0, NULL);
    sv_value_id condition = graph_input(body, "go_on", SV_BOOL, 0, NULL);
    for (uint32_t i = 0; i < n_state; i++) {
        const char *const name[] = {"s0", "s1"};
        state[i] = graph_input(body, name[i], SV_F32, rank[i], any);
    }
    out = graph_node(body, SV_OP_Identity, 1, &condition, NULL);
    must(sv_graph_add_output(body, out));
    return body;
}

/* The Loop with this body; M is `count`, there is no condition. */
static sv_node *loop_node(fixture *x, sv_graph *body, sv_value_id count, uint32_t n_state,
                          const sv_value_id *state)
{
    sv_node *node;
    uint32_t n_out = body->n_out - 1;
    must(sv_graph_add_node(x->graph, SV_OP_Loop, "loop", 2 + n_state, n_out, &node));
    node->in[0] = count;
    for (uint32_t i = 0; i < n_state; i++)
        node->in[2 + i] = state[i];
    sv_graph **graphs = sv_arena_alloc(&x->module->arena, sizeof(sv_graph *));
    graphs[0] = body;
    sv_attr attr = {.name = "body", .kind = SV_ATTR_GRAPH, .count = 1, .u.graphs = graphs};
    must(sv_node_add_attr(x->module, node, &attr));
    return node;
}

static sv_value_id capture(sv_graph *body, sv_value_id outer)
{
    sv_value_id value;
    must(sv_graph_add_value(body, "", &value));
    body->value[value].outer = outer;
    return value;
}

static void bind_count(fixture *x, int64_t *count)
{
    fixture_bind(x, 0, SV_I64, 0, NULL, count);
}

/* state = concat(state, state); an item is its size. */
static void doubling(fixture *x, uint32_t output)
{
    fixture_start(x);
    sv_value_id count = graph_input(x->graph, "n", SV_I64, 0, NULL);
    sv_value_id start = graph_input(x->graph, "start", SV_F32, 1, (int64_t[]){-1});
    sv_value_id state;
    sv_node *concat;
    sv_graph *body = loop_body(x, 1, (int32_t[]){1}, &state);
    sv_value_id twice = graph_node(body, SV_OP_Concat, 2, (sv_value_id[]){state, state}, &concat);
    must(sv_node_set_int(x->module, concat, "axis", 0));
    must(sv_graph_add_output(body, twice));
    must(sv_graph_add_output(body, graph_node(body, SV_OP_Size, 1, &twice, NULL)));
    fixture_finish(x, loop_node(x, body, count, 1, &start)->out[output]);
}

static void test_states_may_grow(void **state)
{
    fixture x;
    int64_t n = 5;
    float data[2] = {1, 2};
    (void)state;
    doubling(&x, 0);
    bind_count(&x, &n);
    fixture_bind(&x, 1, SV_F32, 1, (int64_t[]){2}, data);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.dim[0], 64);
    for (int i = 0; i < 64; i++)
        assert_float_equal(((float *)out.data)[i], 1 + i % 2, 0);
    n = 0;
    out = fixture_run(&x);
    assert_int_equal(out.shape.dim[0], 2);
    assert_float_equal(((float *)out.data)[1], 2, 0);
    fixture_stop(&x);
}

static void test_items_stack_up(void **state)
{
    fixture x;
    int64_t n = 4;
    float data[3] = {1, 2, 3};
    (void)state;
    doubling(&x, 1);
    bind_count(&x, &n);
    fixture_bind(&x, 1, SV_F32, 1, (int64_t[]){3}, data);
    sv_tensor out = fixture_run(&x);
    assert_int_equal(out.shape.rank, 1);
    assert_memory_equal(out.data, ((int64_t[]){6, 12, 24, 48}), 4 * sizeof(int64_t));
    n = 0;
    out = fixture_run(&x);
    assert_int_equal(out.shape.dim[0], 0);
    fixture_stop(&x);
}

enum { WIDTH = 8 };

/* state = state x W + b with W a constant of the graph around, which is packed once. */
static void test_captured_weights(void **state)
{
    fixture x;
    float w[WIDTH * WIDTH], in[WIDTH], expected[WIDTH];
    int64_t n = 3;
    (void)state;
    for (int i = 0; i < WIDTH * WIDTH; i++)
        w[i] = (float)((i * 7) % 5 - 2) / 4;
    fixture_start(&x);
    sv_value_id count = graph_input(x.graph, "n", SV_I64, 0, NULL);
    sv_value_id start = graph_input(x.graph, "start", SV_F32, 2, (int64_t[]){1, WIDTH});
    sv_value_id bias = graph_input(x.graph, "b", SV_F32, 1, (int64_t[]){WIDTH});
    sv_value_id weight = graph_constant(x.graph, w, 2, (int64_t[]){WIDTH, WIDTH});
    sv_value_id inner;
    sv_graph *body = loop_body(&x, 1, (int32_t[]){2}, &inner);
    sv_value_id product =
        graph_node(body, SV_OP_MatMul, 2, (sv_value_id[]){inner, capture(body, weight)}, NULL);
    must(sv_graph_add_output(
        body, graph_node(body, SV_OP_Add, 2, (sv_value_id[]){product, capture(body, bias)}, NULL)));
    fixture_finish(&x, loop_node(&x, body, count, 1, &start)->out[0]);
    float b[WIDTH] = {1, 0, -1, 2, 0, 1, 0, 3};
    for (int i = 0; i < WIDTH; i++)
        expected[i] = in[i] = (float)i;
    for (int64_t round = 0; round < n; round++) {
        float next[WIDTH];
        for (int j = 0; j < WIDTH; j++) {
            next[j] = b[j];
            for (int k = 0; k < WIDTH; k++)
                next[j] += expected[k] * w[k * WIDTH + j];
        }
        memcpy(expected, next, sizeof next);
    }
    bind_count(&x, &n);
    fixture_bind(&x, 1, SV_F32, 2, (int64_t[]){1, WIDTH}, in);
    fixture_bind(&x, 2, SV_F32, 1, (int64_t[]){WIDTH}, b);
    sv_tensor out = fixture_run(&x);
    for (int j = 0; j < WIDTH; j++)
        assert_float_equal(((float *)out.data)[j], expected[j], 1e-3f);
    fixture_stop(&x);
}

/* An item of another shape than the first is an error that names the node, not a crash. */
static void test_items_must_agree(void **state)
{
    fixture x;
    int64_t n = 2;
    float data[1] = {1};
    sv_value_id inner;
    sv_node *concat;
    (void)state;
    fixture_start(&x);
    sv_value_id count = graph_input(x.graph, "n", SV_I64, 0, NULL);
    sv_value_id start = graph_input(x.graph, "start", SV_F32, 1, (int64_t[]){-1});
    sv_graph *body = loop_body(&x, 1, (int32_t[]){1}, &inner);
    sv_value_id twice = graph_node(body, SV_OP_Concat, 2, (sv_value_id[]){inner, inner}, &concat);
    must(sv_node_set_int(x.module, concat, "axis", 0));
    must(sv_graph_add_output(body, twice));
    must(sv_graph_add_output(body, graph_node(body, SV_OP_Identity, 1, &twice, NULL)));
    fixture_finish(&x, loop_node(&x, body, count, 1, &start)->out[1]);
    bind_count(&x, &n);
    fixture_bind(&x, 1, SV_F32, 1, (int64_t[]){1}, data);
    sv_status status = sv_exec_run(x.exec);
    assert_int_equal(sv_status_code(status), SV_CODE_INVALID_ARGUMENT);
    assert_non_null(strstr(sv_status_message(status), "node 'loop' (Loop): output 1: expected"));
    sv_status_free(status);
    fixture_stop(&x);
}

/* However many counts and shapes a loop has seen, it holds no more memory. */
static void test_memory_stays(void **state)
{
    fixture x;
    static float data[64];
    size_t before = 0;
    (void)state;
    doubling(&x, 0);
    for (int64_t run = 0; run < 4000; run++) {
        int64_t n = run % 7;
        bind_count(&x, &n);
        fixture_bind(&x, 1, SV_F32, 1, (int64_t[]){1 + run % 61}, data);
        assert_int_equal(fixture_run(&x).shape.dim[0], (1 + run % 61) << n);
        if (run == 2000) before = atomic_load(&x.memory.live_bytes);
    }
    assert_true(atomic_load(&x.memory.live_bytes) <= before + before / 10);
    fixture_stop(&x);
}

enum { LONG = 512, SIDE = 64, PRODUCTS = 3 };

/* state = state x W x W x W, n times: products that two threads share, with barriers between. */
static void products(fixture *x)
{
    static float w[SIDE * SIDE];
    for (int i = 0; i < SIDE; i++)
        w[i * SIDE + i] = 1;
    fixture_start(x);
    sv_value_id count = graph_input(x->graph, "n", SV_I64, 0, NULL);
    sv_value_id start = graph_input(x->graph, "start", SV_F32, 2, (int64_t[]){LONG, SIDE});
    sv_value_id weight = graph_constant(x->graph, w, 2, (int64_t[]){SIDE, SIDE});
    sv_value_id value;
    sv_graph *body = loop_body(x, 1, (int32_t[]){2}, &value);
    sv_value_id captured = capture(body, weight);
    for (int i = 0; i < PRODUCTS; i++)
        value = graph_node(body, SV_OP_MatMul, 2, (sv_value_id[]){value, captured}, NULL);
    must(sv_graph_add_output(body, value));
    fixture_finish(x, loop_node(x, body, count, 1, &start)->out[0]);
}

typedef struct interruption {
    sv_exec *exec;
    _Atomic bool begun;
    uint32_t after_us;
} interruption;

static void *interrupt(void *argument)
{
    interruption *x = argument;
    while (!atomic_load(&x->begun))
        sched_yield();
    usleep(x->after_us);
    sv_exec_interrupt(x->exec, true);
    return NULL;
}

/* The loop would not end before the machine does; wherever it is interrupted, it can run again. */
static void test_runs_end_when_they_are_interrupted(void **state)
{
    fixture x;
    static float data[LONG * SIDE];
    int64_t for_ever = INT64_MAX, twice = 2;
    (void)state;
    for (int i = 0; i < LONG * SIDE; i++)
        data[i] = (float)(i % 7);
    products(&x);
    assert_true(sv_program_is_open_ended(x.compiled->program));
    fixture_bind(&x, 1, SV_F32, 2, (int64_t[]){LONG, SIDE}, data);
    for (uint32_t round = 0; round < 30; round++) {
        pthread_t thread;
        interruption other = {.exec = x.exec, .after_us = round * 137};
        bind_count(&x, &for_ever);
        must(sv_thread_start(&thread, "other", interrupt, &other));
        atomic_store(&other.begun, true);
        CHECK_FAILS(sv_exec_run(x.exec), SV_CODE_CANCELLED, "interrupted");
        pthread_join(thread, NULL);
        /* It stays so until it is called off. */
        bind_count(&x, &twice);
        CHECK_FAILS(sv_exec_run(x.exec), SV_CODE_CANCELLED, "interrupted");
        sv_exec_interrupt(x.exec, false);
        sv_tensor out = fixture_run(&x);
        assert_memory_equal(out.data, data, sizeof data);
    }
    fixture_stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_may_grow),
        cmocka_unit_test(test_items_stack_up),
        cmocka_unit_test(test_captured_weights),
        cmocka_unit_test(test_items_must_agree),
        cmocka_unit_test(test_memory_stays),
        cmocka_unit_test(test_runs_end_when_they_are_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
