/* The keeper: jobs, polling, and readers that go on while versions come and go. */
#include "store/keeper.h"

#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include "repository.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READERS 4
#define SWAPS 12
#define PATIENCE_NS UINT64_C(30000000000)

static sv_runtime *runtime;
static sv_store *store;
static sv_keeper *keeper;
static _Atomic int rereads;
static atomic_bool refuses;
static const char *root; /* of models that are brought; NULL: none are */
static atomic_bool lists_nothing;

static int set_up(void **state)
{
    (void)state;
    CHECK_OK(sv_runtime_create(NULL, &runtime));
    CHECK_OK(sv_store_create(runtime, &store));
    keeper = NULL;
    rereads = 0;
    refuses = lists_nothing = false;
    root = NULL;
    return repository_set_up(state);
}

static int tear_down(void **state)
{
    sv_keeper_destroy(keeper);
    sv_store_destroy(store);
    sv_runtime_destroy(runtime);
    return repository_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* What the keeper is to keep: everything in the repository. */
static sv_status read_all(void *self, bool again, sv_model_configs *out)
{
    static const sv_model_config like;
    (void)self;
    rereads += again;
    if (refuses) return sv_error_invalid("refused");
    return lists_nothing ? SV_OK : sv_repository_read(repository, &like, out);
}

static sv_status start(uint32_t poll_ms)
{
    sv_keeper_options options = {
        .store = store, .read = read_all, .root = root, .poll_ms = poll_ms};
    return sv_keeper_create(&options, &keeper);
}

typedef struct waiting_job {
    sv_keeper_job job;
    sv_status status;
    _Atomic uint32_t done;
} waiting_job;

static void job_done(sv_keeper_job *job, sv_status status)
{
    waiting_job *w = job->user;
    w->status = status;
    atomic_store(&w->done, 1);
    sv_futex_wake(&w->done, 1);
}

/* With what `like` says besides. */
static sv_status ask_like(sv_keeper_verb verb, const char *name, const sv_keeper_job *like)
{
    waiting_job w = {.job = *like};
    w.job.verb = verb;
    w.job.done = job_done;
    w.job.user = &w;
    snprintf(w.job.name, sizeof w.job.name, "%s", name);
    sv_keeper_post(keeper, &w.job);
    while (!atomic_load(&w.done))
        sv_futex_wait(&w.done, 0);
    return w.status;
}

static sv_status ask(sv_keeper_verb verb, const char *name)
{
    return ask_like(verb, name, &(sv_keeper_job){.version = 0});
}

/* The highest version of a model; 0: it is not served. */
static int64_t highest(const char *name)
{
    sv_served *served = NULL;
    sv_status_free(sv_store_acquire(store, name, strlen(name), 0, &served));
    int64_t number = served ? served->number : 0;
    sv_served_unref(served);
    return number;
}

static void wait_for(const char *name, int64_t number)
{
    uint64_t end = sv_clock_ns() + PATIENCE_NS;
    while (highest(name) != number) {
        if (sv_clock_ns() > end) fail_msg("%s does not become %lld", name, (long long)number);
        sv_clock_sleep(2000000);
    }
}

static void test_jobs(void **state)
{
    (void)state;
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(start(0));
    assert_int_equal(highest("m"), 1);
    repository_model("m/2/model.onnx", 2, 0);
    repository_model("n/5/model.onnx", 5, 0);
    CHECK_OK(ask(SV_KEEPER_LOAD, "m"));
    assert_int_equal(highest("m"), 2);
    assert_int_equal(highest("n"), 0);
    CHECK_OK(ask(SV_KEEPER_LOAD, "n"));
    assert_int_equal(highest("n"), 5);
    CHECK_OK(ask(SV_KEEPER_UNLOAD, "n"));
    assert_int_equal(highest("n"), 0);
    CHECK_FAILS(ask(SV_KEEPER_UNLOAD, "n"), SV_CODE_NOT_FOUND, "'n'");
    CHECK_FAILS(ask(SV_KEEPER_LOAD, "x"), SV_CODE_NOT_FOUND, "'x'");
    repository_model("m/3/model.onnx", 3, 9);
    CHECK_FAILS(ask(SV_KEEPER_LOAD, "m"), SV_CODE_INVALID_ARGUMENT, "m/3/model.onnx");
    assert_int_equal(highest("m"), 2);
    /* What was unloaded by hand rests; what went from the disk goes. */
    repository_remove("m");
    CHECK_OK(ask(SV_KEEPER_REREAD, ""));
    assert_int_equal(rereads, 1);
    assert_int_equal(highest("m"), 0);
    assert_int_equal(highest("n"), 0);
    CHECK_OK(ask(SV_KEEPER_LOAD, "n"));
    refuses = true;
    CHECK_FAILS(ask(SV_KEEPER_REREAD, ""), SV_CODE_INVALID_ARGUMENT, "refused");
    assert_int_equal(highest("n"), 5);
}

/* Asks for `config` and `more`, which may be NULL. */
static sv_status choose(const sv_model_config *config, const sv_model_config *more)
{
    waiting_job w = {.job = {.verb = SV_KEEPER_CHOOSE, .done = job_done}};
    w.job.user = &w;
    sv_model_configs_init(&w.job.chosen);
    if (config) CHECK_OK(sv_model_configs_add(&w.job.chosen, config));
    if (more) CHECK_OK(sv_model_configs_add(&w.job.chosen, more));
    sv_keeper_post(keeper, &w.job);
    while (!atomic_load(&w.done))
        sv_futex_wait(&w.done, 0);
    sv_model_configs_release(&w.job.chosen);
    return w.status;
}

static void test_choices(void **state)
{
    (void)state;
    const int64_t first[] = {1};
    const sv_version_label stable = {"stable", 1};
    sv_served *served;
    for (int i = 1; i <= 2; i++) {
        repository_model(i == 1 ? "m/1/model.onnx" : "m/2/model.onnx", (float)i, 0);
        repository_model(i == 1 ? "n/1/model.onnx" : "n/2/model.onnx", (float)i, 0);
    }
    CHECK_OK(start(0));
    sv_model_config m = {.name = "m",
                         .path = "",
                         .policy = {.kind = SV_POLICY_SPECIFIC, .number = first, .count = 1},
                         .policy_given = true,
                         .label = &stable,
                         .label_count = 1};
    const sv_model_config n = {.name = "n", .path = repository_path("n/")};
    const sv_model_config elsewhere = {.name = "n", .path = "/etc"};
    const sv_model_config other = {.name = "other", .path = ""};
    CHECK_FAILS(choose(&m, &elsewhere), SV_CODE_PERMISSION_DENIED, "/etc");
    CHECK_FAILS(choose(&m, &other), SV_CODE_NOT_FOUND, "'other'");
    assert_int_equal(highest("m"), 2);
    CHECK_OK(choose(&m, NULL));
    assert_int_equal(highest("m"), 1);
    assert_int_equal(highest("n"), 0);
    CHECK_OK(sv_store_acquire_label(store, "m", 1, (sv_string){"stable", 6}, &served));
    sv_served_unref(served);
    /* It holds when the files are looked at again, and until another choice. */
    CHECK_OK(ask(SV_KEEPER_LOAD, "m"));
    assert_int_equal(highest("m"), 1);
    m.policy_given = false;
    CHECK_OK(choose(&n, &m));
    assert_int_equal(highest("m"), 2);
    assert_int_equal(highest("n"), 2);
    m.policy_given = true;
    CHECK_OK(choose(&n, &m));
    assert_int_equal(highest("m"), 1);
    CHECK_OK(ask(SV_KEEPER_REREAD, ""));
    assert_int_equal(highest("m"), 2);
    refuses = true;
    CHECK_FAILS(choose(&m, NULL), SV_CODE_INVALID_ARGUMENT, "refused");
    refuses = false;
    assert_int_equal(highest("n"), 2);
    CHECK_OK(choose(NULL, NULL));
    assert_int_equal(highest("m"), 0);
    assert_int_equal(highest("n"), 0);
}

static void test_choices_name_places(void **state)
{
    (void)state;
    char link[80], path[96];
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(start(0));
    snprintf(link, sizeof link, "%s.link", repository);
    assert_int_equal(symlink(repository, link), 0);
    snprintf(path, sizeof path, "%s/./m", link);
    const sv_model_config m = {.name = "m", .path = path}, other = {.name = "other", .path = path};
    sv_status same = choose(&m, NULL), renamed = choose(&other, NULL);
    unlink(link);
    CHECK_OK(same);
    CHECK_FAILS(renamed, SV_CODE_NOT_FOUND, "expected 'm', which is the name of");
    assert_int_equal(highest("m"), 1);
}

static sv_status unload_version(const char *name, int64_t number)
{
    return ask_like(SV_KEEPER_UNLOAD_VERSION, name, &(sv_keeper_job){.version = number});
}

static size_t versions_of(const char *name)
{
    int64_t number;
    return sv_store_versions(store, name, strlen(name), &number, 1);
}

static sv_status promote(const char *name, int64_t number)
{
    const sv_keeper_job job = {.traffic = {.share = {{number, 1}}, .count = 1}};
    return ask_like(SV_KEEPER_TRAFFIC, name, &job);
}

static void test_versions_are_unloaded_one_by_one(void **state)
{
    (void)state;
    static const char *const files[] = {"m/config.pbtxt", "m/1/model.onnx", "m/2/model.onnx",
                                        "m/3/model.onnx"};
    static const char policy[] = "version_policy { latest { num_versions: 2 } }";
    repository_write(files[0], policy, sizeof policy - 1, false);
    for (int i = 1; i <= 3; i++)
        repository_model(files[i], (float)i, 0);
    CHECK_OK(start(0));
    assert_int_equal(versions_of("m"), 2);
    CHECK_FAILS(unload_version("m", 3), SV_CODE_INVALID_ARGUMENT, "the default one");
    CHECK_FAILS(unload_version("m", 1), SV_CODE_NOT_FOUND, "found 1");
    CHECK_FAILS(unload_version("x", 1), SV_CODE_NOT_FOUND, "'x'");
    /* It stays away, and none comes in its place. */
    CHECK_OK(unload_version("m", 2));
    assert_int_equal(versions_of("m"), 1);
    CHECK_OK(ask(SV_KEEPER_REREAD, ""));
    assert_int_equal(versions_of("m"), 1);
    CHECK_OK(ask(SV_KEEPER_REGISTER, "m"));
    assert_int_equal(versions_of("m"), 2);
    CHECK_FAILS(ask(SV_KEEPER_REGISTER, "m"), SV_CODE_ALREADY_EXISTS, "all in service");
    CHECK_OK(unload_version("m", 2));
    CHECK_OK(ask(SV_KEEPER_LOAD, "m"));
    assert_int_equal(versions_of("m"), 2);
    /* The default is what the traffic says. */
    CHECK_OK(promote("m", 2));
    assert_int_equal(sv_store_default(store, "m", 1), 2);
    CHECK_FAILS(unload_version("m", 2), SV_CODE_INVALID_ARGUMENT, "found 2");
    CHECK_OK(unload_version("m", 3));
    assert_int_equal(versions_of("m"), 1);
    /* Traffic brings it back, but not where it fails. */
    CHECK_FAILS(promote("m", 9), SV_CODE_NOT_FOUND, "");
    assert_int_equal(versions_of("m"), 1);
    CHECK_OK(promote("m", 3));
    assert_int_equal(versions_of("m"), 2);
    repository_model("m/4/model.onnx", 4, 0);
    CHECK_OK(ask(SV_KEEPER_REGISTER, "m"));
    assert_int_equal(highest("m"), 3);
    assert_int_equal(versions_of("m"), 2);
}

static uint32_t instances_of(const char *name)
{
    sv_served *served = NULL;
    CHECK_OK(sv_store_acquire(store, name, strlen(name), 0, &served));
    uint32_t instances = served->tuning.instances;
    sv_served_unref(served);
    return instances;
}

static void test_runs_are_arranged_by_call(void **state)
{
    (void)state;
    const sv_tuning two = {.given = 1u << SV_TUNING_INSTANCES, .instances = 2};
    const sv_tuning wrong = {.given = 1u << SV_TUNING_DEFAULT_LEVEL, .default_priority = 9};
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(start(0));
    assert_int_equal(instances_of("m"), 0);
    CHECK_OK(ask_like(SV_KEEPER_TUNE, "m", &(sv_keeper_job){.tuning = &two}));
    assert_int_equal(instances_of("m"), 2);
    CHECK_FAILS(ask_like(SV_KEEPER_TUNE, "m", &(sv_keeper_job){.tuning = &wrong}),
                SV_CODE_INVALID_ARGUMENT, "priority");
    CHECK_FAILS(ask_like(SV_KEEPER_TUNE, "x", &(sv_keeper_job){.tuning = &two}), SV_CODE_NOT_FOUND,
                "'x'");
    CHECK_OK(ask(SV_KEEPER_LOAD, "m"));
    assert_int_equal(instances_of("m"), 2);
    CHECK_OK(ask(SV_KEEPER_UNLOAD, "m"));
    CHECK_OK(ask(SV_KEEPER_REGISTER, "m"));
    assert_int_equal(instances_of("m"), 0);
    CHECK_OK(ask(SV_KEEPER_UNLOAD, "m"));
    /* What fails leaves it where it was: at rest. */
    CHECK_FAILS(ask_like(SV_KEEPER_REGISTER, "m", &(sv_keeper_job){.tuning = &wrong}),
                SV_CODE_INVALID_ARGUMENT, "priority");
    assert_int_equal(highest("m"), 0);
    CHECK_OK(ask_like(SV_KEEPER_REGISTER, "m", &(sv_keeper_job){.tuning = &two}));
    assert_int_equal(instances_of("m"), 2);
}

static sv_status bring(const char *name, const char *path)
{
    return ask_like(SV_KEEPER_BRING, name, &(sv_keeper_job){.path = repository_path(path)});
}

static void test_models_are_brought_from_beneath_the_root(void **state)
{
    (void)state;
    char away[96];
    repository_model("a/model/model.onnx", 1, 0);
    repository_model("b/model/3/model.onnx", 3, 0);
    repository_model("c/model/model.onnx", 1, 9);
    lists_nothing = true;
    root = repository;
    CHECK_OK(start(0));
    CHECK_OK(bring("a", "a/model"));
    CHECK_OK(bring("hash-of-b", "b"));
    assert_int_equal(highest("a"), 1);
    assert_int_equal(highest("hash-of-b"), 3);
    CHECK_FAILS(bring("a", "a/model"), SV_CODE_ALREADY_EXISTS, "'a'");
    CHECK_FAILS(bring("c", "c/model"), SV_CODE_INVALID_ARGUMENT, "c/model/model.onnx");
    CHECK_FAILS(bring("d", "d/model"), SV_CODE_NOT_FOUND, "d/model");
    CHECK_FAILS(bring("d", ""), SV_CODE_PERMISSION_DENIED, "beneath");
    CHECK_FAILS(bring("d", "a/../../../etc"), SV_CODE_PERMISSION_DENIED, "beneath");
    snprintf(away, sizeof away, "%s/away", repository);
    assert_int_equal(symlink("/etc", away), 0);
    CHECK_FAILS(bring("d", "away"), SV_CODE_PERMISSION_DENIED, "beneath");
    /* What could not be brought is not known; what was, stays when the configuration is read. */
    assert_int_equal(sv_store_count(store), 2);
    CHECK_FAILS(ask(SV_KEEPER_LOAD, "c"), SV_CODE_NOT_FOUND, "'c'");
    CHECK_OK(ask(SV_KEEPER_REREAD, ""));
    assert_int_equal(sv_store_count(store), 2);
    CHECK_OK(ask(SV_KEEPER_UNLOAD, "a"));
    assert_int_equal(highest("a"), 0);
    CHECK_FAILS(ask(SV_KEEPER_LOAD, "a"), SV_CODE_NOT_FOUND, "'a'");
    repository_remove("a");
    repository_model("a/model/7/model.onnx", 7, 0);
    CHECK_OK(bring("a", "a/model"));
    assert_int_equal(highest("a"), 7);
    root = NULL;
}

static void test_nothing_is_brought_without_a_root(void **state)
{
    (void)state;
    repository_model("a/model/model.onnx", 1, 0);
    lists_nothing = true;
    CHECK_OK(start(0));
    CHECK_FAILS(bring("a", "a/model"), SV_CODE_PERMISSION_DENIED, "the configuration names");
}

static void test_start_is_strict_unless_it_polls(void **state)
{
    (void)state;
    repository_model("m/1/model.onnx", 1, 7);
    CHECK_FAILS(start(0), SV_CODE_INVALID_ARGUMENT, "m/1/model.onnx");
    CHECK_OK(start(20));
    assert_int_equal(highest("m"), 0);
    repository_model("m/1/model.onnx", 1, 0);
    wait_for("m", 1);
}

static void test_polling(void **state)
{
    (void)state;
    CHECK_OK(start(20));
    repository_model("m/1/model.onnx", 1, 0);
    wait_for("m", 1);
    repository_model("m/2/model.onnx", 2, 0);
    wait_for("m", 2);
    repository_model("flat.onnx", 3, 0);
    wait_for("flat", 1);
    CHECK_OK(ask(SV_KEEPER_UNLOAD, "m"));
    repository_remove("flat.onnx");
    wait_for("flat", 0);
    assert_int_equal(highest("m"), 0);
    sv_keeper_reread(keeper);
    uint64_t end = sv_clock_ns() + PATIENCE_NS;
    while (!rereads && sv_clock_ns() < end)
        sv_clock_sleep(2000000);
    assert_int_equal(rereads, 1);
}

typedef struct reader {
    pthread_t thread;
    atomic_bool *stop;
    uint64_t runs, failures;
} reader;

/* Each answer is the number of the version that gave it. */
static void *read_on(void *argument)
{
    reader *r = argument;
    while (!atomic_load(r->stop)) {
        sv_served *served = NULL;
        sv_status status = sv_store_acquire(store, "m", 1, 0, &served);
        if (status != SV_OK || repository_answer(served) != (float)served->number) r->failures++;
        r->runs++;
        sv_served_unref(served);
        sv_status_free(status);
    }
    return NULL;
}

static void test_readers_go_on(void **state)
{
    (void)state;
    reader readers[READERS] = {{.runs = 0}};
    atomic_bool stop = false;
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(start(10));
    for (int i = 0; i < READERS; i++) {
        readers[i].stop = &stop;
        CHECK_OK(sv_thread_start(&readers[i].thread, "reader", read_on, &readers[i]));
    }
    for (int number = 2; number < 2 + SWAPS; number++) {
        char name[64];
        snprintf(name, sizeof name, "m/%d/model.onnx", number);
        repository_model(name, (float)number, 0);
        wait_for("m", number);
        snprintf(name, sizeof name, "m/%d", number - 1);
        repository_remove(name);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].failures, 0);
        assert_true(readers[i].runs > 0);
    }
}

static void test_jobs_end_with_the_keeper(void **state)
{
    (void)state;
    waiting_job jobs[8];
    repository_model("m/1/model.onnx", 1, 0);
    CHECK_OK(start(0));
    for (int i = 0; i < 8; i++) {
        jobs[i] = (waiting_job){.job = {.verb = SV_KEEPER_LOAD, .name = "m", .done = job_done}};
        jobs[i].job.user = &jobs[i];
        sv_keeper_post(keeper, &jobs[i].job);
    }
    sv_keeper_destroy(keeper);
    keeper = NULL;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(jobs[i].done, 1);
        sv_code code = sv_status_code(jobs[i].status);
        assert_true(code == SV_CODE_OK || code == SV_CODE_CANCELLED);
        sv_status_free(jobs[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_jobs),
        TEST(test_choices),
        TEST(test_choices_name_places),
        TEST(test_versions_are_unloaded_one_by_one),
        TEST(test_runs_are_arranged_by_call),
        TEST(test_models_are_brought_from_beneath_the_root),
        TEST(test_nothing_is_brought_without_a_root),
        TEST(test_start_is_strict_unless_it_polls),
        TEST(test_polling),
        TEST(test_readers_go_on),
        TEST(test_jobs_end_with_the_keeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
