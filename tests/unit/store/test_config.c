/* Names of models, and the files that a path stands for. */
#include "store/store.h"

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

static sv_status resolve(const char *name, bool all, sv_version_file **files, size_t *count)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    sv_model_config config = {"m", path, all};
    return sv_model_config_resolve(&config, files, count);
}

static void check_file(const sv_version_file *file, int64_t number, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(file->number, number);
    assert_string_equal(file->path, path);
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
    sv_version_file *files;
    size_t count;
    make("one.onnx");
    CHECK_OK(resolve("one.onnx", false, &files, &count));
    assert_int_equal(count, 1);
    check_file(files, 1, "one.onnx");
    sv_version_files_free(files, count);
    make("single/net.onnx");
    make("single/readme.txt");
    CHECK_OK(resolve("single", false, &files, &count));
    check_file(files, 1, "single/net.onnx");
    sv_version_files_free(files, count);
    make("pair/a.onnx");
    make("pair/b.onnx");
    CHECK_FAILS(resolve("pair", false, &files, &count), SV_CODE_INVALID_ARGUMENT, "found several");
    make("pair/model.onnx");
    CHECK_OK(resolve("pair", false, &files, &count));
    check_file(files, 1, "pair/model.onnx");
    sv_version_files_free(files, count);
    make("empty/x.txt");
    CHECK_FAILS(resolve("empty", false, &files, &count), SV_CODE_NOT_FOUND, "found neither");
    CHECK_FAILS(resolve("nowhere", false, &files, &count), SV_CODE_NOT_FOUND, "nowhere");
}

static void test_versions(void **state)
{
    (void)state;
    sv_version_file *files;
    size_t count;
    make("many/2/model.onnx");
    make("many/10/other.onnx");
    make("many/9/model.onnx");
    make("many/007/model.onnx");
    make("many/x1/model.onnx");
    make("many/1234567890123456789/model.onnx");
    CHECK_OK(resolve("many", false, &files, &count));
    assert_int_equal(count, 1);
    check_file(files, 10, "many/10/other.onnx");
    sv_version_files_free(files, count);
    CHECK_OK(resolve("many", true, &files, &count));
    assert_int_equal(count, 3);
    check_file(&files[0], 2, "many/2/model.onnx");
    check_file(&files[1], 9, "many/9/model.onnx");
    check_file(&files[2], 10, "many/10/other.onnx");
    sv_version_files_free(files, count);
    make("many/11/nothing.txt");
    CHECK_FAILS(resolve("many", true, &files, &count), SV_CODE_NOT_FOUND, "many/11");
}

static void test_repository(void **state)
{
    (void)state;
    char path[256];
    sv_model_config *configs;
    size_t count;
    make("repository/b/1/model.onnx");
    make("repository/a.onnx");
    make("repository/.hidden/model.onnx");
    make("repository/readme.md");
    snprintf(path, sizeof path, "%s/repository", root);
    CHECK_OK(sv_repository_read(path, true, &configs, &count));
    assert_int_equal(count, 2);
    assert_string_equal(configs[0].name, "a");
    assert_string_equal(configs[1].name, "b");
    assert_true(configs[1].all_versions);
    sv_model_configs_free(configs, count);
    make("vacant/readme.md");
    snprintf(path, sizeof path, "%s/vacant", root);
    CHECK_FAILS(sv_repository_read(path, false, &configs, &count), SV_CODE_NOT_FOUND, "found none");
    snprintf(path, sizeof path, "%s/absent", root);
    CHECK_FAILS(sv_repository_read(path, false, &configs, &count), SV_CODE_NOT_FOUND, "absent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_valid_names),
        cmocka_unit_test(test_files_and_folders),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_repository),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
