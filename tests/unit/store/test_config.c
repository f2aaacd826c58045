/* Names of models, and the files that a path stands for. */
#include "store/config.h"

#include "support/check.h"
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/serval-config-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    return system(command);
}

/* An empty file below the root, with its folders. */
static void make(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
}

static sv_status look(const char *name, sv_policy_kind kind, sv_layout *out)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    sv_model_config config = {.name = "m", .path = path, .policy.kind = kind};
    return sv_layout_read(&config, out);
}

static void check_file(const sv_version_file *file, int64_t number, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(file->number, number);
    assert_string_equal(file->path, path);
    assert_null(file->problem);
    assert_true(file->signature != 0);
    assert_true(file->modified_us != 0);
    assert_true(sv_version_file_signature(file) == file->signature);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"a/b/resnet50.onnx", "resnet50"}, {"resnet.v2.onnx", "resnet.v2"},
        {"a/digits/model.onnx", "digits"}, {"model.onnx", "model"},
        {"./model.onnx", "model"},         {"../model.onnx", "model"},
        {"a/digits/", "digits"},           {"a/digits", "digits"},
        {"/x/my model.onnx", "my_model"},  {"/opt/model", "model"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *name = sv_model_config_name(rows[i][0]);
        assert_string_equal(name, rows[i][1]);
        assert_true(sv_model_name_valid(name, strlen(name)));
        free(name);
    }
}

static void test_valid_names(void **state)
{
    (void)state;
    char longest[130];
    memset(longest, 'a', sizeof longest);
    assert_true(sv_model_name_valid(longest, 128));
    assert_false(sv_model_name_valid(longest, 129));
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a b", "a\"b", "a\nb", "ä"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sv_model_name_valid(bad[i], strlen(bad[i])));
    }
}

static void test_files_and_folders(void **state)
{
    (void)state;
    sv_layout layout;
    make("one.onnx");
    CHECK_OK(look("one.onnx", SV_POLICY_LATEST, &layout));
    assert_int_equal(layout.count, 1);
    check_file(layout.file, 1, "one.onnx");
    sv_layout_release(&layout);
    make("single/net.onnx");
    make("single/readme.txt");
    CHECK_OK(look("single", SV_POLICY_LATEST, &layout));
    check_file(layout.file, 1, "single/net.onnx");
    sv_layout_release(&layout);
    make("pair/a.onnx");
    make("pair/b.onnx");
    CHECK_FAILS(look("pair", SV_POLICY_LATEST, &layout), SV_CODE_INVALID_ARGUMENT, "found several");
    make("pair/model.onnx");
    CHECK_OK(look("pair", SV_POLICY_LATEST, &layout));
    check_file(layout.file, 1, "pair/model.onnx");
    sv_layout_release(&layout);
    make("empty/x.txt");
    CHECK_FAILS(look("empty", SV_POLICY_LATEST, &layout), SV_CODE_NOT_FOUND, "found neither");
    CHECK_FAILS(look("nowhere", SV_POLICY_LATEST, &layout), SV_CODE_NOT_FOUND, "nowhere");
}

static void make_many(void)
{
    make("many/2/model.onnx");
    make("many/10/other.onnx");
    make("many/9/model.onnx");
    make("many/007/model.onnx");
    make("many/x1/model.onnx");
    make("many/1234567890123456789/model.onnx");
}

static void test_versions(void **state)
{
    (void)state;
    sv_layout layout;
    make_many();
    CHECK_OK(look("many", SV_POLICY_LATEST, &layout));
    assert_int_equal(layout.count, 1);
    check_file(layout.file, 10, "many/10/other.onnx");
    sv_layout_release(&layout);
    CHECK_OK(look("many", SV_POLICY_ALL, &layout));
    assert_int_equal(layout.count, 3);
    check_file(&layout.file[0], 2, "many/2/model.onnx");
    check_file(&layout.file[1], 9, "many/9/model.onnx");
    check_file(&layout.file[2], 10, "many/10/other.onnx");
    sv_layout_release(&layout);
    /* A version that is not there yet does not hide the others. */
    make("many/11/nothing.txt");
    CHECK_OK(look("many", SV_POLICY_ALL, &layout));
    assert_int_equal(layout.count, 4);
    assert_non_null(strstr(layout.file[3].problem, "many/11"));
    sv_layout_release(&layout);
    make("many/11/.model.onnx");
    make("many/11/a.onnx");
    make("many/11/b.onnx");
    CHECK_OK(look("many", SV_POLICY_LATEST, &layout));
    assert_non_null(strstr(layout.file[0].problem, "found several"));
    sv_layout_release(&layout);
}

static void test_policies(void **state)
{
    (void)state;
    char path[256];
    sv_layout layout;
    const int64_t wanted[] = {9, 77};
    const sv_version_label labels[] = {{"stable", 2}};
    for (int i = 1; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "policies/%d/model.onnx", i);
        make(name);
    }
    make("policies/9/model.onnx");
    snprintf(path, sizeof path, "%s/policies", root);
    sv_model_config config = {.name = "m", .path = path};
    config.policy = (sv_version_policy){.kind = SV_POLICY_LATEST, .latest = 2};
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 2);
    check_file(&layout.file[0], 5, "policies/5/model.onnx");
    sv_layout_release(&layout);
    /* What a label names is served, too. */
    config.label = labels;
    config.label_count = 1;
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 3);
    check_file(&layout.file[0], 2, "policies/2/model.onnx");
    sv_layout_release(&layout);
    config.policy = (sv_version_policy){.kind = SV_POLICY_SPECIFIC, .number = wanted, .count = 2};
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 3);
    check_file(&layout.file[1], 9, "policies/9/model.onnx");
    assert_int_equal(layout.file[2].number, 77);
    assert_non_null(strstr(layout.file[2].problem, "'77'"));
    sv_layout_release(&layout);
}

static void write_at(const char *name, const char *text)
{
    char path[256];
    make(name);
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_signatures(void **state)
{
    (void)state;
    sv_layout layout;
    make("signed/1/model.onnx");
    make("signed/1/weights.bin");
    CHECK_OK(look("signed", SV_POLICY_LATEST, &layout));
    uint64_t before = layout.file[0].signature;
    assert_true(sv_version_file_signature(&layout.file[0]) == before);
    write_at("signed/1/.on-its-way", "hidden");
    assert_true(sv_version_file_signature(&layout.file[0]) == before);
    write_at("signed/1/weights.bin", "more");
    assert_true(sv_version_file_signature(&layout.file[0]) != before);
    assert_true(layout.file[0].config_signature == 0);
    sv_layout_release(&layout);
    write_at("signed/config.pbtxt", "max_batch_size: 8");
    CHECK_OK(look("signed", SV_POLICY_LATEST, &layout));
    assert_true(layout.file[0].config_signature != 0);
    assert_int_equal(layout.tuning.max_batch_rows, 8);
    sv_layout_release(&layout);
}

static void test_config_pbtxt(void **state)
{
    (void)state;
    sv_layout layout;
    make("triton/1/net.bin");
    make("triton/2/net.bin");
    make("triton/3/net.bin");
    write_at("triton/config.pbtxt", "default_model_filename: 'net.bin'\n"
                                    "version_policy { specific { versions: [1, 3] } }\n");
    CHECK_OK(look("triton", SV_POLICY_LATEST, &layout));
    assert_int_equal(layout.count, 2);
    check_file(&layout.file[1], 3, "triton/3/net.bin");
    sv_layout_release(&layout);
    /* What the operator says goes before the file. */
    char path[256];
    snprintf(path, sizeof path, "%s/triton", root);
    sv_model_config config = {.name = "m", .path = path, .policy_given = true};
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 1);
    sv_layout_release(&layout);
    write_at("triton/config.pbtxt", "max_batch_size: 8\nplatform: 'tensorrt_plan'\n");
    CHECK_FAILS(look("triton", SV_POLICY_LATEST, &layout), SV_CODE_INVALID_ARGUMENT,
                "config.pbtxt:2:11: 'platform': expected 'onnxruntime_onnx'");
}

static void test_repository(void **state)
{
    (void)state;
    char path[256];
    sv_model_configs configs;
    const sv_model_config like = {.policy.kind = SV_POLICY_ALL};
    make("repository/b/1/model.onnx");
    make("repository/a.onnx");
    make("repository/.hidden/model.onnx");
    make("repository/readme.md");
    snprintf(path, sizeof path, "%s/repository", root);
    sv_model_configs_init(&configs);
    CHECK_OK(sv_repository_read(path, &like, &configs));
    assert_int_equal(configs.count, 2);
    assert_string_equal(configs.item[0].name, "a");
    assert_string_equal(configs.item[1].name, "b");
    assert_int_equal(configs.item[1].policy.kind, SV_POLICY_ALL);
    /* The same again is known; another place has not its name. */
    CHECK_OK(sv_repository_read(path, &like, &configs));
    assert_int_equal(configs.count, 2);
    make("second/b/1/model.onnx");
    snprintf(path, sizeof path, "%s/second", root);
    CHECK_FAILS(sv_repository_read(path, &like, &configs), SV_CODE_INVALID_ARGUMENT,
                "expected one path for each name");
    make("vacant/readme.md");
    snprintf(path, sizeof path, "%s/vacant", root);
    CHECK_OK(sv_repository_read(path, &like, &configs));
    assert_int_equal(configs.count, 2);
    snprintf(path, sizeof path, "%s/absent", root);
    CHECK_FAILS(sv_repository_read(path, &like, &configs), SV_CODE_NOT_FOUND, "absent");
    sv_model_configs_release(&configs);
}

static void test_lists(void **state)
{
    (void)state;
    sv_model_configs configs;
    const char *aliases[] = {"other", "third"};
    sv_model_config config = {.name = "m", .path = "p", .alias = aliases, .alias_count = 2};
    sv_model_configs_init(&configs);
    CHECK_OK(sv_model_configs_add(&configs, &config));
    aliases[0] = "changed";
    assert_string_equal(configs.item[0].alias[0], "other");
    assert_non_null(sv_model_configs_find(&configs, "m", 1));
    assert_null(sv_model_configs_find(&configs, "other", 5));
    config = (sv_model_config){.name = "third", .path = "q"};
    CHECK_FAILS(sv_model_configs_add(&configs, &config), SV_CODE_INVALID_ARGUMENT, "found 'q'");
    config.name = "../x";
    CHECK_FAILS(sv_model_configs_add(&configs, &config), SV_CODE_INVALID_ARGUMENT, "'../x'");
    sv_model_configs_release(&configs);
}

/* A model that is named before its repository keeps what was said of it. */
static void test_a_repository_leaves_what_was_said(void **state)
{
    (void)state;
    char path[256], link[256], model[300];
    const sv_version_label label = {"stable", 1};
    const sv_model_config like = {.policy.kind = SV_POLICY_ALL};
    sv_model_configs configs;
    make("said/a/1/model.onnx");
    make("said/b/1/model.onnx");
    snprintf(path, sizeof path, "%s/said", root);
    snprintf(link, sizeof link, "%s/said-link", root);
    assert_int_equal(symlink(path, link), 0);
    snprintf(model, sizeof model, "%s/a/", link);
    const sv_model_config a = {.name = "a", .path = model, .label = &label, .label_count = 1};
    sv_model_configs_init(&configs);
    CHECK_OK(sv_model_configs_add(&configs, &a));
    CHECK_OK(sv_repository_read(path, &like, &configs));
    assert_int_equal(configs.count, 2);
    assert_int_equal(sv_model_configs_find(&configs, "a", 1)->label_count, 1);
    assert_int_equal(sv_model_configs_find(&configs, "b", 1)->policy.kind, SV_POLICY_ALL);
    sv_model_configs_release(&configs);
}

static void test_many_names(void **state)
{
    (void)state;
    char name[16], alias[16];
    const char *aliases[] = {alias};
    sv_model_configs configs;
    sv_model_configs_init(&configs);
    for (int i = 999; i >= 0; i--) {
        snprintf(name, sizeof name, "m%03d", i);
        snprintf(alias, sizeof alias, "a%03d", i);
        const sv_model_config config = {
            .name = name, .path = name, .alias = aliases, .alias_count = 1};
        CHECK_OK(sv_model_configs_add(&configs, &config));
    }
    sv_model_configs_sort(&configs, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "m%03d", i);
        snprintf(alias, sizeof alias, "a%03d", i);
        assert_string_equal(configs.item[i].name, name);
        assert_ptr_equal(sv_model_configs_find(&configs, name, 4), &configs.item[i]);
        assert_ptr_equal(sv_model_configs_at(&configs, name), &configs.item[i]);
        assert_null(sv_model_configs_find(&configs, alias, 4));
        assert_true(sv_model_configs_knows(&configs, alias));
    }
    assert_false(sv_model_configs_knows(&configs, "m1000"));
    sv_model_configs_release(&configs);
    assert_false(sv_model_configs_knows(&configs, "m001"));
}

static void test_versions_that_are_left_out(void **state)
{
    (void)state;
    char path[256];
    const int64_t out[] = {2, 9};
    const sv_version_label label = {"old", 2};
    sv_layout layout;
    make("left/1/model.onnx");
    make("left/2/model.onnx");
    make("left/3/model.onnx");
    snprintf(path, sizeof path, "%s/left", root);
    sv_model_config config = {.name = "m",
                              .path = path,
                              .policy = {.kind = SV_POLICY_LATEST, .latest = 2},
                              .label = &label,
                              .label_count = 1,
                              .left_out = out,
                              .left_out_count = 2};
    /* Nothing takes its place, whatever names it. */
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 1);
    assert_int_equal(layout.file[0].number, 3);
    assert_int_equal(layout.spare_count, 1);
    assert_int_equal(layout.spare[0].number, 1);
    sv_layout_release(&layout);
    config.policy = (sv_version_policy){.kind = SV_POLICY_SPECIFIC, .number = out, .count = 2};
    CHECK_OK(sv_layout_read(&config, &layout));
    assert_int_equal(layout.count, 0);
    sv_layout_release(&layout);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_valid_names),
        cmocka_unit_test(test_files_and_folders),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_config_pbtxt),
        cmocka_unit_test(test_repository),
        cmocka_unit_test(test_a_repository_leaves_what_was_said),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_versions_that_are_left_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
