/* Tuning: what the operator says goes before a config.pbtxt, and contradictions are refused. */
#include "store/config.h"

#include "support/check.h"

static void test_what_is_said_goes_first(void **state)
{
    (void)state;
    sv_tuning file = {.max_batch_rows = 8, .instances = 2, .policy.max_size = 5, .batching = true};
    sv_tuning said = {.given = 1u << SV_TUNING_INSTANCES | 1u << SV_TUNING_MAX_BATCH,
                      .instances = 3,
                      .no_batching = true,
                      .max_requests = 9};
    sv_tuning_override(&file, &said);
    assert_int_equal(file.instances, 3);
    assert_int_equal(file.max_batch_rows, 0);
    assert_true(file.no_batching && file.batching);
    assert_int_equal(file.policy.max_size, 5);
    assert_int_equal(file.max_requests, 0); /* not given */
}

static void test_signatures_follow_what_is_given(void **state)
{
    (void)state;
    sv_tuning a = {.instances = 4};
    assert_true(sv_tuning_signature(&a) == 0);
    a.given = 1u << SV_TUNING_INSTANCES;
    sv_tuning b = a;
    b.max_requests = 7;
    assert_true(sv_tuning_signature(&a) != 0);
    assert_true(sv_tuning_signature(&a) == sv_tuning_signature(&b));
    b.instances = 5;
    assert_true(sv_tuning_signature(&a) != sv_tuning_signature(&b));
}

static void test_contradictions(void **state)
{
    (void)state;
    sv_tuning tuning = {.priority_levels = 2, .default_priority = 1};
    CHECK_OK(sv_tuning_check(&tuning, "m"));
    tuning.default_priority = 3;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "of at most 2, found 3");
    tuning.default_priority = 0;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "found none");
    tuning = (sv_tuning){.priority_levels = 17, .default_priority = 1};
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "at most 16");
    tuning = (sv_tuning){.preserve_ordering = true, .priority_levels = 1, .default_priority = 1};
    CHECK_OK(sv_tuning_check(&tuning, "m"));
    tuning.priority_levels = 2;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT,
                "one priority level beside preserve_ordering, found 2");
    tuning.priority_levels = 0;
    tuning.default_priority = 0;
    tuning.policy.delays = true;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "found delay");
    tuning.policy.delays = false;
    tuning.level_policies = 1;
    tuning.level_policy[0].delays = true;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "found delay");
    tuning = (sv_tuning){.max_batch_rows = 4, .preferred = {4, 8}, .preferred_count = 2};
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "at most 4, found 8");
    tuning.max_batch_rows = 8;
    CHECK_OK(sv_tuning_check(&tuning, "m"));
    tuning.pad.bucket = 8;
    CHECK_FAILS(sv_tuning_check(&tuning, "m"), SV_CODE_INVALID_ARGUMENT, "beside pad_values");
    tuning.pad.on = true;
    CHECK_OK(sv_tuning_check(&tuning, "m"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_said_goes_first),
        cmocka_unit_test(test_signatures_follow_what_is_given),
        cmocka_unit_test(test_contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
