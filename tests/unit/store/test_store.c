/* The live set: what is swapped in, what stays when files are broken, what is said about it. */
#include "repository.h"

#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

static sv_runtime *runtime;
static sv_store *store;
static sv_arena arena;

static int set_up(void **state)
{
    (void)state;
    CHECK_OK(sv_runtime_create(NULL, &runtime));
    CHECK_OK(sv_store_create(runtime, &store));
    sv_arena_init(&arena, NULL);
    return repository_set_up(state);
}

static int tear_down(void **state)
{
    sv_store_destroy(store);
    sv_runtime_destroy(runtime);
    sv_arena_release(&arena);
    return repository_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static char path[256];

static sv_model_config config_of(const char *name)
{
    snprintf(path, sizeof path, "%s", repository_path(name));
    return (sv_model_config){.name = "m", .path = path};
}

/* The answer of a version is its number, here. */
static void expect_served(int64_t number, float answer)
{
    sv_served *served;
    CHECK_OK(sv_store_acquire(store, "m", 1, number, &served));
    if (number) assert_int_equal(served->number, number);
    assert_true(repository_answer(served) == answer);
    sv_served_unref(served);
}

static void expect_missing(int64_t number)
{
    sv_served *served;
    CHECK_FAILS(sv_store_acquire(store, "m", 1, number, &served), SV_CODE_NOT_FOUND, "m");
}

static const sv_version_status *status_of(int64_t number)
{
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    for (size_t i = 0; i < model.count; i++) {
        if (model.version[i].number == number) return &model.version[i];
    }
    return NULL;
}

static void expect_state(int64_t number, sv_version_state state, const char *message)
{
    const sv_version_status *status = status_of(number);
    assert_non_null(status);
    if (!strstr(status->message, message)) print_error("found '%s'\n", status->message);
    assert_non_null(strstr(status->message, message));
    assert_int_equal(message[0] != '\0', status->message[0] != '\0');
    assert_int_equal(status->state, state);
}

/* A version ends on a thread of its own. */
static void expect_end(int64_t number)
{
    for (int i = 0; i < 2000; i++) {
        const sv_version_status *status = status_of(number);
        assert_non_null(status);
        if (status->state == SV_VERSION_END) return;
        assert_int_equal(status->state, SV_VERSION_UNLOADING);
        sv_clock_sleep(5000000);
    }
    fail_msg("version %lld does not end", (long long)number);
}

static uint64_t failures_of(const sv_model_status *model)
{
    uint64_t sum = 0;
    for (int code = 0; code < SV_STORE_CODES; code++)
        sum += model->failures[code];
    return sum;
}

static void test_swap(void **state)
{
    (void)state;
    sv_sync sync = {.now = false};
    sv_served *held;
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    assert_true(sync.changed);
    expect_served(0, 1);
    CHECK_OK(sv_store_acquire(store, "m", 1, 0, &held));
    sync = (sv_sync){.now = false};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    assert_false(sync.changed);
    repository_model("m/2/model.onnx", 2, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    assert_true(sync.changed);
    expect_served(0, 2);
    expect_missing(1);
    /* Who holds the old one goes on with it. */
    expect_state(1, SV_VERSION_UNLOADING, "");
    assert_true(repository_answer(held) == 1);
    sv_served_unref(held);
    expect_end(1);
    expect_state(2, SV_VERSION_AVAILABLE, "");
    /* In the same place, another file. */
    repository_model("m/2/model.onnx", 7, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(2, 7);
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    assert_int_equal(model.loads, 3);
    assert_int_equal(failures_of(&model), 0);
}

static void test_broken_versions(void **state)
{
    (void)state;
    sv_sync sync = {.now = false};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    repository_model("m/2/model.onnx", 2, 11);
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/2/model.onnx");
    assert_true(sync.wait_ns > 0);
    expect_served(0, 1);
    expect_state(1, SV_VERSION_AVAILABLE, "");
    expect_state(2, SV_VERSION_END, "model.onnx");
    /* It is left alone for a while, unless somebody asks. */
    sync = (sv_sync){.now = false};
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/2/model.onnx");
    assert_true(sync.wait_ns > 0);
    sync = (sv_sync){.now = true};
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/2/model.onnx");
    /* The version that serves, too, may be overwritten by something broken. */
    repository_remove("m/2");
    repository_model("m/1/model.onnx", 5, 3);
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/1/model.onnx");
    expect_served(1, 1);
    expect_state(1, SV_VERSION_AVAILABLE, "model.onnx");
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_state(1, SV_VERSION_AVAILABLE, "");
    /* Nothing left: the last one stays. */
    repository_remove("m/1");
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_NOT_FOUND, "found neither");
    expect_served(0, 1);
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    assert_non_null(strstr(model.problem, "found neither"));
    assert_int_equal(model.code, SV_CODE_NOT_FOUND);
    assert_true(failures_of(&model) >= 3);
    repository_model("m/3/model.onnx", 3, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 3);
}

static void test_files_that_are_being_written(void **state)
{
    (void)state;
    sv_sync sync = {.now = false};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    repository_model("m/2/model.onnx", 2, 0);
    repository_write("m/2/weights.bin", "half", 4, true);
    sync = (sv_sync){.now = false};
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_UNAVAILABLE, "changed a moment ago");
    assert_true(sync.wait_ns > 0 && sync.wait_ns < 1000000000);
    expect_served(0, 1);
    expect_state(2, SV_VERSION_START, "");
    /* Who asks need not wait. */
    sync = (sv_sync){.now = true};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 2);
    /* A folder that is made before its file. */
    repository_write("m/3/notes.txt", "soon", 4, false);
    sync = (sv_sync){.now = false};
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_NOT_FOUND, "m/3");
    expect_served(0, 2);
    repository_model("m/3/model.onnx", 3, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 3);
}

static void test_an_older_one_is_better_than_none(void **state)
{
    (void)state;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    repository_model("m/2/model.onnx", 2, 0);
    repository_model("m/3/model.onnx", 3, 4);
    repository_model("m/4/model.onnx", 4, 4);
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/4/model.onnx");
    expect_served(0, 2);
    expect_missing(1);
    expect_state(3, SV_VERSION_END, "model.onnx");
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_INVALID_ARGUMENT, "m/4/model.onnx");
    expect_served(0, 2);
    repository_model("m/4/model.onnx", 4, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 4);
    expect_end(2);
}

static void test_strict_loading(void **state)
{
    (void)state;
    sv_model_config config = config_of("m");
    config.policy.kind = SV_POLICY_ALL;
    repository_model("m/1/model.onnx", 1, 0);
    repository_model("m/2/model.onnx", 2, 5);
    CHECK_FAILS(sv_store_load(store, &config), SV_CODE_INVALID_ARGUMENT, "model 'm': ");
    assert_int_equal(sv_store_count(store), 0);
    expect_missing(0);
    repository_model("m/2/model.onnx", 2, 0);
    CHECK_OK(sv_store_load(store, &config));
    expect_served(1, 1);
    expect_served(2, 2);
    repository_model("m/3/model.onnx", 3, 5);
    CHECK_FAILS(sv_store_load(store, &config), SV_CODE_INVALID_ARGUMENT, "m/3/model.onnx");
    expect_served(0, 2);
    config.name = "a/b";
    CHECK_FAILS(sv_store_load(store, &config), SV_CODE_INVALID_ARGUMENT, "'a/b'");
}

static void test_labels_and_aliases(void **state)
{
    (void)state;
    static const char *const aliases[] = {"other"};
    const sv_version_label labels[] = {{"stable", 1}, {"none", 9}};
    sv_served *served;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    repository_model("m/2/model.onnx", 2, 0);
    config.label = labels;
    config.label_count = 2;
    config.alias = aliases;
    config.alias_count = 1;
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_NOT_FOUND, "'9'");
    CHECK_OK(sv_store_acquire_label(store, "other", 5, (sv_string){"stable", 6}, &served));
    assert_int_equal(served->number, 1);
    assert_string_equal(served->name, "m");
    sv_served_unref(served);
    CHECK_FAILS(sv_store_acquire_label(store, "m", 1, (sv_string){"none", 4}, &served),
                SV_CODE_NOT_FOUND, "'none'");
    CHECK_FAILS(sv_store_acquire_label(store, "x", 1, (sv_string){"stable", 6}, &served),
                SV_CODE_NOT_FOUND, "'x'");
    expect_served(0, 2);
    config.label_count = 1;
    config.alias_count = 0;
    CHECK_OK(sv_store_sync(store, &config, &sync));
    CHECK_FAILS(sv_store_acquire(store, "other", 5, 0, &served), SV_CODE_NOT_FOUND, "'other'");
}

static void test_removal(void **state)
{
    (void)state;
    sv_model_configs none;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    CHECK_OK(sv_store_remove(store, "m"));
    expect_missing(0);
    expect_end(1);
    CHECK_FAILS(sv_store_remove(store, "m"), SV_CODE_NOT_FOUND, "'m'");
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 1);
    sv_model_configs_init(&none);
    assert_int_equal(sv_store_retain(store, &none), 1);
    sv_model_status model, *all;
    size_t count;
    CHECK_FAILS(sv_store_describe(store, "m", 1, &arena, &model), SV_CODE_NOT_FOUND, "'m'");
    CHECK_OK(sv_store_describe_all(store, &arena, &all, &count));
    assert_int_equal(count, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    CHECK_OK(sv_store_describe_all(store, &arena, &all, &count));
    assert_int_equal(count, 1);
    sv_model_configs_release(&none);
}

/* How often each version has its turn, of `count`; version N is counts[N]. */
static void take_turns(int count, int counts[8])
{
    memset(counts, 0, 8 * sizeof *counts);
    for (int i = 0; i < count; i++) {
        sv_served *served;
        CHECK_OK(sv_store_acquire(store, "m", 1, 0, &served));
        counts[served->number]++;
        sv_served_unref(served);
    }
}

static void publish(int count)
{
    for (int i = 1; i <= count; i++) {
        char name[64];
        snprintf(name, sizeof name, "m/%d/model.onnx", i);
        repository_model(name, (float)i, 0);
    }
}

static void test_traffic(void **state)
{
    (void)state;
    int counts[8];
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(4);
    config.traffic = (sv_traffic){.share = {{1, 90}, {2, 9}, {3, 1}}, .count = 3};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    take_turns(1000, counts);
    assert_int_equal(counts[1], 900);
    assert_int_equal(counts[2], 90);
    assert_int_equal(counts[3], 10);
    expect_served(4, 4);
    /* By hand, to a version that is not loaded yet; and back. */
    repository_model("m/5/model.onnx", 5, 0);
    const sv_traffic by_hand = {.share = {{5, 1}, {1, 1}}, .count = 2};
    CHECK_OK(sv_store_set_traffic(store, &config, &by_hand));
    take_turns(10, counts);
    assert_int_equal(counts[5], 5);
    assert_int_equal(counts[1], 5);
    expect_missing(3);
    /* It stays so when the files are looked at again. */
    CHECK_OK(sv_store_sync(store, &config, &sync));
    take_turns(10, counts);
    assert_int_equal(counts[5], 5);
    CHECK_OK(sv_store_rollback(store, &config));
    take_turns(100, counts);
    assert_int_equal(counts[1], 90);
    const sv_traffic bad = {.share = {{1, 1}, {9, 1}}, .count = 2};
    CHECK_FAILS(sv_store_set_traffic(store, &config, &bad), SV_CODE_NOT_FOUND, "'9'");
    const sv_traffic bad_shadow = {.share = {{1, 1}}, .count = 1, .shadow = 8};
    CHECK_FAILS(sv_store_set_traffic(store, &config, &bad_shadow), SV_CODE_NOT_FOUND, "'8'");
    take_turns(100, counts);
    assert_int_equal(counts[1], 90);
    /* A new configuration goes before what was done by hand. */
    CHECK_OK(sv_store_set_traffic(store, &config, &by_hand));
    config.traffic = (sv_traffic){.share = {{2, 1}}, .count = 1};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    take_turns(10, counts);
    assert_int_equal(counts[2], 10);
    config.name = "n";
    CHECK_FAILS(sv_store_rollback(store, &config), SV_CODE_FAILED_PRECONDITION, "'n'");
}

static void test_shadows(void **state)
{
    (void)state;
    sv_served *served, *shadow;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(2);
    config.traffic = (sv_traffic){.share = {{1, 1}}, .count = 1, .shadow = 2};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    CHECK_OK(sv_store_acquire(store, "m", 1, 0, &served));
    assert_int_equal(served->number, 1);
    shadow = sv_store_acquire_shadow(store, served);
    assert_non_null(shadow);
    assert_int_equal(shadow->number, 2);
    assert_null(sv_store_acquire_shadow(store, shadow));
    sv_served_count_shadow(shadow, SV_SHADOW_DIFFERS);
    assert_true(status_of(2)->shadow[SV_SHADOW_DIFFERS] == 1);
    sv_served_unref(shadow);
    CHECK_OK(sv_store_remove(store, "m"));
    assert_null(sv_store_acquire_shadow(store, served));
    sv_served_unref(served);
}

/* Also of one that is kept without being served. */
static void expect_good(int64_t number)
{
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    assert_int_equal(model.good_count, number ? 1 : 0);
    if (number) assert_int_equal(model.good[0], number);
}

/* What became of requests to a version. */
static void answer(int64_t number, uint64_t good, uint64_t failed, uint64_t mean_ns)
{
    sv_served *served;
    CHECK_OK(sv_store_acquire(store, "m", 1, number, &served));
    sv_served_count(served, (uint64_t[SV_SERVED_FIGURES]){[SV_SERVED_SUCCESS] = good,
                                                          [SV_SERVED_SUCCESS_NS] = good * mean_ns,
                                                          [SV_SERVED_FAIL] = failed});
    sv_served_unref(served);
}

static void shed(int64_t number, uint64_t requests)
{
    sv_served *served;
    CHECK_OK(sv_store_acquire(store, "m", 1, number, &served));
    sv_served_count(served, (uint64_t[SV_SERVED_FIGURES]){
                                [SV_SERVED_FAIL] = requests, [SV_SERVED_SHED] = requests});
    sv_served_unref(served);
}

static void expect_shares(uint32_t count, const char *verdict)
{
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    assert_int_equal(model.traffic.count, count);
    assert_non_null(strstr(model.verdict, verdict));
    assert_int_equal(verdict[0] != '\0', model.verdict[0] != '\0');
}

static void test_judgement(void **state)
{
    (void)state;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(3);
    config.traffic = (sv_traffic){.share = {{1, 8}, {2, 1}, {3, 1}},
                                  .count = 3,
                                  .guard = {.requests = 100, .errors = 0.05, .latency = 2}};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    assert_true(sv_store_judge(store));
    /* Too few to say anything; then enough, but no worse than the main one. */
    answer(2, 0, 99, 0);
    answer(1, 1000, 100, 1000);
    assert_true(sv_store_judge(store));
    expect_shares(3, "");
    answer(2, 900, 20, 1900);
    assert_true(sv_store_judge(store));
    expect_shares(3, "");
    /* What had no room is no failure of the version, and no request that tells anything. */
    shed(2, 5000);
    shed(3, 5000);
    assert_true(sv_store_judge(store));
    expect_shares(3, "");
    /* 16.6 % against 9.1 % and a margin of 5 %. */
    answer(2, 0, 60, 0);
    assert_true(sv_store_judge(store));
    expect_shares(2, "version 2 was taken out of the traffic: 16.6 % of its 1079 requests failed");
    /* Judged anew: what was before does not count. */
    answer(1, 200, 0, 1000);
    answer(3, 200, 0, 1900);
    assert_true(sv_store_judge(store));
    expect_shares(2, "version 2");
    answer(3, 200, 0, 5000);
    assert_false(sv_store_judge(store));
    expect_shares(1, "version 3 was taken out of the traffic: its requests took 0.003 ms");
    sv_model_status model;
    CHECK_OK(sv_store_describe(store, "m", 1, &arena, &model));
    assert_int_equal(model.rollbacks, 2);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_missing(2);
    CHECK_OK(sv_store_rollback(store, &config));
    expect_shares(2, "");
}

static const char good_config[] =
    "max_batch_size: 4\ninput { name: 'x' data_type: TYPE_FP32 dims: 1 }\n"
    "output { name: 'y' data_type: TYPE_FP32 dims: -1 }\n"
    "model_warmup { name: 'w' batch_size: 3 inputs { key: 'x' value { data_type: TYPE_FP32\n"
    "  dims: 1 input_data_file: 'x.bin' } } }\n";

/* The good one with `from` replaced is refused, and what was served stays. */
static void check_wrong_config(const sv_model_config *config, const char *from, const char *to,
                               const char *reason)
{
    char text[600];
    sv_sync sync = {.now = true};
    const char *at = strstr(good_config, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good_config), good_config, to,
             at + strlen(from));
    repository_write("m/config.pbtxt", text, strlen(text), false);
    sv_status status = sv_store_sync(store, config, &sync);
    const char *found = sv_status_message(status);
    if (!strstr(found, reason)) print_error("%s: found %s\n", reason, found);
    assert_non_null(strstr(found, reason));
    sv_status_free(status);
    expect_served(0, 1);
}

static void test_config_pbtxt(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"'x' data", "'z' data", "expected inputs that the model has, found 'z'"},
        {"TYPE_FP32 dims: -1", "TYPE_INT8 dims: -1", "output 'y': expected float32"},
        {"dims: 1 }\no", "dims: [1,1] }\no", "input 'x': expected float32[?,1]"},
        {"batch_size: 3", "batch_size: 2", "x.bin: expected 8 bytes, found 12"},
        {"'x.bin'", "'../x.bin'", "model_warmup 'w'"},
        {"'x.bin'", "'none'", "model_warmup 'w'"},
        {"key: 'x'", "key: 'q'", "model_warmup 'w': expected inputs that the model has"},
        {"max_batch_size: 4", "max_batch_size: x", "config.pbtxt:1:17:"},
    };
    sv_served *served;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    repository_model("m/1/model.onnx", 1, 0);
    repository_write("m/warmup/x.bin", "0123456789ab", 12, false);
    repository_write("m/config.pbtxt", good_config, strlen(good_config), false);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    CHECK_OK(sv_store_acquire(store, "m", 1, 0, &served));
    assert_int_equal(served->tuning.max_batch_rows, 4);
    sv_served_unref(served);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_wrong_config(&config, wrong[i][0], wrong[i][1], wrong[i][2]);
    repository_write("m/config.pbtxt", good_config, strlen(good_config), false);
    CHECK_OK(sv_store_sync(store, &config, &sync));
}

/* Whoever gets all requests has nobody beside it: what served before is the last good one. */
static void test_judgement_after_promotion(void **state)
{
    (void)state;
    const sv_guard guard = {.requests = 10, .errors = 0.1, .latency = 2};
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(1);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    answer(0, 100, 0, 1000);
    repository_model("m/2/model.onnx", 2, 0);
    const sv_traffic all = {.share = {{2, 1}}, .count = 1, .guard = guard};
    CHECK_OK(sv_store_set_traffic(store, &config, &all));
    expect_served(0, 2);
    expect_missing(1);
    expect_state(1, SV_VERSION_UNLOADING, "");
    expect_good(1);
    answer(2, 9, 0, 1000);
    assert_true(sv_store_judge(store));
    expect_served(0, 2);
    /* It is as fast as the old one was in its time, at first. */
    answer(2, 10, 0, 4000);
    assert_false(sv_store_judge(store));
    expect_shares(1, "version 2 was taken out of the traffic: its requests took 0.003 ms");
    expect_served(0, 1);
    expect_state(1, SV_VERSION_AVAILABLE, "");
    expect_good(0);
    /* Synchronising changes nothing of it; the same again on request. */
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 1);
    CHECK_OK(sv_store_set_traffic(store, &config, &all));
    expect_good(1);
    answer(2, 9, 1, 1000);
    assert_true(sv_store_judge(store));
    answer(2, 0, 1, 0);
    assert_false(sv_store_judge(store));
    expect_shares(1, "18.2 % of its 11 requests failed, of version 1's 0.0 %");
    expect_served(0, 1);
}

/* A new version that comes by itself, in a new place and in the old one. */
static void test_judgement_after_a_swap(void **state)
{
    (void)state;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    config.traffic.guard = (sv_guard){.requests = 10, .errors = 0.1};
    publish(1);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    assert_false(sv_store_judge(store));
    repository_model("m/2/model.onnx", 2, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 2);
    expect_good(1);
    /* Nothing is known of the old one: its limit stands for itself. */
    answer(2, 0, 10, 0);
    assert_false(sv_store_judge(store));
    expect_shares(0, "100.0 % of its 10 requests failed, at most 10.0 % may");
    expect_served(0, 1);
    expect_missing(2);
    expect_state(2, SV_VERSION_END, "at most 10.0 % may");
    /* It stays out, whoever looks, until its files change or somebody asks for it. */
    CHECK_FAILS(sv_store_sync(store, &config, &sync), SV_CODE_FAILED_PRECONDITION, "version 2");
    expect_served(0, 1);
    sync = (sv_sync){.now = true, .pardon = true};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 2);
    expect_good(1);
    answer(2, 0, 10, 0);
    assert_false(sv_store_judge(store));
    expect_served(0, 1);
    sync = (sv_sync){.now = true};
    repository_model("m/2/model.onnx", 7, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 7);
    /* The same number with another content. */
    answer(2, 20, 0, 1000);
    repository_model("m/2/model.onnx", 8, 0);
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 8);
    answer(2, 0, 20, 0);
    (void)sv_store_judge(store);
    (void)sv_store_judge(store);
    expect_state(2, SV_VERSION_END, "of its 20 requests failed");
    expect_served(0, 1);
}

static void test_judgement_by_absolute_limits(void **state)
{
    (void)state;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(2);
    config.traffic = (sv_traffic){.share = {{2, 9}, {1, 1}},
                                  .count = 2,
                                  .guard = {.requests = 10, .errors = 1, .max_errors = 0.5}};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    /* At a start the lowest number is the last good one, whatever the shares are. */
    expect_good(1);
    answer(1, 0, 10, 0);
    answer(2, 5, 5, 1000);
    assert_true(sv_store_judge(store));
    answer(2, 0, 1, 1000);
    assert_false(sv_store_judge(store));
    expect_shares(1, "version 2 was taken out of the traffic: 54.5 % of its 11 requests failed, "
                     "at most 50.0 % may");
    config.traffic.guard = (sv_guard){.requests = 10, .errors = 1, .max_latency_ms = 1};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    answer(2, 10, 0, 999999);
    assert_true(sv_store_judge(store));
    answer(2, 1, 0, 2000000);
    assert_false(sv_store_judge(store));
    expect_shares(1, "its requests took 1.091 ms on average, at most 1.000 ms are allowed");
}

/* At a start nothing has served before: the next older version on disk stands behind the new. */
static void test_judgement_from_the_start(void **state)
{
    (void)state;
    sv_sync sync = {.now = true};
    sv_model_config config = config_of("m");
    publish(3);
    config.traffic = (sv_traffic){
        .share = {{3, 1}}, .count = 1, .guard = {.requests = 10, .errors = 0.1, .seconds = 600}};
    CHECK_OK(sv_store_sync(store, &config, &sync));
    expect_served(0, 3);
    expect_missing(2);
    expect_good(2);
    answer(3, 0, 10, 0);
    assert_false(sv_store_judge(store));
    expect_served(0, 2);
    expect_shares(1, "version 3");
    /* Nobody is left behind who is taken out of service as a whole. */
    CHECK_OK(sv_store_set_traffic(store, &config, &config.traffic));
    expect_good(2);
    CHECK_OK(sv_store_remove(store, "m"));
    expect_good(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_swap),
        TEST(test_broken_versions),
        TEST(test_files_that_are_being_written),
        TEST(test_an_older_one_is_better_than_none),
        TEST(test_strict_loading),
        TEST(test_labels_and_aliases),
        TEST(test_traffic),
        TEST(test_shadows),
        TEST(test_judgement),
        TEST(test_judgement_after_promotion),
        TEST(test_judgement_after_a_swap),
        TEST(test_judgement_by_absolute_limits),
        TEST(test_judgement_from_the_start),
        TEST(test_removal),
        TEST(test_config_pbtxt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
