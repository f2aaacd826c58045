/* A model's queue: the order of priorities, which requests run together, and from when on. */
#include "serve/flow.h"

#include "support/check.h"

#define PARTS 100
#define MS UINT64_C(1000000)

static sv_served version;
static sv_flow flow;
static sv_batch part[PARTS];
static size_t parts;

static int setup(void **state)
{
    (void)state;
    version = (sv_served){.name = "m", .batches = true};
    memset(&flow, 0, sizeof flow);
    parts = 0;
    return 0;
}

static sv_batch *add_at(uint32_t level, int64_t rows, uint64_t queued_ns)
{
    sv_batch *batch = &part[parts++];
    *batch = (sv_batch){.version = &version,
                        .flow = &flow,
                        .level = level,
                        .extent.rows = rows,
                        .count = 1,
                        .extent.bytes = 100,
                        .cost_ns = 10,
                        .joins = true,
                        .queued_ns = queued_ns};
    sv_flow_add(&flow, batch);
    return batch;
}

static sv_batch *add(uint32_t level, int64_t rows)
{
    return add_at(level, rows, 1);
}

static int64_t rows_of(const sv_batch *batch)
{
    int64_t rows = 0;
    for (; batch; batch = batch->mate)
        rows += batch->extent.rows;
    return rows;
}

static void test_takes_all_that_fits(void **state)
{
    (void)state;
    assert_true(sv_flow_ready(&flow) == UINT64_MAX);
    assert_null(sv_flow_take(&flow));
    for (int i = 0; i < 70; i++)
        add(1, 1);
    assert_true(sv_flow_ready(&flow) == 0);
    sv_batch *run = sv_flow_take(&flow);
    assert_ptr_equal(run, &part[0]);
    assert_ptr_equal(run->mate, &part[1]);
    assert_int_equal(rows_of(run), 64);
    assert_int_equal(flow.waiting, 6);
    assert_int_equal(rows_of(sv_flow_take(&flow)), 6);
    assert_int_equal(flow.parts, 0);
    assert_int_equal(flow.due[0].cost_ns, 0);
}

static void test_what_does_not_fit_waits_for_its_turn(void **state)
{
    (void)state;
    version.tuning.max_batch_rows = 4;
    add(1, 3);
    add(1, 2);
    add(1, 1);
    assert_int_equal(rows_of(sv_flow_take(&flow)), 3);
    assert_int_equal(rows_of(sv_flow_take(&flow)), 3);
    add(1, 9)->joins = false;
    assert_int_equal(rows_of(sv_flow_take(&flow)), 9);
}

static void test_only_what_fits_goes_together(void **state)
{
    (void)state;
    sv_served other = version;
    add(1, 1);
    add(1, 1)->version = &other;
    add(1, 1)->given = 2;
    add(1, 1)->joins = false;
    add(1, 1);
    sv_batch *run = sv_flow_take(&flow);
    assert_ptr_equal(run->mate, &part[4]);
    assert_null(run->mate->mate);
    for (int i = 1; i < 4; i++) {
        run = sv_flow_take(&flow);
        assert_ptr_equal(run, &part[i]);
        assert_null(run->mate);
    }
}

static void test_bytes_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        add(1, 1)->extent.bytes = (size_t)100 << 10;
    assert_int_equal(rows_of(sv_flow_take(&flow)), 2);
    version.tuning.batching = true;
    for (int i = 0; i < 4; i++)
        add(1, 1)->extent.bytes = (size_t)100 << 10;
    assert_int_equal(rows_of(sv_flow_take(&flow)), 6);
}

static void test_urgent_goes_first(void **state)
{
    (void)state;
    version.tuning.max_batch_rows = 1;
    add(3, 1);
    add(2, 1);
    add(1, 1);
    add(2, 1);
    static const int order[] = {2, 1, 3, 0};
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(sv_flow_take(&flow), &part[order[i]]);
}

static void test_put_off_goes_behind_its_level(void **state)
{
    (void)state;
    version.tuning.max_batch_rows = 1;
    add(1, 1);
    add(1, 1);
    add(2, 1);
    sv_flow_put_off(&flow, &part[0]);
    assert_int_equal(flow.waiting, 3);
    assert_ptr_equal(sv_flow_take(&flow), &part[1]);
    assert_ptr_equal(sv_flow_take(&flow), &part[0]);
    assert_ptr_equal(sv_flow_take(&flow), &part[2]);
}

static void test_remove(void **state)
{
    (void)state;
    add(1, 1);
    add(1, 1);
    add(1, 1);
    sv_flow_remove(&flow, &part[1]);
    assert_false(part[1].queued);
    sv_batch *run = sv_flow_take(&flow);
    assert_ptr_equal(run, &part[0]);
    assert_ptr_equal(run->mate, &part[2]);
    assert_int_equal(flow.waiting, 0);
}

static void test_waits_for_more(void **state)
{
    (void)state;
    version.tuning.max_batch_rows = 4;
    version.tuning.max_queue_delay_us = 2000;
    add_at(1, 1, 10 * MS);
    assert_true(sv_flow_ready(&flow) == 12 * MS);
    add_at(1, 2, 11 * MS);
    assert_true(sv_flow_ready(&flow) == 12 * MS);
    add_at(1, 1, 11 * MS);
    assert_true(sv_flow_ready(&flow) == 0); /* full */
    assert_int_equal(rows_of(sv_flow_take(&flow)), 4);
    add_at(1, 2, 20 * MS);
    add_at(1, 3, 21 * MS);
    assert_true(sv_flow_ready(&flow) == 0); /* the second does not fit */
    assert_int_equal(rows_of(sv_flow_take(&flow)), 2);
    assert_true(sv_flow_ready(&flow) == 23 * MS);
    part[parts - 1].joins = false;
    assert_true(sv_flow_ready(&flow) == 0); /* nobody can come to it */
}

static void test_preferred_sizes(void **state)
{
    (void)state;
    version.tuning = (sv_tuning){.max_queue_delay_us = 2000,
                                 .max_batch_rows = 16,
                                 .preferred = {4, 8},
                                 .preferred_count = 2};
    for (int i = 0; i < 3; i++)
        add_at(1, 1, MS);
    assert_true(sv_flow_ready(&flow) == 3 * MS);
    add_at(1, 1, 2 * MS);
    assert_true(sv_flow_ready(&flow) == 0);
    for (int i = 0; i < 6; i++)
        add_at(1, 1, 2 * MS);
    assert_int_equal(rows_of(sv_flow_take(&flow)), 8);
    assert_true(sv_flow_ready(&flow) == 4 * MS);
    /* Its time has come: what there is. */
    assert_int_equal(rows_of(sv_flow_take(&flow)), 2);
}

static void test_the_pace_decides_where_there_is_a_target(void **state)
{
    (void)state;
    version.tuning.latency_target_us = 5000;
    version.tuning.max_queue_delay_us = 9000;
    add_at(1, 1, MS);
    assert_true(sv_flow_ready(&flow) == 0);
    flow.pace.delay_ns = 3 * MS;
    assert_true(sv_flow_ready(&flow) == 4 * MS);
    assert_true(sv_flow_waits(&version));
}

static void test_what_is_ahead(void **state)
{
    (void)state;
    add(1, 1);
    add(2, 1);
    add(2, 1);
    add(3, 1);
    assert_true(sv_flow_ahead_ns(&flow, 1) == 10);
    assert_true(sv_flow_ahead_ns(&flow, 2) == 30);
    assert_true(sv_flow_ahead_ns(&flow, 3) == 40);
    sv_flow_put_off(&flow, &part[1]);
    assert_true(sv_flow_ahead_ns(&flow, 2) == 20);
    assert_true(sv_flow_ahead_ns(&flow, 3) == 40);
}

static void test_instances(void **state)
{
    (void)state;
    assert_true(sv_flow_enter(&flow, &version));
    assert_int_equal(flow.running, 0); /* no bound, nothing to count */
    version.tuning.instances = 2;
    assert_true(sv_flow_enter(&flow, &version));
    assert_true(sv_flow_enter(&flow, &version));
    assert_false(sv_flow_enter(&flow, &version));
    assert_int_equal(flow.running, 2);
}

static void test_rows_are_counted_in_powers_of_two(void **state)
{
    (void)state;
    static const int64_t rows[] = {0, 1, 2, 3, 4, 5, 1024, 1025, 100000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        sv_flow_count_run(&flow, rows[i]);
    assert_int_equal(flow.rows[0], 2);
    assert_int_equal(flow.rows[1], 1);
    assert_int_equal(flow.rows[2], 2);
    assert_int_equal(flow.rows[3], 1);
    assert_int_equal(flow.rows[10], 1);
    assert_int_equal(flow.rows[11], 2);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_takes_all_that_fits),
        TEST(test_what_does_not_fit_waits_for_its_turn),
        TEST(test_only_what_fits_goes_together),
        TEST(test_bytes_are_bounded),
        TEST(test_urgent_goes_first),
        TEST(test_put_off_goes_behind_its_level),
        TEST(test_remove),
        TEST(test_waits_for_more),
        TEST(test_preferred_sizes),
        TEST(test_the_pace_decides_where_there_is_a_target),
        TEST(test_what_is_ahead),
        TEST(test_instances),
        TEST(test_rows_are_counted_in_powers_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
