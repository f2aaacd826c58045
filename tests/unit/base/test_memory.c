/* Allocators, arenas and blobs, with every allocation failing in turn. */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/blob.h"
#include "base/status.h"
#include "support/check.h"

#include <stdio.h>
#include <unistd.h>

static void test_counting_allocator(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    const sv_allocator *allocator = &counting.allocator;
    char *a = sv_alloc_zero(allocator, 100);
    assert_int_equal(a[99], 0);
    assert_int_equal(counting.live_bytes, 100);
    a = sv_realloc(allocator, a, 100, 300);
    assert_int_equal(counting.live_bytes, 300);
    a = sv_realloc(allocator, a, 300, 50);
    assert_int_equal(counting.live_bytes, 50);
    assert_int_equal(counting.peak_bytes, 300);
    assert_int_equal(counting.calls, 2);
    counting.limit_bytes = 60;
    assert_null(sv_realloc(allocator, a, 50, 61));
    counting.limit_bytes = 0;
    counting.fail_at = 4;
    assert_null(sv_alloc(allocator, 1));
    assert_int_equal(counting.live_bytes, 50);
    sv_free(allocator, a, 50);
    sv_free(allocator, NULL, 10);
    assert_int_equal(counting.live_bytes, 0);
    assert_null(sv_alloc(allocator, 0));
}

static void test_aligned_blocks(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    const sv_allocator *allocators[] = {NULL, &counting.allocator};
    for (int i = 0; i < 2; i++) {
        for (size_t alignment = 16; alignment <= 4096; alignment *= 4) {
            for (size_t size = 1; size < 6u << 20; size = size * 7 + 3) {
                char *block = sv_alloc_aligned(allocators[i], size, alignment);
                assert_non_null(block);
                assert_int_equal((uintptr_t)block % alignment, 0);
                block[0] = block[size - 1] = 1;
                sv_free_aligned(allocators[i], block, size, alignment);
            }
        }
        assert_null(sv_alloc_aligned(allocators[i], 0, 64));
        assert_null(sv_alloc_aligned(allocators[i], SIZE_MAX - 8, 64));
    }
    assert_int_equal(counting.live_bytes, 0);
}

static void test_sizes(void **state)
{
    (void)state;
    size_t out = 7;
    assert_false(sv_size_mul(SIZE_MAX / 2, 3, &out));
    assert_false(sv_size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 7);
    assert_true(sv_size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_int_equal(sv_size_align(65, 64), 128);
}

static void test_arena_holds_what_it_gave(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_arena arena;
    sv_arena_init(&arena, &counting.allocator);
    enum { BLOCKS = 2000 };
    unsigned char *block[BLOCKS];
    size_t size[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size[i] = i % 97 == 0 ? 50000 + i : i % 61;
        block[i] = sv_arena_alloc(&arena, size[i]);
        assert_non_null(block[i]);
        assert_int_equal((uintptr_t)block[i] % 16, 0);
        memset(block[i], (int)(i & 255), size[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(block[i][k], i & 255);
    assert_int_equal(arena.bytes, counting.live_bytes);
    sv_arena_release(&arena);
    assert_int_equal(counting.live_bytes, 0);
}

static void test_arena_settles_after_a_reset(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_arena arena;
    sv_arena_init(&arena, &counting.allocator);
    size_t calls = 0;
    for (int round = 0; round < 4; round++) {
        if (round == 2) calls = counting.calls;
        for (int i = 0; i < 100; i++)
            assert_non_null(sv_arena_alloc(&arena, 1000));
        assert_non_null(sv_arena_alloc(&arena, 3 << 20));
        sv_arena_reset(&arena);
    }
    assert_int_equal(counting.calls, calls);
    sv_arena_release(&arena);
    assert_int_equal(counting.live_bytes, 0);
}

static void test_arena_limits_and_failures(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_arena arena;
    sv_arena_init(&arena, &counting.allocator);
    arena.limit = 10000;
    assert_non_null(sv_arena_alloc(&arena, 8000));
    assert_null(sv_arena_alloc(&arena, 8000));
    assert_null(sv_arena_alloc(&arena, SIZE_MAX));
    assert_null(sv_arena_alloc(&arena, SIZE_MAX - 20));
    assert_null(sv_arena_array(&arena, SIZE_MAX / 2, 4));
    assert_null(sv_arena_copy_text(&arena, "", SIZE_MAX));
    arena.limit = 0;
    counting.limit_bytes = counting.live_bytes;
    assert_null(sv_arena_alloc_zero(&arena, 9000));
    assert_null(sv_arena_printf(&arena, "%9000d", 1));
    sv_arena_release(&arena);
    assert_int_equal(counting.live_bytes, 0);
}

static void test_arena_texts_and_arrays(void **state)
{
    (void)state;
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    assert_string_equal(sv_arena_copy_text(&arena, "hello world", 5), "hello");
    assert_string_equal(sv_arena_copy_text(&arena, NULL, 0), "");
    assert_string_equal(sv_arena_printf(&arena, "%s-%d", "a", 5), "a-5");
    int *array = NULL;
    uint32_t capacity = 0, count = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(
            sv_arena_grow(&arena, (void **)&array, &capacity, count, count + 1, sizeof *array));
        array[count++] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    assert_false(
        sv_arena_grow(&arena, (void **)&array, &capacity, count, UINT32_MAX, SIZE_MAX / 2));
    assert_int_equal(array[999], 999);
    sv_arena_release(&arena);
}

static void test_blob_counts_references(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_blob *blob;
    CHECK_OK(sv_blob_copy("abc", 3, "memory", &counting.allocator, &blob));
    assert_int_equal((uintptr_t)blob->data % 64, 0);
    assert_memory_equal(blob->data, "abc", 3);
    assert_string_equal(blob->origin, "memory");
    sv_blob_unref(sv_blob_ref(blob));
    assert_memory_equal(blob->data, "abc", 3);
    sv_blob_unref(blob);
    sv_blob_unref(NULL);
    assert_int_equal(counting.live_bytes, 0);
    CHECK_OK(sv_blob_copy(NULL, 0, "empty", NULL, &blob));
    assert_int_equal(blob->size, 0);
    sv_blob_unref(blob);
    uint8_t *data;
    CHECK_FAILS(sv_blob_create(SIZE_MAX - 4, "huge", NULL, &blob, &data),
                SV_CODE_RESOURCE_EXHAUSTED, "huge");
}

static int temporary_file(const char *text, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

static void test_blob_reads_files(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    const sv_allocator *allocator = &counting.allocator;
    int fd = temporary_file("0123456789", 10);
    sv_blob *blob = NULL;
    CHECK_OK(sv_blob_read_fd(fd, "f", 3, 4, 100, allocator, &blob));
    assert_int_equal(blob->size, 4);
    assert_int_equal(blob->origin_offset, 3);
    assert_memory_equal(blob->data, "3456", 4);
    sv_blob_unref(blob);
    CHECK_OK(sv_blob_read_fd(fd, "f", 10, SIZE_MAX, 0, allocator, &blob));
    assert_int_equal(blob->size, 0);
    sv_blob_unref(blob);
    /* A claim of 4 GiB on a file of ten bytes allocates nothing. */
    size_t calls = counting.calls;
    CHECK_FAILS(sv_blob_read_fd(fd, "f", 0, (size_t)4 << 30, SIZE_MAX, allocator, &blob),
                SV_CODE_DATA_LOSS, "found a file of 10 bytes");
    CHECK_FAILS(sv_blob_read_fd(fd, "f", 11, SIZE_MAX, 100, allocator, &blob), SV_CODE_DATA_LOSS,
                "11");
    CHECK_FAILS(sv_blob_read_fd(fd, "f", UINT64_MAX, 5, 100, allocator, &blob), SV_CODE_DATA_LOSS,
                "f:");
    CHECK_FAILS(sv_blob_read_fd(fd, "f", 0, SIZE_MAX, 9, allocator, &blob),
                SV_CODE_RESOURCE_EXHAUSTED, "at most 9 bytes");
    CHECK_FAILS(sv_blob_read_fd(-1, "f", 0, SIZE_MAX, 9, allocator, &blob), SV_CODE_UNAVAILABLE,
                "f:");
    assert_int_equal(counting.calls, calls);
    counting.fail_at = calls + 1;
    CHECK_FAILS(sv_blob_read_fd(fd, "f", 0, SIZE_MAX, 10, allocator, &blob),
                SV_CODE_RESOURCE_EXHAUSTED, "cannot allocate");
    close(fd);
    assert_int_equal(counting.live_bytes, 0);
}

static void test_blob_reads_streams(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    const size_t limits[] = {5, 4, SIZE_MAX};
    for (int i = 0; i < 3; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], "hello", 5), 5);
        close(ends[1]);
        sv_blob *blob = NULL;
        sv_status status =
            sv_blob_read_fd(ends[0], "pipe", 0, SIZE_MAX, limits[i], &counting.allocator, &blob);
        if (limits[i] < 5) {
            CHECK_FAILS(status, SV_CODE_RESOURCE_EXHAUSTED, "at most 4");
        } else {
            CHECK_OK(status);
            assert_int_equal(blob->size, 5);
            assert_memory_equal(blob->data, "hello", 5);
            sv_blob_unref(blob);
        }
        close(ends[0]);
    }
    sv_blob *blob;
    CHECK_OK(sv_blob_read_file("/proc/self/status", 1 << 20, &counting.allocator, &blob));
    assert_true(blob->size > 100);
    sv_blob_unref(blob);
    assert_int_equal(counting.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting_allocator),
        cmocka_unit_test(test_aligned_blocks),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_arena_holds_what_it_gave),
        cmocka_unit_test(test_arena_settles_after_a_reset),
        cmocka_unit_test(test_arena_limits_and_failures),
        cmocka_unit_test(test_arena_texts_and_arrays),
        cmocka_unit_test(test_blob_counts_references),
        cmocka_unit_test(test_blob_reads_files),
        cmocka_unit_test(test_blob_reads_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
