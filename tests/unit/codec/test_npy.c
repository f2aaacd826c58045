/* .npy files, both ways. The bytes of the files are those that numpy.save writes. */
#include "base/alloc.h"
#include "codec/npy.h"
#include "support/check.h"

#include <stdio.h>

/* A file of the given version around `header` and `data`; the caller frees it. */
static char *make_file(int version, const char *header, const void *data, size_t data_size,
                       size_t *size)
{
    size_t head = version == 1 ? 10 : 12, length = strlen(header);
    char *file = malloc(head + length + data_size);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (char)version;
    file[7] = 0;
    for (size_t i = 8; i < head; i++)
        file[i] = (char)(length >> (8 * (i - 8)));
    memcpy(file + head, header, length);
    if (data_size) memcpy(file + head + length, data, data_size);
    *size = head + length + data_size;
    return file;
}

static sv_status read_file(sv_arena *arena, const char *file, size_t size, sv_tensor *out)
{
    sv_reader reader;
    sv_reader_init(&reader, file, size, "a.npy", 0, NULL);
    return sv_npy_read(&reader, arena, out);
}

static void test_versions_and_orders(void **state)
{
    (void)state;
    const float data[6] = {0, 1, 2, 3, 4, 5};
    for (int version = 1; version <= 3; version++) {
        for (int fortran = 0; fortran < 2; fortran++) {
            char header[128];
            snprintf(header, sizeof header,
                     "{'descr': '<f4', 'fortran_order': %s, 'shape': (2, 3), }   \n",
                     fortran ? "True" : "False");
            size_t size;
            char *file = make_file(version, header, data, sizeof data, &size);
            sv_arena arena;
            sv_arena_init(&arena, NULL);
            sv_tensor tensor;
            CHECK_OK(read_file(&arena, file, size, &tensor));
            assert_int_equal(tensor.dtype, SV_F32);
            assert_true(tensor.shape.rank == 2 && tensor.shape.dim[0] == 2 &&
                        tensor.shape.dim[1] == 3);
            for (int i = 0; i < 2; i++)
                for (int k = 0; k < 3; k++)
                    assert_true(((float *)tensor.data)[i * 3 + k] ==
                                (float)(fortran ? k * 2 + i : i * 3 + k));
            sv_arena_release(&arena);
            free(file);
        }
    }
}

static void test_round_trip_of_every_type(void **state)
{
    (void)state;
    uint8_t data[12 * 16];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    int known = 0;
    for (int t = 1; t < SV_DTYPE_COUNT; t++) {
        if (t == SV_STRING) continue;
        sv_text text;
        sv_text_init(&text, NULL);
        sv_tensor tensor = {.dtype = (sv_dtype)t,
                            .shape = {.rank = 3, .dim = {2, 3, 2}},
                            .data = data},
                  back;
        sv_status status = sv_npy_write(&text, &tensor);
        if (t >= SV_BF16) {
            CHECK_FAILS(status, SV_CODE_UNIMPLEMENTED, sv_dtype_get(tensor.dtype)->name);
        } else {
            CHECK_OK(status);
            assert_int_equal((text.size - 12 * sv_dtype_get(tensor.dtype)->size) % 64, 0);
            sv_arena arena;
            sv_arena_init(&arena, NULL);
            CHECK_OK(read_file(&arena, text.data, text.size, &back));
            assert_int_equal(back.dtype, t);
            assert_true(sv_shape_equal(&back.shape, &tensor.shape));
            assert_memory_equal(back.data, data, 12 * sv_dtype_get(tensor.dtype)->size);
            sv_arena_release(&arena);
            known++;
        }
        sv_text_release(&text);
    }
    assert_int_equal(known, 14);
}

static void check_written_header(int32_t rank, const char *expected)
{
    float data[4] = {0};
    sv_tensor tensor = {.dtype = SV_F32, .shape = {.rank = rank, .dim = {1, 2, 2}}, .data = data};
    sv_text text;
    sv_text_init(&text, NULL);
    CHECK_OK(sv_npy_write(&text, &tensor));
    assert_memory_equal(text.data + 10, expected, strlen(expected));
    assert_int_equal(text.data[127], '\n');
    sv_text_release(&text);
}

static void test_headers_are_numpys(void **state)
{
    (void)state;
    check_written_header(0, "{'descr': '<f4', 'fortran_order': False, 'shape': (), } ");
    check_written_header(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } ");
    check_written_header(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), } ");
    check_written_header(3, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), } ");
}

static void check_strings(const char *first, size_t size, const char *descr)
{
    sv_string strings[2] = {{first, size}, {"", 0}};
    sv_tensor tensor = {.dtype = SV_STRING, .shape = {.rank = 1, .dim = {2}}, .data = strings},
              back;
    sv_text text;
    sv_text_init(&text, NULL);
    CHECK_OK(sv_npy_write(&text, &tensor));
    assert_memory_equal(text.data + 20, descr, strlen(descr));
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    CHECK_OK(read_file(&arena, text.data, text.size, &back));
    assert_int_equal(((sv_string *)back.data)[0].size, size);
    assert_memory_equal(((sv_string *)back.data)[0].data, first, size);
    assert_int_equal(((sv_string *)back.data)[1].size, 0);
    sv_arena_release(&arena);
    sv_text_release(&text);
}

static void test_strings(void **state)
{
    (void)state;
    check_strings("abc", 3, "'<U3'");
    check_strings("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "'<U3'");
    check_strings("\xFF\x00\x01", 3, "'|S3'");
    check_strings("", 0, "'<U1'");
    /* Fortran order turns strings as it turns numbers. */
    size_t size;
    char *file =
        make_file(1, "{'descr': '|S1', 'fortran_order': True, 'shape': (2, 2)}", "abcd", 4, &size);
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    sv_tensor tensor;
    CHECK_OK(read_file(&arena, file, size, &tensor));
    assert_int_equal(((sv_string *)tensor.data)[1].data[0], 'c');
    sv_arena_release(&arena);
    free(file);
}

static void test_bad_headers(void **state)
{
    (void)state;
    const struct {
        const char *header;
        sv_code code;
        const char *message;
    } rows[] = {
        {"", SV_CODE_INVALID_ARGUMENT, "expected \"{\""},
        {"{}", SV_CODE_INVALID_ARGUMENT, "expected descr, fortran_order and shape"},
        {"{'descr': '<f4', 'fortran_order': False}", SV_CODE_INVALID_ARGUMENT, "shape"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
         SV_CODE_INVALID_ARGUMENT, "once"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", SV_CODE_INVALID_ARGUMENT,
         "once"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': ()}", SV_CODE_UNIMPLEMENTED,
         "little-endian"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", SV_CODE_UNIMPLEMENTED,
         "structured"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': ()}", SV_CODE_INVALID_ARGUMENT, "'|O'"},
        {"{'descr': '<V2', 'fortran_order': False, 'shape': ()}", SV_CODE_UNIMPLEMENTED, "'<V2'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': ()}", SV_CODE_UNIMPLEMENTED, "'<f16'"},
        {"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': ()}", SV_CODE_INVALID_ARGUMENT,
         "M8"},
        {"{'descr': '', 'fortran_order': False, 'shape': ()}", SV_CODE_INVALID_ARGUMENT,
         "element type"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}", SV_CODE_INVALID_ARGUMENT,
         "True or False"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", SV_CODE_INVALID_ARGUMENT,
         "elements"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", SV_CODE_INVALID_ARGUMENT,
         "a size"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,2", SV_CODE_INVALID_ARGUMENT,
         "\")\""},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         SV_CODE_INVALID_ARGUMENT, "2^63"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4)}",
         SV_CODE_INVALID_ARGUMENT, "overflows"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}",
         SV_CODE_INVALID_ARGUMENT, "expected 4000000000 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
         SV_CODE_INVALID_ARGUMENT, "dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", SV_CODE_INVALID_ARGUMENT,
         "the end"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': ()}", SV_CODE_INVALID_ARGUMENT,
         "npy header"},
        {"{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,)}",
         SV_CODE_INVALID_ARGUMENT, "'S0'"},
        {"{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", SV_CODE_INVALID_ARGUMENT,
         "0xFFFFFFFF"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t size;
        char *file = make_file(1, rows[i].header, "\xFF\xFF\xFF\xFF", 4, &size);
        sv_arena arena;
        sv_arena_init(&arena, NULL);
        sv_tensor tensor;
        CHECK_FAILS(read_file(&arena, file, size, &tensor), rows[i].code, rows[i].message);
        assert_true(arena.bytes <= 4096); /* nothing for what is only claimed */
        sv_arena_release(&arena);
        free(file);
    }
}

static void test_damaged_files(void **state)
{
    (void)state;
    size_t size;
    float data[2] = {1, 2};
    char *file =
        make_file(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", data, 8, &size);
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    sv_tensor tensor;
    for (size_t cut = 0; cut < size; cut++) {
        char *copy = malloc(cut + !cut);
        memcpy(copy, file, cut);
        CHECK_FAILS(read_file(&arena, copy, cut, &tensor), SV_CODE_INVALID_ARGUMENT,
                    "a.npy: at byte");
        free(copy);
    }
    sv_reader reader;
    sv_budget budget = {.bytes = 7, .nodes = 1, .depth = 1};
    sv_reader_init(&reader, file, size, "a.npy", 0, &budget);
    CHECK_FAILS(sv_npy_read(&reader, &arena, &tensor), SV_CODE_RESOURCE_EXHAUSTED, "npy");
    file[6] = 9;
    CHECK_FAILS(read_file(&arena, file, size, &tensor), SV_CODE_UNIMPLEMENTED, "found 9.0");
    file[0] = 'X';
    CHECK_FAILS(read_file(&arena, file, size, &tensor), SV_CODE_INVALID_ARGUMENT,
                "another beginning");
    sv_arena_release(&arena);
    free(file);
}

static void test_allocations_fail_cleanly(void **state)
{
    (void)state;
    sv_string strings[2] = {{"abc", 3}, {"defg", 4}};
    sv_tensor tensor = {.dtype = SV_STRING, .shape = {.rank = 1, .dim = {2}}, .data = strings},
              back;
    for (size_t fail_at = 1; fail_at <= 3; fail_at++) {
        sv_counting_allocator counting;
        sv_counting_allocator_init(&counting, NULL);
        counting.fail_at = fail_at;
        sv_text text;
        sv_text_init(&text, &counting.allocator);
        sv_status status = sv_npy_write(&text, &tensor);
        if (fail_at <= 2) {
            CHECK_FAILS(status, SV_CODE_RESOURCE_EXHAUSTED, "npy");
        } else {
            CHECK_OK(status);
            sv_arena arena;
            sv_arena_init(&arena, &counting.allocator);
            counting.fail_at = counting.calls + 1;
            CHECK_FAILS(read_file(&arena, text.data, text.size, &back), SV_CODE_RESOURCE_EXHAUSTED,
                        "npy");
            sv_arena_release(&arena);
        }
        sv_text_release(&text);
        assert_int_equal(counting.live_bytes, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_and_orders),
        cmocka_unit_test(test_round_trip_of_every_type),
        cmocka_unit_test(test_headers_are_numpys),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_allocations_fail_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
