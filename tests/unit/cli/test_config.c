/* Configuration files: what becomes of their keys, what is refused and with which words. */
#include "cli/config.h"

#include "support/check.h"
#include <stdio.h>
#include <unistd.h>

enum { OPT_CONFIG, OPT_FLAG, OPT_LIST, OPT_LOG, OPT_NUMBER };

static const sv_option options[] = {
    [OPT_CONFIG] = {SV_CONFIG_OPTION, "FILE", false, "A file"},
    [OPT_FLAG] = {"flag", NULL, false, "A flag"},
    [OPT_LIST] = {"list", "X", true, "Something"},
    [OPT_LOG] = {"log", "FILE", false, "A path"},
    [OPT_NUMBER] = {"number", "N", false, "A number"},
};

static const sv_command_page page = {.options = options, .option_count = 5, .max_operands = 3};
static const sv_command command = {"try", "[PATH]...", "Try", &page};

static sv_arena arena;

static int set_up(void **state)
{
    (void)state;
    sv_arena_init(&arena, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sv_arena_release(&arena);
    return 0;
}

static sv_status parse(const char *text, sv_config *out)
{
    return sv_config_parse(&command, "etc/c.yaml", text, strlen(text), &arena, out);
}

#define REFUSES(text, message)                                                                     \
    CHECK_FAILS(parse(text, &config), SV_CODE_INVALID_ARGUMENT, "etc/c.yaml:" message)

static void test_reads_every_form(void **state)
{
    (void)state;
    sv_config config;
    CHECK_OK(parse("# a comment\n"
                   "models:\n  a: m/a.onnx\n  b: /m/b.onnx\n"
                   "list: [x, 'y z']\nnumber: 4\nflag: true\nlog: out.log\n",
                   &config));
    assert_int_equal(config.models_count, 2);
    assert_string_equal(config.models[0].config.name, "a");
    assert_string_equal(config.models[0].config.path, "etc/m/a.onnx");
    assert_int_equal(config.models[0].line, 3);
    assert_string_equal(config.models[1].config.path, "/m/b.onnx");
    assert_int_equal(config.given_count, 5);
    static const sv_arg expected[] = {
        {OPT_LIST, "x", NULL, 5},  {OPT_LIST, "y z", NULL, 5},        {OPT_NUMBER, "4", NULL, 6},
        {OPT_FLAG, NULL, NULL, 7}, {OPT_LOG, "etc/out.log", NULL, 8},
    };
    for (size_t i = 0; i < 5; i++) {
        const sv_arg *found = &config.given[i];
        assert_int_equal(found->option, expected[i].option);
        assert_int_equal(found->line, expected[i].line);
        assert_string_equal(found->file, "etc/c.yaml");
        if (expected[i].value) assert_string_equal(found->value, expected[i].value);
    }
    assert_null(config.given[3].value);
    CHECK_OK(parse("\xef\xbb\xbf---\nlist: x\nflag: false\nlog: '-'\n...\n", &config));
    assert_int_equal(config.given_count, 2);
    assert_string_equal(config.given[1].value, "-");
    CHECK_OK(parse("{}", &config));
    assert_int_equal(config.given_count + config.models_count, 0);
}

static void test_refuses_wrong_keys_and_types(void **state)
{
    (void)state;
    sv_config config = {.given_count = 77};
    REFUSES(
        "number: 1\nnumbr: 2\n",
        "2: 'numbr': expected 'models' or an option of 'try' without its dashes, found neither");
    REFUSES("config: other.yaml\n", "1: 'config': expected 'models' or an option");
    REFUSES("help: true\n", "1: 'help': expected 'models' or an option");
    REFUSES("number: 1\n\nnumber: 2\n", "3: 'number': expected each key once, found it in line 1");
    REFUSES("number: [1]\n", "1: 'number': expected N, found a list");
    REFUSES("number: {a: 1}\n", "1: 'number': expected N, found a mapping");
    REFUSES("number:\nlist: x\n", "1: 'number': expected N, found nothing");
    REFUSES("number: ~\n", "1: 'number': expected N, found nothing");
    REFUSES("number: null\n", "1: 'number': expected N, found nothing");
    REFUSES("log: ''\n", "1: 'log': expected FILE, found nothing");
    REFUSES("number: \"1\\0\"\n", "1: 'number': expected N, found text with a NUL in it");
    REFUSES("flag: yes\n", "1: 'flag': expected true or false, found 'yes'");
    REFUSES("flag: [true]\n", "1: 'flag': expected true or false, found a list");
    REFUSES("list: []\n", "1: 'list': expected something in the list, found nothing");
    REFUSES("list:\n - x\n - [y]\n", "3: 'list': expected X, found a list");
    REFUSES("list:\n - x\n -\n", "3: 'list': expected X, found nothing");
    REFUSES("[number]: 1\n", "1: expected the name of an option, found a list");
    REFUSES("? {a: 1}\n: 1\n", "1: expected the name of an option, found a mapping");
    REFUSES("- number\n", "1: expected a mapping of options, found a list");
    REFUSES("number\n", "1: expected a mapping of options, found 'number'");
    REFUSES("", "1: expected a mapping of options, found nothing");
    REFUSES("# only this\n", "2: expected a mapping of options, found nothing");
    REFUSES("---\n", "2: expected a mapping of options, found nothing");
    assert_int_equal(config.given_count, 77);
}

static void test_refuses_wrong_models(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("models: a.onnx\n",
            "1: 'models': expected a mapping from NAME to PATH, found 'a.onnx'");
    REFUSES("models: [a.onnx]\n",
            "1: 'models': expected a mapping from NAME to PATH, found a list");
    REFUSES("models:\n", "1: 'models': expected a mapping from NAME to PATH, found nothing");
    REFUSES("models: {}\n", "1: 'models': expected NAME: PATH, found nothing");
    REFUSES("models:\n  a: [b]\n", "2: 'models.a': expected PATH, found a list");
    REFUSES("models:\n  a:\n", "2: 'models.a': expected PATH, found nothing");
    REFUSES("models:\n  a/b: c\n", "2: 'models.a/b': expected a name of at most 128 letters");
    REFUSES("models:\n  a: x\n  a: y\n",
            "3: 'models.a': expected each name once, found it in line 2 as well");
    REFUSES("models: {a: x, b: x, c: x, d: x}\n",
            "1: 'models.d': expected at most 3 models, found more");
    REFUSES("models: {a: x}\nmodels: {b: x}\n", "2: 'models': expected each key once");
}

static void test_models_that_say_more(void **state)
{
    (void)state;
    sv_config config;
    CHECK_OK(parse("models:\n  a:\n    path: m/a\n    versions: [3, 1]\n"
                   "    labels: {stable: 1, canary: 3}\n    aliases: [old, older]\n"
                   "  b: {path: b, versions: all}\n  c: {path: c, latest: 2}\n",
                   &config));
    assert_int_equal(config.models_count, 3);
    const sv_model_config *a = &config.models[0].config;
    assert_string_equal(a->path, "etc/m/a");
    assert_int_equal(a->policy.kind, SV_POLICY_SPECIFIC);
    assert_true(a->policy_given);
    assert_int_equal(a->policy.count, 2);
    assert_int_equal(a->policy.number[0], 3);
    assert_int_equal(a->label_count, 2);
    assert_string_equal(a->label[1].name, "canary");
    assert_int_equal(a->label[1].number, 3);
    assert_int_equal(a->alias_count, 2);
    assert_string_equal(a->alias[0], "old");
    assert_int_equal(config.models[1].config.policy.kind, SV_POLICY_ALL);
    assert_int_equal(config.models[2].config.policy.latest, 2);
    CHECK_OK(parse("models: {a: {path: x, traffic: {1: 90, 2: 10}, shadow: 3,\n"
                   "  guard: {requests: 50, errors: 0.1, latency: 2.5, max_errors: 0.5,\n"
                   "    max_latency_ms: 20, seconds: 60}}, b: {path: y, guard: {}}}\n",
                   &config));
    const sv_traffic *traffic = &config.models[0].config.traffic;
    assert_int_equal(traffic->count, 2);
    assert_int_equal(traffic->share[1].number, 2);
    assert_int_equal(traffic->share[1].weight, 10);
    assert_int_equal(traffic->shadow, 3);
    assert_int_equal(traffic->guard.requests, 50);
    assert_true(traffic->guard.errors == 0.1 && traffic->guard.latency == 2.5);
    assert_true(traffic->guard.max_errors == 0.5 && traffic->guard.max_latency_ms == 20);
    assert_int_equal(traffic->guard.seconds, 60);
    assert_int_equal(config.models[1].config.traffic.guard.requests, 100);
    assert_int_equal(config.models[1].config.traffic.guard.seconds, 600);
    CHECK_OK(parse("models: {a: {path: x, versions: latest}}\n", &config));
    assert_int_equal(config.models[0].config.policy.kind, SV_POLICY_LATEST);
    assert_true(config.models[0].config.policy_given);
}

static void test_reads_scheduling(void **state)
{
    (void)state;
    sv_config config;
    CHECK_OK(parse("models:\n"
                   "  a:\n"
                   "    path: x\n"
                   "    max_batch_size: 16\n"
                   "    preferred_batch_size: [4, 8]\n"
                   "    max_queue_delay_microseconds: 500\n"
                   "    max_queue_size: 32\n"
                   "    instances: 2\n"
                   "    max_requests: 64\n"
                   "    priority_levels: 3\n"
                   "    default_priority_level: 2\n"
                   "    default_timeout_microseconds: 7000\n"
                   "    timeout_action: delay\n"
                   "    allow_timeout_override: false\n"
                   "    preserve_ordering: true\n"
                   "    pad_variable_length_inputs: [sequence, width]\n"
                   "    pad_values: {ids: 1, mask: -0.5}\n"
                   "    pad_bucket: 8\n"
                   "  b: {path: x, latency_target_ms: 2.5, max_batch_size: 0}\n"
                   "  c: {path: x, preferred_batch_size: 4}\n",
                   &config));
    const sv_tuning *a = &config.models[0].config.tuning;
    assert_true(a->max_batch_rows == 16 && a->preferred_count == 2 && a->preferred[1] == 8);
    assert_true(a->max_queue_delay_us == 500 && a->policy.max_size == 32 && a->instances == 2);
    assert_true(a->max_requests == 64 && a->priority_levels == 3 && a->default_priority == 2);
    assert_true(a->policy.timeout_us == 7000 && a->policy.delays && a->policy.fixed);
    assert_true(a->batching && !a->no_batching && a->preserve_ordering);
    assert_true(a->pad.on && a->pad.dims == 2 && a->pad.bucket == 8 && a->pad.values == 2);
    assert_string_equal(a->pad.dim[1], "width");
    assert_string_equal(a->pad.value[1].input, "mask");
    assert_true(a->pad.value[1].value == -0.5);
    assert_int_equal(a->given, ((1u << SV_TUNING_FIELDS) - 1) & ~(1u << SV_TUNING_TARGET));
    const sv_tuning *b = &config.models[1].config.tuning;
    assert_true(b->latency_target_us == 2500 && b->no_batching);
    assert_int_equal(config.models[2].config.tuning.preferred[0], 4);
    CHECK_OK(parse("models: {a: {path: x}}\n", &config));
    assert_int_equal(config.models[0].config.tuning.given, 0);
    CHECK_OK(parse("models: {a: {path: x, pad_variable_length_inputs: true}}\n", &config));
    const sv_tuning *d = &config.models[0].config.tuning;
    assert_true(d->pad.on && d->batching && d->pad.dims == 0);
}

static void test_refuses_wrong_scheduling(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("models: {a: {path: x, instances: 0}}\n",
            "1: 'models.a': expected a larger number, found '0'");
    REFUSES("models: {a: {path: x, instances: 1, instances: 2}}\n",
            "1: 'models.a': expected each key once");
    REFUSES("models: {a: {path: x, max_batch_size: -1}}\n",
            "1: 'models.a': expected a whole number, found '-1'");
    REFUSES("models: {a: {path: x, max_queue_size: 99999999}}\n",
            "1: 'models.a': expected a smaller number");
    REFUSES("models: {a: {path: x, timeout_action: drop}}\n",
            "1: 'models.a': expected reject or delay");
    REFUSES("models: {a: {path: x, latency_target_ms: fast}}\n",
            "1: 'models.a': expected milliseconds");
    REFUSES("models: {a: {path: x, preferred_batch_size: [1, x]}}\n",
            "1: 'models.a': expected a whole number");
    REFUSES("models: {a: {path: x, preferred_batch_size: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}\n",
            "1: 'models.a': expected at most 16 preferred sizes");
}

static void test_refuses_wrong_padding(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("models: {a: {path: x, pad_variable_length_inputs: yes}}\n",
            "1: 'models.a': expected true, false or a list of dimensions, found 'yes'");
    REFUSES("models: {a: {path: x, pad_variable_length_inputs: []}}\n",
            "1: 'models.a': expected the name of a dimension");
    REFUSES("models: {a: {path: x, pad_variable_length_inputs: [a,b,c,d,e,f,g,h,i]}}\n",
            "1: 'models.a': expected at most 8 dimensions");
    REFUSES("models: {a: {path: x, pad_values: 1}}\n",
            "1: 'models.a': expected a mapping from inputs to numbers");
    REFUSES("models: {a: {path: x, pad_values: {ids: one}}}\n",
            "1: 'models.a': expected a number to pad with, found 'one'");
    REFUSES("models: {a: {path: x, pad_bucket: 0}}\n",
            "1: 'models.a': expected a larger number, found '0'");
    REFUSES("models: {a: {path: x, pad_bucket: 5000}}\n",
            "1: 'models.a': expected a smaller number");
}

static void test_refuses_wrong_mappings(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("models: {a: {}}\n", "1: 'models.a': expected a path, found none");
    REFUSES("models:\n  a:\n    pth: x\n",
            "3: 'models.a': expected aliases, guard, labels, latest, path, shadow, "
            "traffic, versions or a key of scheduling, found 'pth'");
    REFUSES("models: {a: {path: x, path: y}}\n", "1: 'models.a': expected each key once");
    REFUSES("models: {a: {path: x, versions: some}}\n",
            "1: 'models.a': expected latest, all or a list of versions, found 'some'");
    REFUSES("models: {a: {path: x, versions: []}}\n", "1: 'models.a': expected a version");
    REFUSES("models: {a: {path: x, versions: [0]}}\n", "1: 'models.a': expected a version");
    REFUSES("models: {a: {path: x, versions: [1, x]}}\n",
            "1: 'models.a': expected a version, found 'x'");
    REFUSES("models: {a: {path: x, versions: all, latest: 2}}\n",
            "1: 'models.a': expected either latest or versions, found both");
    REFUSES("models: {a: {path: x, latest: 99999999999}}\n",
            "1: 'models.a': expected a number of versions");
    REFUSES("models: {a: {path: x, labels: [b]}}\n",
            "1: 'models.a': expected a mapping from labels to versions, found a list");
    REFUSES("models: {a: {path: x, labels: {s: 1, s: 2}}}\n",
            "1: 'models.a': expected each label once, found one twice");
    REFUSES("models: {a: {path: x, labels: {s: {t: 1}}}}\n",
            "1: 'models.a': expected a version, found a mapping");
    REFUSES("models: {a: {path: x, traffic: {}}}\n", "1: 'models.a': expected a version");
    REFUSES("models: {a: {path: x, traffic: {1: 0}}}\n",
            "1: 'models.a': expected a share of at least 1, found '0'");
    REFUSES("models: {a: {path: x, traffic: {1: 1, 1: 2}}}\n",
            "1: 'models.a': expected each version once");
    REFUSES("models: {a: {path: x, traffic: {1: 10001}}}\n",
            "1: 'models.a': expected a share of at most 10000");
    REFUSES("models: {a: {path: x, shadow: x}}\n", "1: 'models.a': expected a version");
    REFUSES("models: {a: {path: x, guard: {errors: 2}}}\n",
            "1: 'models.a': expected a number from 0 to 1, found '2'");
    REFUSES(
        "models: {a: {path: x, guard: {speed: 2}}}\n",
        "1: 'models.a': expected errors, latency, max_errors, max_latency_ms, requests or seconds, "
        "found 'speed'");
    REFUSES("models: {a: {path: x, aliases: [a/b]}}\n",
            "1: 'models.a': expected a name of at most 128 letters");
}

static void test_refuses_what_hides_meaning(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("number: &a 1\n", "1: 'number': expected a value, found an anchor (&)");
    REFUSES("&a number: 1\n", "1: expected a value, found an anchor (&)");
    REFUSES("list: &a [x]\n", "1: 'list': expected a value, found an anchor (&)");
    REFUSES("number: *a\n", "1: 'number': expected a value, found an alias (*)");
    REFUSES("number: !!int 1\n", "1: 'number': expected a value, found a tag (!)");
    REFUSES("number: ! 1\n", "1: 'number': expected a value, found a tag (!)");
    REFUSES("!x\nnumber: 1\n", "1: expected a value, found a tag (!)");
    REFUSES("%TAG ! tag:x,2000:\n---\nnumber: 1\n", "1: expected no directives, found %TAG");
    REFUSES("<<: {number: 1}\n", "1: '<<': expected 'models' or an option");
    REFUSES("number: 1\n---\nlist: x\n", "2: expected one document, found another");
}

static void test_refuses_what_is_no_yaml(void **state)
{
    (void)state;
    sv_config config;
    REFUSES("number: 1\nlist: [x\n", "3: expected YAML in UTF-8, found an error in it: ");
    REFUSES("number: 1\n\tlist: x\n", "2: expected YAML in UTF-8, found an error in it: ");
    REFUSES("list: a: b\n", "1: expected YAML in UTF-8, found an error in it: ");
    REFUSES("number: 1\nlist: \xff\n", "2: expected YAML in UTF-8, found an error in it: ");
    REFUSES("number: 1\n\nlist: \x01\n", "3: expected YAML in UTF-8, found an error in it: ");
    CHECK_FAILS(sv_config_parse(&command, "c", "\xff\xfe{\0}\0", 6, &arena, &config),
                SV_CODE_INVALID_ARGUMENT, "c:1: expected YAML in UTF-8, found UTF-16");
    CHECK_FAILS(sv_config_parse(&command, "c", NULL, 0, &arena, &config), SV_CODE_INVALID_ARGUMENT,
                "c:1: expected a mapping");
}

static void test_refuses_depth_and_size(void **state)
{
    (void)state;
    sv_config config;
    size_t size = (size_t)1 << 20;
    char *text = malloc(size + 2);
    assert_non_null(text);
    memset(text, '[', size + 1);
    text[size + 1] = '\0';
    CHECK_FAILS(parse(text, &config), SV_CODE_INVALID_ARGUMENT,
                "etc/c.yaml: expected at most 1048576 bytes, found 1048577");
    memcpy(text, "number: ", 8);
    text[size] = '\0';
    REFUSES(text, "1: ");
    text[0] = ' '; /* one plain scalar, as long as the file may be */
    memset(text + 1, 'x', size - 1);
    REFUSES(text, "1: expected a mapping of options, found 'xxxx");
    free(text);
}

static void test_refuses_files(void **state)
{
    (void)state;
    sv_config config;
    char path[] = "config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    CHECK_FAILS(sv_config_read(&command, path, &arena, &config), SV_CODE_INVALID_ARGUMENT,
                "expected at most 1048576 bytes, found 1048577");
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(write(fd, "log: a\n", 7), 7);
    CHECK_OK(sv_config_read(&command, path, &arena, &config));
    assert_string_equal(config.given[0].value, "./a");
    close(fd);
    unlink(path);
    CHECK_FAILS(sv_config_read(&command, path, &arena, &config), SV_CODE_NOT_FOUND, path);
}

static void test_merge_prefers_the_command_line(void **state)
{
    (void)state;
    sv_config config;
    sv_arg given[8];
    const char *operands[8];
    const char *const line[] = {"--list", "c", "--number=7"};
    sv_args args, merged;
    uint64_t number;
    CHECK_OK(parse("list: [a, b]\nnumber: 1\nflag: true\nlog: x\n", &config));
    CHECK_OK(sv_args_parse(&command, 3, line, given, operands, &args));
    CHECK_OK(sv_config_merge(&args, &config, &arena, &merged));
    size_t at = 0;
    assert_string_equal(sv_args_next(&merged, OPT_LIST, &at), "c");
    assert_null(sv_args_next(&merged, OPT_LIST, &at));
    CHECK_OK(sv_args_u64(&merged, OPT_NUMBER, 1, 10, 0, &number));
    assert_int_equal(number, 7);
    assert_true(sv_args_has(&merged, OPT_FLAG));
    assert_string_equal(sv_args_value(&merged, OPT_LOG), "etc/x");
}

static void test_values_are_refused_where_they_stand(void **state)
{
    (void)state;
    sv_config config;
    sv_args none = {.command = &command}, merged;
    uint64_t number;
    double real;
    CHECK_OK(parse("\nnumber: 4x\n", &config));
    CHECK_OK(sv_config_merge(&none, &config, &arena, &merged));
    CHECK_FAILS(sv_args_u64(&merged, OPT_NUMBER, 1, 9, 0, &number), SV_CODE_INVALID_ARGUMENT,
                "etc/c.yaml:2: 'number': expected a whole number from 1 to 9, found '4x'");
    CHECK_FAILS(sv_args_f64(&merged, OPT_NUMBER, 1, 9, 0, &real), SV_CODE_INVALID_ARGUMENT,
                "etc/c.yaml:2: 'number': expected a number from 1 to 9, found '4x'");
    CHECK_FAILS(sv_args_bytes(&merged, OPT_NUMBER, 1, 9, 0, &number), SV_CODE_INVALID_ARGUMENT,
                "etc/c.yaml:2: 'number': expected bytes from 1 to 9");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_every_form),
        TEST(test_refuses_wrong_keys_and_types),
        TEST(test_refuses_wrong_models),
        TEST(test_models_that_say_more),
        TEST(test_reads_scheduling),
        TEST(test_refuses_wrong_scheduling),
        TEST(test_refuses_wrong_padding),
        TEST(test_refuses_wrong_mappings),
        TEST(test_refuses_what_hides_meaning),
        TEST(test_refuses_what_is_no_yaml),
        TEST(test_refuses_depth_and_size),
        TEST(test_refuses_files),
        TEST(test_merge_prefers_the_command_line),
        TEST(test_values_are_refused_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
