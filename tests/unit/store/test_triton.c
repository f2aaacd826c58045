/* config.pbtxt: what is taken from it, what is warned of, what is refused and where. */
#include "store/triton.h"

#include "support/check.h"

static sv_layout layout;
static sv_triton_config config;

static int set_up(void **state)
{
    (void)state;
    layout = (sv_layout){.count = 0};
    config = (sv_triton_config){.signature = 0};
    sv_arena_init(&layout.arena, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sv_arena_release(&layout.arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static sv_status parse(const char *text)
{
    config = (sv_triton_config){.signature = 0};
    layout.tuning = (sv_tuning){.instances = 0};
    return sv_triton_config_parse("c", text, strlen(text), "m", &layout, &config);
}

static void test_a_whole_model(void **state)
{
    (void)state;
    CHECK_OK(parse("name: \"m\"\n"
                   "backend: \"onnxruntime\"\n"
                   "max_batch_size: 16\n"
                   "input [\n"
                   "  { name: \"a\", data_type: TYPE_FP32, dims: [ 3, -1 ] },\n"
                   "  { name: \"b\" data_type: TYPE_STRING dims: 1 optional: true }\n"
                   "]\n"
                   "output { name: \"y\" data_type: TYPE_INT64 dims: [] }\n"
                   "version_policy: { latest { num_versions: 3 } }\n"
                   "instance_group [ { count: 2 kind: KIND_CPU }, { name: \"x\" } ]\n"
                   "dynamic_batching {\n"
                   "  preferred_batch_size: [ 4, 8 ]\n"
                   "  max_queue_delay_microseconds: 100\n"
                   "  priority_levels: 3 default_priority_level: 2\n"
                   "  default_queue_policy { default_timeout_microseconds: 5000\n"
                   "                         max_queue_size: 64 }\n"
                   "  priority_queue_policy { key: 3 value { timeout_action: DELAY\n"
                   "    default_timeout_microseconds: 9 allow_timeout_override: true } }\n"
                   "}\n"
                   "default_model_filename: \"net.onnx\"\n"));
    assert_true(config.signature != 0);
    assert_string_equal(config.file_name, "net.onnx");
    assert_int_equal(config.policy.kind, SV_POLICY_LATEST);
    assert_int_equal(config.policy.latest, 3);
    assert_int_equal(layout.input_count, 2);
    assert_string_equal(layout.input[0].name, "a");
    assert_int_equal(layout.input[0].dtype, SV_F32);
    assert_int_equal(layout.input[0].rank, 2);
    assert_int_equal(layout.input[0].dim[1], -1);
    assert_int_equal(layout.input[1].dtype, SV_STRING);
    assert_true(layout.input[1].optional);
    assert_int_equal(layout.output[0].dtype, SV_I64);
    const sv_tuning *tuning = &layout.tuning;
    assert_int_equal(tuning->max_batch_rows, 16);
    assert_int_equal(tuning->instances, 3);
    assert_int_equal(tuning->preferred_count, 2);
    assert_int_equal(tuning->preferred[1], 8);
    assert_int_equal(tuning->max_queue_delay_us, 100);
    assert_int_equal(tuning->policy.max_size, 64);
    assert_int_equal(tuning->policy.timeout_us, 5000);
    assert_int_equal(tuning->priority_levels, 3);
    assert_true(tuning->batching && tuning->policy.fixed && !tuning->policy.delays);
    const sv_queue_policy *third = sv_tuning_policy(tuning, 3);
    assert_true(third->delays && third->timeout_us == 9 && !third->fixed);
    assert_ptr_equal(sv_tuning_policy(tuning, 1), &tuning->policy);
    assert_int_equal(layout.warning_count, 0);
}

static void test_policies(void **state)
{
    (void)state;
    CHECK_OK(parse("version_policy { all { } }"));
    assert_int_equal(config.policy.kind, SV_POLICY_ALL);
    CHECK_OK(parse("version_policy { specific { versions: 4 versions: 9 } }"));
    assert_int_equal(config.policy.kind, SV_POLICY_SPECIFIC);
    assert_int_equal(config.policy.count, 2);
    assert_int_equal(config.policy.number[1], 9);
    CHECK_OK(parse(""));
    assert_false(config.has_policy);
    CHECK_OK(parse("max_batch_size: 0"));
    assert_true(layout.tuning.no_batching);
    assert_false(config.file_name);
}

static void test_what_clients_see(void **state)
{
    (void)state;
    CHECK_OK(parse("input { name: 'a' dims: [4, -1] reshape { shape: [2, 2, -1] } }\n"
                   "output { name: 'y' dims: 1 reshape { } label_filename: 'l.txt' }\n"
                   "parameters [ { key: 'k' value { string_value: 'v' } }, { key: 'n' } ]"));
    assert_true(layout.input[0].reshaped && layout.input[0].model_rank == 3);
    assert_int_equal(layout.input[0].model_dim[1], 2);
    assert_int_equal(layout.input[0].model_dim[2], -1);
    assert_null(layout.input[0].label_file);
    assert_true(layout.output[0].reshaped && layout.output[0].model_rank == 0);
    assert_string_equal(layout.output[0].label_file, "l.txt");
    assert_int_equal(layout.parameter_count, 2);
    assert_string_equal(layout.parameter[0].value, "v");
    assert_string_equal(layout.parameter[1].key, "n");
    assert_string_equal(layout.parameter[1].value, "");
    assert_int_equal(layout.warning_count, 1);
}

static void test_order(void **state)
{
    (void)state;
    CHECK_OK(parse("dynamic_batching { preserve_ordering: true }"));
    assert_true(layout.tuning.preserve_ordering && layout.warning_count == 0);
    CHECK_OK(parse("dynamic_batching { preserve_ordering: false }"));
    assert_false(layout.tuning.preserve_ordering);
}

static void test_warm_up(void **state)
{
    (void)state;
    CHECK_OK(
        parse("model_warmup [ { name: 'one' batch_size: 2 count: 3\n"
              "  inputs { key: 'a' value: { data_type: TYPE_FP32 dims: [3] random_data: true } }\n"
              "  inputs [ { key: 'b' value { data_type: TYPE_INT8 input_data_file: 'f' } } ]\n"
              "} ]"));
    assert_int_equal(layout.warmup_count, 1);
    const sv_warmup *warmup = layout.warmup;
    assert_int_equal(warmup->batch_rows, 2);
    assert_int_equal(warmup->count, 3);
    assert_int_equal(warmup->input_count, 2);
    assert_true(warmup->input[0].random);
    assert_string_equal(warmup->input[1].file, "f");
    assert_int_equal(warmup->input[1].rank, 0);
}

static void test_warnings_name_what_is_not_heeded(void **state)
{
    (void)state;
    CHECK_OK(parse("name: 'other'\noptimization { graph { level: 1 } }\n"
                   "parameters { key: 'k' value { string_value: 'v' } }\n"
                   "no_such_field: [1, 2]\ninstance_group { kind: KIND_GPU }"));
    assert_int_equal(layout.warning_count, 5);
    assert_string_equal(layout.warning[0],
                        "c:1: 'name' is 'other', but the model is served as 'm'");
    assert_string_equal(layout.warning[1], "c:2: 'optimization' is not heeded");
    assert_string_equal(layout.warning[2], "c:3: 'parameters' are told to clients, and not heeded");
    assert_string_equal(layout.warning[3],
                        "c:4: 'no_such_field' is no field that is known, and not heeded");
    assert_non_null(strstr(layout.warning[4], "KIND_GPU"));
}

#define REFUSES(text, message) CHECK_FAILS(parse(text), SV_CODE_INVALID_ARGUMENT, message)

static void test_errors_say_where(void **state)
{
    (void)state;
    REFUSES("max_batch_size: -1", "c:1:17: expected a number from 0 to 1000000, found -1");
    REFUSES("name: 'm'\nmax_batch_size: 1\nmax_batch_size: 2", "c:3:1: 'max_batch_size': expected "
                                                               "once, found twice");
    REFUSES("max_batch_size: [1, 2]",
            "c:1:21: 'max_batch_size': expected one value, found several");
    REFUSES("platform: 'tensorflow_savedmodel'", "c:1:11: 'platform': expected 'onnxruntime_onnx'");
    REFUSES("backend: 'python'", "c:1:10: 'backend': expected 'onnxruntime', found 'python'");
    REFUSES("input { data_type: TYPE_FP32 }", "expected a name of the input or output");
    REFUSES("input { name: 'a' data_type: TYPE_FP31 }",
            "c:1:30: expected a type such as TYPE_FP32, found 'TYPE_FP31'");
    REFUSES("input { name: 'a' dims: [1,1,1,1,1,1,1,1,1] }", "expected at most 8 dimensions");
    REFUSES("input { name: 'a' dims: -2 }", "c:1:25: expected a number from -1");
    REFUSES("version_policy { all {} latest {} }", "expected one of latest, all and specific");
    REFUSES("default_model_filename: '../x'", "expected the name of a file");
    REFUSES("default_model_filename: ''", "expected the name of a file");
    REFUSES("ensemble_scheduling { }",
            "c:1:21: 'ensemble_scheduling': expected a model of its own");
    REFUSES("model_warmup { inputs { key: 'x' } }", "expected a key and a data_type");
    REFUSES("dynamic_batching { preferred_batch_size: 0 }", "c:1:42: expected a number from 1");
    REFUSES("dynamic_batching { default_queue_policy { timeout_action: DROP } }",
            "expected REJECT or DELAY, found 'DROP'");
    REFUSES("dynamic_batching { priority_queue_policy { key: 17 } }",
            "expected a number from 1 to 16, found 17");
    REFUSES("dynamic_batching { priority_queue_policy { value { } } }", "expected a key");
    REFUSES("input [", "found the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_model),
        TEST(test_policies),
        TEST(test_warm_up),
        TEST(test_warnings_name_what_is_not_heeded),
        TEST(test_errors_say_where),
        TEST(test_what_clients_see),
        TEST(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
