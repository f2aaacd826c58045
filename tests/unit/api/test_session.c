/* Sessions: what may be bound, who lives longer than whom, several at once.  ctest: labels=threads
 */
#include "models.h"

#include <pthread.h>

typedef struct fixture {
    sv_runtime *runtime;
    sv_model *model;
    sv_session *session;
} fixture;

static void start(fixture *x)
{
    x->runtime = make_runtime(2, NULL);
    x->model = load_rows(x->runtime);
    CHECK_OK(sv_session_create(x->model, 0, &x->session));
}

static void stop(fixture *x)
{
    sv_session_destroy(x->session);
    sv_model_unref(x->model);
    sv_runtime_destroy(x->runtime);
}

static void count_up(float *x, int n)
{
    for (int i = 0; i < n; i++)
        x[i] = (float)(i + 1);
}

static void test_inputs_that_do_not_fit_are_named(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    float data[8] = {0};
    sv_buffer good = buffer_of(data, 2, (int64_t[]){2, 2}), bad = good;
    CHECK_OK(sv_session_bind_input(x.session, 0, &good));
    CHECK_FAILS(sv_session_bind_input(x.session, 1, &good), SV_CODE_OUT_OF_RANGE, "below 1");
    bad.dtype = SV_F64;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT,
                "input 'x': expected float32, found float64");
    bad = good;
    bad.rank = 1;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT, "'x'");
    bad.rank = 9;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT,
                "rank of 0 to 8, found 9");
    bad.rank = -1;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT, "found -1");
    bad = good;
    bad.dim[1] = 3;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT,
                "[?,2], found [2,3]");
    bad = good;
    bad.dim[0] = -1;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT, "found -1");
    bad = good;
    bad.dim[0] = (int64_t)1 << 62;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_RESOURCE_EXHAUSTED, "x");
    bad = good;
    bad.size = 15;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT,
                "expected 16 bytes, found 15");
    bad = good;
    bad.data = NULL;
    CHECK_FAILS(sv_session_bind_input(x.session, 0, &bad), SV_CODE_INVALID_ARGUMENT, "'x'");
    CHECK_OK(sv_session_run(x.session));
    stop(&x);
}

static void test_outputs_are_made_in_the_callers_memory(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    float data[6], result[9];
    count_up(data, 6);
    sv_buffer in = buffer_of(data, 2, (int64_t[]){3, 2}),
              out = buffer_of(result, 1, (int64_t[]){9}), found;
    CHECK_FAILS(sv_session_output(x.session, 0, &found), SV_CODE_FAILED_PRECONDITION, "run");
    CHECK_OK(sv_session_bind_input(x.session, 0, &in));
    out.dtype = SV_I32;
    CHECK_FAILS(sv_session_bind_output(x.session, 0, &out), SV_CODE_INVALID_ARGUMENT,
                "output 'y': expected float32, found int32");
    out.dtype = SV_F32;
    out.size = 35;
    CHECK_OK(sv_session_bind_output(x.session, 0, &out));
    CHECK_FAILS(sv_session_run(x.session), SV_CODE_INVALID_ARGUMENT,
                "output 'y': expected memory of at least 36 bytes, found 35");
    out.size = 36;
    CHECK_OK(sv_session_bind_output(x.session, 0, &out));
    CHECK_OK(sv_session_run(x.session));
    CHECK_OK(sv_session_output(x.session, 0, &found));
    assert_ptr_equal(found.data, result);
    check_rows(&found, 3);
    CHECK_OK(sv_session_bind_output(x.session, 0, NULL));
    CHECK_OK(sv_session_run(x.session));
    CHECK_OK(sv_session_output(x.session, 0, &found));
    assert_ptr_not_equal(found.data, result);
    check_rows(&found, 3);
    stop(&x);
}

static void expect_sum(sv_session *session, float a, float b)
{
    sv_buffer y;
    CHECK_OK(sv_session_run(session));
    CHECK_OK(sv_session_output(session, 0, &y));
    assert_float_equal(((const float *)y.data)[0], a, 0);
    assert_float_equal(((const float *)y.data)[1], b, 0);
}

static void test_an_input_with_a_default_may_be_bound(void **state)
{
    sv_text text;
    sv_model *model;
    sv_session *session;
    float x[2] = {1, 2}, offset[2] = {-1, -2};
    sv_runtime *runtime = make_runtime(1, NULL);
    (void)state;
    model_offset(&text);
    CHECK_OK(sv_model_load_memory(runtime, text.data, text.size, NULL, &model));
    sv_text_release(&text);
    assert_false(sv_model_input(model, 0)->optional);
    assert_true(sv_model_input(model, 1)->optional);
    CHECK_OK(sv_session_create(model, 0, &session));
    sv_buffer in = buffer_of(x, 1, (int64_t[]){2}), other = buffer_of(offset, 1, (int64_t[]){2});
    CHECK_OK(sv_session_bind_input(session, 0, &in));
    expect_sum(session, 11, 22);
    CHECK_OK(sv_session_bind_input(session, 1, &other));
    expect_sum(session, 0, 0);
    sv_session_destroy(session);
    sv_model_unref(model);
    sv_runtime_destroy(runtime);
}

static void test_no_rows_are_a_size_too(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    sv_buffer in = buffer_of(NULL, 2, (int64_t[]){0, 2}), out;
    CHECK_OK(sv_session_bind_input(x.session, 0, &in));
    CHECK_OK(sv_session_run(x.session));
    CHECK_OK(sv_session_output(x.session, 0, &out));
    check_rows(&out, 0);
    stop(&x);
}

static void test_a_session_keeps_its_model_and_runtime(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    sv_runtime_destroy(x.runtime);
    sv_model_unref(x.model);
    float data[4];
    count_up(data, 4);
    sv_buffer in = buffer_of(data, 2, (int64_t[]){2, 2}), out;
    CHECK_OK(sv_session_bind_input(x.session, 0, &in));
    CHECK_OK(sv_session_run(x.session));
    CHECK_OK(sv_session_output(x.session, 0, &out));
    check_rows(&out, 2);
    sv_session_destroy(x.session);
}

enum { THREADS = 2, RUNS = 200, ROWS_MAX = 24 };

/* Sizes come and go in another order in each thread, so that plans are made and found at once. */
static void *run_many(void *argument)
{
    sv_model *model = argument;
    sv_session *session;
    float data[2 * ROWS_MAX];
    count_up(data, 2 * ROWS_MAX);
    CHECK_OK(sv_session_create(model, 0, &session));
    for (int i = 0; i < RUNS; i++) {
        int64_t rows = 1 + (i * 7) % ROWS_MAX;
        sv_buffer in = buffer_of(data, 2, (int64_t[]){rows, 2}), out;
        CHECK_OK(sv_session_bind_input(session, 0, &in));
        CHECK_OK(sv_session_run(session));
        CHECK_OK(sv_session_output(session, 0, &out));
        check_rows(&out, rows);
    }
    sv_session_destroy(session);
    return NULL;
}

static void test_an_interrupted_session_does_not_run(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    float data[4];
    count_up(data, 4);
    sv_buffer in = buffer_of(data, 2, (int64_t[]){2, 2}), out;
    CHECK_OK(sv_session_bind_input(x.session, 0, &in));
    sv_session_interrupt(x.session, true);
    CHECK_FAILS(sv_session_run(x.session), SV_CODE_CANCELLED, "interrupted");
    CHECK_FAILS(sv_session_output(x.session, 0, &out), SV_CODE_FAILED_PRECONDITION, "found none");
    sv_session_interrupt(x.session, false);
    CHECK_OK(sv_session_run(x.session));
    CHECK_OK(sv_session_output(x.session, 0, &out));
    check_rows(&out, 2);
    stop(&x);
}

static void test_sessions_share_a_model(void **state)
{
    (void)state;
    fixture x;
    start(&x);
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, run_many, x.model), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(sv_model_cost_ns(x.model) > 0);
    stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_that_do_not_fit_are_named),
        cmocka_unit_test(test_outputs_are_made_in_the_callers_memory),
        cmocka_unit_test(test_an_input_with_a_default_may_be_bound),
        cmocka_unit_test(test_no_rows_are_a_size_too),
        cmocka_unit_test(test_a_session_keeps_its_model_and_runtime),
        cmocka_unit_test(test_an_interrupted_session_does_not_run),
        cmocka_unit_test(test_sessions_share_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
