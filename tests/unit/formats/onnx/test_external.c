/* Tensors in side files: found beneath the model's folder only, and only as far as the files go. */
#include "model.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct folder {
    char root[64]; /* holds secret.bin and the model's folder */
    char model[80];
} folder;

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void join(char *out, size_t size, const char *folder, const char *name)
{
    assert_true((size_t)snprintf(out, size, "%s/%s", folder, name) < size);
}

static int setup(void **state)
{
    static const float values[4] = {1, 2, 3, 4};
    char path[160];
    folder *f = calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/serval-external-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    join(f->model, sizeof f->model, f->root, "model");
    assert_int_equal(mkdir(f->model, 0700), 0);
    join(path, sizeof path, f->root, "secret.bin");
    write_file(path, values, sizeof values);
    join(path, sizeof path, f->model, "side.bin");
    write_file(path, values, sizeof values);
    join(path, sizeof path, f->model, "inside");
    assert_int_equal(symlink("side.bin", path), 0);
    join(path, sizeof path, f->model, "outside");
    assert_int_equal(symlink("../secret.bin", path), 0);
    join(path, sizeof path, f->model, "up");
    assert_int_equal(symlink("..", path), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "secret.bin", "model/side.bin", "model/inside", "model/outside", "model/up", "model", ""};
    folder *f = *state;
    char path[160];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        join(path, sizeof path, f->root, names[i]);
        remove(path);
    }
    free(f);
    return 0;
}

/* A model whose initialisers "w" and "v" lie in `location`. */
static sv_status read_with(const folder *f, const char *location, const char *offset,
                           const char *length, sv_module **out)
{
    sv_text text;
    sv_text_init(&text, NULL);
    size_t graph = begin_model(&text);
    put_external(&text, GRAPH_INITIALIZER, "w", 2, location, offset, length);
    put_external(&text, GRAPH_INITIALIZER, "v", 2, location, offset, length);
    put_node(&text, GRAPH_NODE, "Add", "w v", "y");
    put_value(&text, GRAPH_OUTPUT, "y", 0, 0, NULL);
    sv_pb_end(&text, graph);
    sv_status status = read_model(&text, f ? f->model : NULL, NULL, out);
    sv_text_release(&text);
    return status;
}

static void check_first(const folder *f, const char *location, const char *offset,
                        const char *length, float first)
{
    sv_module *module;
    CHECK_OK(read_with(f, location, offset, length, &module));
    for (uint32_t i = 0; i < 2; i++) {
        const sv_tensor *source = &module->constant[i].source;
        assert_true(((const float *)source->data)[0] == first);
        assert_int_equal((uintptr_t)source->data % 16, 0);
        assert_non_null(source->blob);
    }
    sv_module_destroy(module);
}

static void data_are_read_from_beside_the_model(void **state)
{
    folder *f = *state;
    check_first(f, "side.bin", NULL, NULL, 1);
    check_first(f, "side.bin", "4", "8", 2);
    check_first(f, "side.bin", "8", NULL, 3);
    check_first(f, "./side.bin", "0", "8", 1);
}

static void the_folder_is_never_left(void **state)
{
    static const char *const locations[] = {
        "../secret.bin",
        "outside",
        "up/secret.bin",
        "up/model/side.bin",
        "/etc/passwd",
        "model/../../secret.bin",
        "..",
        ".",
        "",
    };
    folder *f = *state;
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        sv_module *module = NULL;
        sv_status status = read_with(f, locations[i], NULL, NULL, &module);
        if (!status) fail_msg("location '%s' was read", locations[i]);
        assert_non_null(strstr(sv_status_message(status), "tensor 'w'"));
        sv_status_free(status);
    }
    char absolute[160];
    sv_module *module;
    join(absolute, sizeof absolute, f->model, "side.bin");
    CHECK_FAILS(read_with(f, absolute, NULL, NULL, &module), SV_CODE_INVALID_ARGUMENT,
                "tensor 'w'");
}

static void claims_beyond_the_file_are_refused(void **state)
{
    folder *f = *state;
    sv_module *module;
    CHECK_FAILS(read_with(f, "side.bin", "12", NULL, &module), SV_CODE_INVALID_ARGUMENT,
                "expected 8 bytes at byte 12, the file has 16");
    CHECK_FAILS(read_with(f, "side.bin", "18446744073709551615", NULL, &module),
                SV_CODE_INVALID_ARGUMENT, "the file has 16");
    CHECK_FAILS(read_with(f, "side.bin", "18446744073709551616", NULL, &module),
                SV_CODE_INVALID_ARGUMENT, "is no number of bytes");
    CHECK_FAILS(read_with(f, "side.bin", "0", "9", &module), SV_CODE_INVALID_ARGUMENT,
                "takes 8 bytes");
    CHECK_FAILS(read_with(f, NULL, "0", "8", &module), SV_CODE_INVALID_ARGUMENT,
                "without a location");
    CHECK_FAILS(read_with(f, "nothing.bin", NULL, NULL, &module), SV_CODE_NOT_FOUND, "nothing.bin");
    CHECK_FAILS(read_with(NULL, "side.bin", NULL, NULL, &module), SV_CODE_UNIMPLEMENTED,
                "another file");
}

/* More files than are kept open at once, taken in turns. */
static void many_side_files_are_read(void **state)
{
    folder *f = *state;
    char path[160], name[32];
    sv_text text;
    sv_text_init(&text, NULL);
    size_t graph = begin_model(&text);
    for (int i = 0; i < 60; i++) {
        float values[2] = {(float)(i % 20), 0};
        char tensor[16];
        snprintf(tensor, sizeof tensor, "t%d", i);
        snprintf(name, sizeof name, "part%d", i % 20);
        join(path, sizeof path, f->model, name);
        if (i < 20) write_file(path, values, sizeof values);
        put_external(&text, GRAPH_INITIALIZER, tensor, 2, name, NULL, NULL);
    }
    put_node(&text, GRAPH_NODE, "Relu", "t7", "y");
    put_value(&text, GRAPH_OUTPUT, "y", 0, 0, NULL);
    sv_pb_end(&text, graph);
    sv_module *module;
    CHECK_OK(read_model(&text, f->model, NULL, &module));
    for (uint32_t i = 0; i < 60; i++)
        assert_true(*(const float *)module->constant[i].source.data == (float)(i % 20));
    sv_module_destroy(module);
    sv_text_release(&text);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "part%d", i);
        join(path, sizeof path, f->model, name);
        remove(path);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(data_are_read_from_beside_the_model),
        TEST(the_folder_is_never_left),
        TEST(claims_beyond_the_file_are_refused),
        TEST(many_side_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
