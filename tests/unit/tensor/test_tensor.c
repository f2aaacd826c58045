/* Shapes, tensors, views, hashes and data. */
#include "base/alloc.h"
#include "support/check.h"
#include "tensor/datum.h"
#include "tensor/tensor.h"

static sv_shape shape_of(int32_t rank, int64_t a, int64_t b, int64_t c)
{
    int64_t dim[3] = {a, b, c};
    return sv_shape_make(rank, dim);
}

static void test_counts(void **state)
{
    (void)state;
    int64_t count = -7;
    sv_shape s = shape_of(3, 2, 3, 4);
    assert_true(sv_shape_count(&s, &count));
    assert_int_equal(count, 24);
    assert_true(sv_shape_count_range(&s, 1, 3, &count));
    assert_int_equal(count, 12);
    s = shape_of(0, 0, 0, 0);
    assert_true(sv_shape_count(&s, &count));
    assert_int_equal(count, 1);
    s = shape_of(3, (int64_t)1 << 40, (int64_t)1 << 40, 0);
    assert_true(sv_shape_count(&s, &count));
    assert_int_equal(count, 0);
    s = shape_of(2, (int64_t)1 << 40, (int64_t)1 << 40, 0);
    assert_false(sv_shape_count(&s, &count));
    s = shape_of(1, ((int64_t)1 << 62) + 1, 0, 0);
    assert_false(sv_shape_count(&s, &count));
    s = shape_of(2, 3, -1, 0);
    assert_false(sv_shape_count(&s, &count));
    assert_false(sv_shape_known(&s));
    s = sv_shape_unknown();
    assert_false(sv_shape_count(&s, &count));
    assert_false(sv_shape_known(&s));
}

static void test_axes_strides_text(void **state)
{
    (void)state;
    sv_shape s = shape_of(3, 2, 3, 4), t = shape_of(3, 2, 3, 4);
    int64_t stride[SV_MAX_RANK];
    int32_t axis = 9;
    char text[SV_SHAPE_TEXT];
    sv_shape_strides(&s, stride);
    assert_int_equal(stride[0], 12);
    assert_int_equal(stride[2], 1);
    assert_true(sv_shape_axis(&s, -1, &axis));
    assert_int_equal(axis, 2);
    assert_false(sv_shape_axis(&s, 3, &axis));
    assert_false(sv_shape_axis(&s, -4, &axis));
    assert_false(sv_shape_axis(&s, INT64_MIN, &axis));
    assert_true(sv_shape_equal(&s, &t));
    t.dim[1] = -5;
    assert_false(sv_shape_equal(&s, &t));
    assert_string_equal(sv_shape_text(&t, text), "[2,?,4]");
    t = sv_shape_unknown();
    assert_string_equal(sv_shape_text(&t, text), "unknown");
    t.rank = SV_MAX_RANK;
    for (int i = 0; i < SV_MAX_RANK; i++)
        t.dim[i] = INT64_MAX;
    assert_int_equal(strlen(sv_shape_text(&t, text)), 2 + 7 + 8 * 19);
}

static void check_broadcast(sv_shape a, sv_shape b, bool fits, sv_shape expected)
{
    sv_shape out;
    assert_int_equal(sv_shape_broadcast(&a, &b, -99, &out), fits);
    if (fits) assert_true(sv_shape_equal(&out, &expected));
    assert_int_equal(sv_shape_broadcast(&b, &a, -99, &out), fits);
    if (fits) assert_true(sv_shape_equal(&out, &expected));
}

static void test_broadcasting(void **state)
{
    (void)state;
    sv_shape none = sv_shape_unknown(), scalar = shape_of(0, 0, 0, 0);
    check_broadcast(shape_of(3, 2, 3, 4), shape_of(1, 4, 0, 0), true, shape_of(3, 2, 3, 4));
    check_broadcast(shape_of(2, 2, 1, 0), shape_of(2, 1, 5, 0), true, shape_of(2, 2, 5, 0));
    check_broadcast(shape_of(1, 3, 0, 0), shape_of(1, 4, 0, 0), false, none);
    check_broadcast(shape_of(1, 0, 0, 0), shape_of(1, 1, 0, 0), true, shape_of(1, 0, 0, 0));
    check_broadcast(shape_of(1, 0, 0, 0), shape_of(1, 2, 0, 0), false, none);
    check_broadcast(shape_of(1, -2, 0, 0), shape_of(1, 1, 0, 0), true, shape_of(1, -2, 0, 0));
    check_broadcast(shape_of(1, -2, 0, 0), shape_of(1, 7, 0, 0), true, shape_of(1, 7, 0, 0));
    check_broadcast(shape_of(1, -2, 0, 0), shape_of(1, -2, 0, 0), true, shape_of(1, -2, 0, 0));
    check_broadcast(shape_of(1, -2, 0, 0), shape_of(1, -3, 0, 0), true, shape_of(1, -99, 0, 0));
    check_broadcast(scalar, shape_of(2, -2, 3, 0), true, shape_of(2, -2, 3, 0));
    check_broadcast(none, shape_of(1, 3, 0, 0), true, none);
}

static void test_type_bytes(void **state)
{
    (void)state;
    size_t bytes = 5;
    sv_type type = {SV_F32, shape_of(3, 2, 3, 4)};
    CHECK_OK(sv_type_bytes(&type, "w", &bytes));
    assert_int_equal(bytes, 96);
    type.dtype = SV_U4;
    CHECK_OK(sv_type_bytes(&type, "w", &bytes));
    assert_int_equal(bytes, 24);
    type = (sv_type){SV_F64, shape_of(2, (int64_t)1 << 31, (int64_t)1 << 30, 0)};
    CHECK_FAILS(sv_type_bytes(&type, "w", &bytes), SV_CODE_RESOURCE_EXHAUSTED,
                "w: a float64 tensor");
    type = (sv_type){SV_F64, shape_of(1, -1, 0, 0)};
    CHECK_FAILS(sv_type_bytes(&type, "w", &bytes), SV_CODE_INVALID_ARGUMENT, "found [?]");
    type = (sv_type){(sv_dtype)77, shape_of(1, 1, 0, 0)};
    CHECK_FAILS(sv_type_bytes(&type, "w", &bytes), SV_CODE_INVALID_ARGUMENT, "number 77");
    assert_int_equal(bytes, 24);
}

static void test_create_and_copy(void **state)
{
    (void)state;
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    sv_shape shape = shape_of(2, 2, 2, 0);
    sv_tensor tensor, copy;
    CHECK_OK(sv_tensor_create(&arena, SV_I16, &shape, &tensor));
    int16_t *data = tensor.data;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(data[i], 0);
        data[i] = (int16_t)(i - 2);
    }
    CHECK_OK(sv_tensor_copy(&arena, &tensor, &copy));
    assert_ptr_not_equal(copy.data, tensor.data);
    assert_int_equal(sv_tensor_get_i64(&copy, 0), -2);
    assert_true(sv_tensor_get_f64(&copy, 3) == 1.0);
    assert_int_equal(sv_tensor_count(&copy), 4);
    char letters[] = "abc";
    sv_string strings[2] = {{letters, 3}, {NULL, 0}};
    shape = shape_of(1, 2, 0, 0);
    tensor = (sv_tensor){.dtype = SV_STRING, .shape = shape, .data = strings};
    CHECK_OK(sv_tensor_copy(&arena, &tensor, &copy));
    letters[0] = 'X';
    assert_memory_equal(((sv_string *)copy.data)[0].data, "abc", 3);
    assert_int_equal(((sv_string *)copy.data)[1].size, 0);
    arena.limit = arena.bytes;
    shape = shape_of(1, 1 << 20, 0, 0);
    CHECK_FAILS(sv_tensor_create(&arena, SV_F32, &shape, &tensor), SV_CODE_RESOURCE_EXHAUSTED,
                "tensor");
    sv_arena_release(&arena);
}

/* Every permutation of three axes, by sv_view_copy and element by element. */
static void check_permuted_copy(sv_dtype dtype, const int *axis)
{
    enum { A = 3, B = 4, C = 5, COUNT = A * B * C };
    static uint8_t from_data[COUNT * 16], to_data[COUNT * 16];
    size_t size = sv_dtype_get(dtype)->size;
    for (size_t i = 0; i < sizeof from_data; i++)
        from_data[i] = (uint8_t)(i * 7 + i / 256);
    sv_tensor from_tensor = {.dtype = dtype, .shape = shape_of(3, A, B, C), .data = from_data};
    sv_view from = sv_tensor_view(&from_tensor), turned = from;
    for (int i = 0; i < 3; i++) {
        turned.dim[i] = from.dim[axis[i]];
        turned.stride[i] = from.stride[axis[i]];
    }
    sv_tensor to_tensor = {.dtype = dtype, .shape = sv_shape_make(3, turned.dim), .data = to_data};
    sv_view to = sv_tensor_view(&to_tensor);
    memset(to_data, 0, sizeof to_data);
    sv_view_copy(&to, &turned);
    int64_t index[SV_MAX_RANK] = {0};
    do
        assert_memory_equal(sv_view_at(&to, index), sv_view_at(&turned, index), size);
    while (sv_index_next(3, to.dim, index));
    if (size * COUNT < sizeof to_data) assert_int_equal(to_data[size * COUNT], 0);
}

static void test_view_copies(void **state)
{
    (void)state;
    const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const sv_dtype types[] = {SV_U8, SV_F16, SV_F32, SV_F64, SV_C128};
    for (int t = 0; t < 5; t++)
        for (int i = 0; i < 6; i++)
            check_permuted_copy(types[t], orders[i]);
}

static void test_view_copy_edges(void **state)
{
    (void)state;
    float one = 3, many[6] = {0};
    sv_view from = {.data = &one, .dtype = SV_F32, .rank = 2, .dim = {2, 3}};
    sv_view to = {.data = many, .dtype = SV_F32, .rank = 2, .dim = {2, 3}, .stride = {3, 1}};
    sv_view_copy(&to, &from); /* strides of 0: a broadcast */
    for (int i = 0; i < 6; i++)
        assert_true(many[i] == 3);
    one = 4;
    from.rank = to.rank = 0;
    sv_view_copy(&to, &from);
    assert_true(many[0] == 4 && many[1] == 3);
    from.rank = to.rank = 2;
    from.dim[1] = to.dim[1] = 0;
    one = 5;
    sv_view_copy(&to, &from);
    assert_true(many[0] == 4);
    /* Backwards, as Slice with a negative step makes them. */
    float line[3] = {1, 2, 3};
    from = (sv_view){.data = &line[2], .dtype = SV_F32, .rank = 1, .dim = {3}, .stride = {-1}};
    to = (sv_view){.data = many, .dtype = SV_F32, .rank = 1, .dim = {3}, .stride = {1}};
    sv_view_copy(&to, &from);
    assert_true(many[0] == 3 && many[1] == 2 && many[2] == 1);
}

static void test_hashes_tell_apart(void **state)
{
    (void)state;
    uint8_t bytes[100] = {0};
    uint64_t seen[101];
    for (size_t size = 0; size <= 100; size++) {
        seen[size] = sv_hash_bytes(1, bytes, size);
        for (size_t i = 0; i < size; i++)
            assert_true(seen[i] != seen[size]);
    }
    uint64_t before = sv_hash_bytes(1, bytes, 100);
    for (int i = 0; i < 800; i++) {
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_true(sv_hash_bytes(1, bytes, 100) != before);
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_true(sv_hash_bytes(2, bytes, 100) != before);
    assert_true(sv_hash_bytes(0, NULL, 0) != sv_hash_bytes(1, NULL, 0));
    float data[4] = {1, 2, 3, 4};
    sv_tensor a = {.dtype = SV_F32, .shape = shape_of(2, 2, 2, 0), .data = data}, b = a;
    assert_true(sv_tensor_hash(&a) == sv_tensor_hash(&b));
    b.shape = shape_of(1, 4, 0, 0);
    assert_true(sv_tensor_hash(&a) != sv_tensor_hash(&b));
    b = a;
    b.dtype = SV_I32;
    assert_true(sv_tensor_hash(&a) != sv_tensor_hash(&b));
    char other[] = "ab";
    sv_string x[2] = {{"ab", 2}, {"c", 1}}, y[2] = {{other, 2}, {"c", 1}},
              z[2] = {{"a", 1}, {"bc", 2}};
    a = (sv_tensor){.dtype = SV_STRING, .shape = shape_of(1, 2, 0, 0), .data = x};
    b = a;
    b.data = y;
    assert_true(sv_tensor_hash(&a) == sv_tensor_hash(&b));
    b.data = z;
    assert_true(sv_tensor_hash(&a) != sv_tensor_hash(&b));
}

static sv_datum map_of(sv_datum *values, int64_t *keys, int64_t *numbers)
{
    for (int i = 0; i < 2; i++) {
        keys[i] = 10 + i;
        numbers[i] = 20 + i;
        values[i] =
            (sv_datum){.kind = SV_KIND_TENSOR,
                       .tensor = {.dtype = SV_I64, .shape = {.rank = 0}, .data = &numbers[i]}};
    }
    sv_tensor key_tensor = {.dtype = SV_I64, .shape = shape_of(1, 2, 0, 0), .data = keys};
    return (sv_datum){.kind = SV_KIND_MAP,
                      .element_dtype = SV_I64,
                      .count = 2,
                      .item = values,
                      .keys = key_tensor};
}

static void test_data_copies_deeply(void **state)
{
    (void)state;
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    int64_t keys[2], numbers[2];
    sv_datum values[2], map = map_of(values, keys, numbers), copy;
    sv_datum list = {.kind = SV_KIND_SEQUENCE, .count = 1, .item = &map};
    CHECK_OK(sv_datum_copy(&arena, &list, &copy));
    numbers[1] = keys[0] = 0;
    assert_int_equal(copy.kind, SV_KIND_SEQUENCE);
    assert_int_equal(copy.item[0].count, 2);
    assert_int_equal(sv_tensor_get_i64(&copy.item[0].keys, 0), 10);
    assert_int_equal(sv_tensor_get_i64(&copy.item[0].item[1].tensor, 0), 21);
    sv_datum empty = {.kind = SV_KIND_OPTIONAL, .element_dtype = SV_F32};
    CHECK_OK(sv_datum_copy(&arena, &empty, &copy));
    assert_int_equal(copy.count, 0);
    assert_int_equal(copy.element_dtype, SV_F32);
    sv_datum deep[100];
    for (int i = 0; i < 100; i++)
        deep[i] =
            (sv_datum){.kind = SV_KIND_OPTIONAL, .count = i < 99, .item = &deep[i + (i < 99)]};
    CHECK_FAILS(sv_datum_copy(&arena, &deep[0], &copy), SV_CODE_INVALID_ARGUMENT, "levels");
    assert_string_equal(sv_kind_name(SV_KIND_MAP), "map");
    assert_string_equal(sv_kind_name((sv_kind)9), "unknown");
    sv_arena_release(&arena);
}

static void test_copies_fail_cleanly(void **state)
{
    (void)state;
    int64_t keys[2], numbers[2];
    sv_datum values[2], map = map_of(values, keys, numbers), copy;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_arena arena;
    sv_arena_init(&arena, &counting.allocator);
    counting.fail_at = 1;
    CHECK_FAILS(sv_datum_copy(&arena, &map, &copy), SV_CODE_RESOURCE_EXHAUSTED, "cannot allocate");
    sv_arena_release(&arena);
    /* The other allocations of a copy lie behind the arena's first block. */
    for (size_t room = 16; room < 2000; room += 16) {
        counting.fail_at = 0;
        sv_arena_init(&arena, &counting.allocator);
        assert_non_null(sv_arena_alloc(&arena, 1));
        assert_non_null(sv_arena_alloc(&arena, (size_t)(arena.end - arena.at) - room));
        counting.fail_at = counting.calls + 1;
        sv_status status = sv_datum_copy(&arena, &map, &copy);
        if (status) assert_int_equal(sv_status_code(status), SV_CODE_RESOURCE_EXHAUSTED);
        sv_status_free(status);
        sv_arena_release(&arena);
    }
    assert_int_equal(counting.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_axes_strides_text),
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_type_bytes),
        cmocka_unit_test(test_create_and_copy),
        cmocka_unit_test(test_view_copies),
        cmocka_unit_test(test_view_copy_edges),
        cmocka_unit_test(test_hashes_tell_apart),
        cmocka_unit_test(test_data_copies_deeply),
        cmocka_unit_test(test_copies_fail_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
