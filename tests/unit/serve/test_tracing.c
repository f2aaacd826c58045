/* Traces: choices for all models and for one, rates, limits, and what takes them back. */
#include "serve/tracing.h"

#include "support/check.h"
#include <stdio.h>

static sv_tracing *tracing;

static int set_up(void **state)
{
    (void)state;
    tracing = sv_tracing_create();
    return !tracing;
}

static int tear_down(void **state)
{
    (void)state;
    sv_tracing_destroy(tracing);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void change(const char *model, sv_trace_change change)
{
    CHECK_OK(sv_tracing_change(tracing, model, &change));
}

static uint32_t count(const char *model, uint32_t requests)
{
    uint32_t records = 0;
    for (uint32_t i = 0; i < requests; i++)
        records += sv_tracing_take(tracing, model) != 0;
    return records;
}

static void test_rates_and_limits(void **state)
{
    (void)state;
    assert_int_equal(count("m", 5), 0);
    change(NULL, (sv_trace_change){.set = SV_TRACE_TIMESTAMPS, .value = {.timestamps = true}});
    assert_int_equal(count("m", 2001), 3);
    change(NULL, (sv_trace_change){.set = SV_TRACE_RATE | SV_TRACE_COUNT,
                                   .value = {.rate = 2, .count = 4}});
    assert_int_equal(count("m", 5), 3);
    assert_int_equal(sv_tracing_get(tracing, NULL).count, 1);
    assert_int_equal(count("n", 100), 1);
    assert_int_equal(count("n", 100), 0);
    change(NULL, (sv_trace_change){.clear = SV_TRACE_COUNT | SV_TRACE_RATE});
    assert_int_equal(sv_tracing_get(tracing, "m").count, -1);
    assert_int_equal(sv_tracing_get(tracing, "m").rate, 1000);
}

static void test_one_model(void **state)
{
    (void)state;
    change("m", (sv_trace_change){.set = SV_TRACE_TIMESTAMPS | SV_TRACE_RATE,
                                  .value = {.timestamps = true, .rate = 1}});
    assert_int_equal(count("m", 7), 7);
    assert_int_equal(count("n", 7), 0);
    assert_false(sv_tracing_get(tracing, "n").timestamps);
    change(NULL, (sv_trace_change){.set = SV_TRACE_TIMESTAMPS | SV_TRACE_RATE | SV_TRACE_COUNT,
                                   .value = {.timestamps = true, .rate = 1, .count = 10}});
    change("m", (sv_trace_change){.set = SV_TRACE_TIMESTAMPS});
    assert_int_equal(count("m", 7), 0);
    assert_int_equal(count("n", 7), 7);
    /* Its own rate, and what is left for all. */
    change("m", (sv_trace_change){.clear = SV_TRACE_TIMESTAMPS});
    assert_int_equal(count("m", 7), 3);
    change("m", (sv_trace_change){.set = SV_TRACE_COUNT, .value = {.count = 2}});
    assert_int_equal(count("m", 7), 2);
    assert_int_equal(count("n", 7), 0);
}

static void test_models_are_bounded(void **state)
{
    (void)state;
    char name[16];
    const sv_trace_change on = {.set = SV_TRACE_RATE, .value = {.rate = 1}};
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof name, "m%d", i);
        CHECK_OK(sv_tracing_change(tracing, name, &on));
    }
    CHECK_FAILS(sv_tracing_change(tracing, "one more", &on), SV_CODE_RESOURCE_EXHAUSTED, "1024");
    CHECK_OK(sv_tracing_change(tracing, "m7", &on));
    assert_int_equal(sv_tracing_get(tracing, "m7").rate, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rates_and_limits),
        TEST(test_one_model),
        TEST(test_models_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
