/* Loading: what is wrong with a file or its memory comes back as an error that names it. */
#include "models.h"

#include "base/alloc.h"

#include <stdio.h>
#include <unistd.h>

static void test_a_missing_file_is_named(void **state)
{
    (void)state;
    sv_runtime *runtime = make_runtime(1, NULL);
    sv_model *model = NULL;
    CHECK_FAILS(sv_model_load(runtime, "/nowhere/model.onnx", &model), SV_CODE_NOT_FOUND,
                "/nowhere/model.onnx");
    assert_null(model);
    sv_runtime_destroy(runtime);
}

static void test_bytes_that_are_no_model_are_refused(void **state)
{
    (void)state;
    sv_runtime *runtime = make_runtime(1, NULL);
    sv_model *model = NULL;
    sv_status status = sv_model_load_memory(runtime, "\xff\xff\xff\xff\xff", 5, NULL, &model);
    assert_true(status != SV_OK);
    sv_status_free(status);
    status = sv_model_load_memory(runtime, NULL, 0, NULL, &model);
    assert_true(status != SV_OK);
    sv_status_free(status);
    sv_runtime_destroy(runtime);
}

static void expect_failure(const sv_text *text, sv_code code, const char *words)
{
    sv_runtime *runtime = make_runtime(1, NULL);
    sv_model *model;
    CHECK_FAILS(sv_model_load_memory(runtime, text->data, text->size, NULL, &model), code, words);
    sv_runtime_destroy(runtime);
}

static void test_operators_that_cannot_run_are_named(void **state)
{
    (void)state;
    sv_text text;
    model_one(&text, "NoSuchOperator", "x");
    expect_failure(&text, SV_CODE_UNIMPLEMENTED, "NoSuchOperator");
    sv_text_release(&text);
}

static void test_a_required_input_may_not_be_omitted(void **state)
{
    (void)state;
    static const char *const op[] = {"Relu", "Identity", "Cast"};
    for (int i = 0; i < 3; i++) {
        sv_text text;
        model_one(&text, op[i], "");
        expect_failure(&text, SV_CODE_INVALID_ARGUMENT, op[i]);
        sv_text_release(&text);
    }
}

static void test_the_memory_limit_holds(void **state)
{
    (void)state;
    sv_runtime_options options = SV_RUNTIME_OPTIONS_INIT;
    options.memory_limit_bytes = 64;
    options.threads = 1;
    sv_runtime *runtime;
    sv_model *model;
    sv_text text;
    CHECK_OK(sv_runtime_create(&options, &runtime));
    model_rows(&text);
    CHECK_FAILS(sv_model_load_memory(runtime, text.data, text.size, NULL, &model),
                SV_CODE_RESOURCE_EXHAUSTED, "");
    sv_text_release(&text);
    sv_runtime_destroy(runtime);
}

static void test_a_file_loads_and_may_go(void **state)
{
    (void)state;
    char path[] = "/tmp/serval-api-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    sv_text text;
    model_rows(&text);
    assert_int_equal(write(fd, text.data, text.size), (ssize_t)text.size);
    close(fd);
    sv_text_release(&text);
    sv_runtime *runtime = make_runtime(1, NULL);
    sv_model *model;
    CHECK_OK(sv_model_load(runtime, path, &model));
    unlink(path);
    assert_int_equal(sv_model_input_count(model), 1);
    assert_string_equal(sv_model_input(model, 0)->name, "x");
    assert_int_equal(sv_model_input(model, 0)->dim[0], -1);
    assert_string_equal(sv_model_input(model, 0)->dim_name[0], "rows");
    assert_int_equal(sv_model_find_output(model, "y"), 0);
    assert_int_equal(sv_model_find_output(model, "x"), -1);
    sv_model_stats stats;
    sv_model_get_stats(model, &stats);
    assert_int_equal(stats.parameters, 12);
    assert_int_equal(stats.weight_bytes, 48);
    sv_model_unref(model);
    sv_runtime_destroy(runtime);
}

/* Loads, binds, runs and gives everything back. */
static sv_status live_through(const sv_runtime_options *options, const sv_text *text)
{
    sv_runtime *runtime = NULL;
    sv_model *model = NULL;
    sv_session *session = NULL;
    float x[6] = {1, 2, 3, 4, 5, 6};
    sv_buffer in = buffer_of(x, 2, (int64_t[]){3, 2}), out;
    sv_status status = sv_runtime_create(options, &runtime);
    if (!status) status = sv_model_load_memory(runtime, text->data, text->size, NULL, &model);
    if (!status) status = sv_session_create(model, 0, &session);
    if (!status) status = sv_session_bind_input(session, 0, &in);
    if (!status) status = sv_session_run(session);
    if (!status) status = sv_session_output(session, 0, &out);
    if (!status) check_rows(&out, 3);
    sv_session_destroy(session);
    sv_model_unref(model);
    sv_runtime_destroy(runtime);
    return status;
}

/* Every allocation fails once: an error comes back, and nothing is lost. Memory that only spares
 * later calls may be done without, then everything goes on. */
static void test_any_allocation_may_fail(void **state)
{
    (void)state;
    sv_counting_allocator memory;
    sv_text text;
    model_rows(&text);
    sv_counting_allocator_init(&memory, NULL);
    sv_runtime_options options = SV_RUNTIME_OPTIONS_INIT;
    options.threads = 1;
    options.allocator = &memory.allocator;
    CHECK_OK(live_through(&options, &text));
    size_t calls = atomic_load(&memory.calls);
    size_t failures = 0;
    for (size_t fail = 1; fail <= calls; fail++) {
        sv_counting_allocator_init(&memory, NULL);
        memory.fail_at = fail;
        sv_status status = live_through(&options, &text);
        failures += status != SV_OK;
        if (status != SV_OK && sv_status_code(status) != SV_CODE_RESOURCE_EXHAUSTED)
            fail_msg("allocation %zu of %zu: %s", fail, calls, sv_status_message(status));
        sv_status_free(status);
        assert_int_equal(atomic_load(&memory.live_bytes), 0);
    }
    assert_true(failures > calls / 2);
    sv_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_bytes_that_are_no_model_are_refused),
        cmocka_unit_test(test_operators_that_cannot_run_are_named),
        cmocka_unit_test(test_a_required_input_may_not_be_omitted),
        cmocka_unit_test(test_the_memory_limit_holds),
        cmocka_unit_test(test_a_file_loads_and_may_go),
        cmocka_unit_test(test_any_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
