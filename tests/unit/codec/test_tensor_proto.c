/* TensorProto and its company: every element type in raw and typed form, borrowing, damage. */
#include "codec/tensor_proto.h"

#include "base/alloc.h"
#include "base/status.h"
#include "codec/tensor_proto_fields.h"
#include "support/check.h"
#include "wire/protobuf.h"

typedef struct fixture {
    sv_arena arena;
    sv_text text;
    sv_budget budget;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    sv_arena_init(&f->arena, NULL);
    sv_text_init(&f->text, NULL);
    f->budget = (sv_budget)SV_BUDGET_DEFAULT;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    sv_arena_release(&f->arena);
    sv_text_release(&f->text);
    free(f);
    return 0;
}

static sv_reader message_of(fixture *f)
{
    sv_reader reader;
    sv_reader_init(&reader, f->text.data, f->text.size, "test", 0, &f->budget);
    return reader;
}

static sv_status read_back(fixture *f, sv_tensor *out, sv_string *name)
{
    sv_tensor_source source = {.arena = &f->arena};
    sv_reader message = message_of(f);
    return sv_tensor_proto_read(&message, &source, out, name);
}

/* A tensor of five elements, the last value of which uses all bits of the type. */
static sv_tensor make_tensor(fixture *f, sv_dtype dtype)
{
    const sv_dtype_info *info = sv_dtype_get(dtype);
    sv_shape shape = sv_shape_make(2, (int64_t[]){1, 5});
    sv_tensor tensor;
    CHECK_OK(sv_tensor_create(&f->arena, dtype, &shape, &tensor));
    uint8_t *bytes = tensor.data;
    for (size_t i = 0; i < 5 * (size_t)info->size; i++)
        bytes[i] = (uint8_t)(i * 37 + 1);
    if (info->bits < 8 && dtype != SV_STRING)
        for (size_t i = 0; i < 5; i++) {
            unsigned mask = (1u << info->bits) - 1, value = bytes[i] & mask;
            bool negative = info->class_ == SV_CLASS_INT && value >> (info->bits - 1);
            bytes[i] = (uint8_t)(negative ? value | ~mask : value);
        }
    if (dtype == SV_BOOL)
        for (size_t i = 0; i < 5; i++)
            bytes[i] &= 1;
    if (dtype == SV_STRING) {
        static const sv_string texts[5] = {
            {"a", 1}, {"", 0}, {"\xc3\xa9", 2}, {"nul\0", 4}, {"z", 1}};
        memcpy(tensor.data, texts, sizeof texts);
    }
    return tensor;
}

static void assert_same(const sv_tensor *a, const sv_tensor *b)
{
    assert_int_equal(a->dtype, b->dtype);
    assert_true(sv_shape_equal(&a->shape, &b->shape));
    size_t count = (size_t)sv_tensor_count(a);
    if (a->dtype != SV_STRING) {
        assert_memory_equal(a->data, b->data, count * sv_dtype_get(a->dtype)->size);
        return;
    }
    const sv_string *x = a->data, *y = b->data;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(x[i].size, y[i].size);
        assert_memory_equal(x[i].data, y[i].data, x[i].size);
    }
}

static void every_type_survives_as_raw_data(void **state)
{
    fixture *f = *state;
    for (int dtype = 1; dtype < SV_DTYPE_COUNT; dtype++) {
        sv_tensor tensor = make_tensor(f, (sv_dtype)dtype), back;
        sv_string name;
        sv_text_clear(&f->text);
        sv_tensor_proto_write(&f->text, &tensor, "w");
        CHECK_OK(read_back(f, &back, &name));
        assert_same(&tensor, &back);
        assert_int_equal(name.size, 1);
    }
}

static uint64_t item_bits(const sv_tensor *tensor, size_t i, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, (const char *)tensor->data + i * size, size);
    return bits;
}

/* The typed data field as protobuf writers fill it: negative integers sign-extended to 64 bits. */
static void put_typed(sv_text *text, const sv_tensor *tensor, bool packed)
{
    const sv_dtype_info *info = sv_dtype_get(tensor->dtype);
    bool complex = info->class_ == SV_CLASS_COMPLEX;
    size_t size = complex ? info->size / 2 : info->size, count = complex ? 10 : 5;
    uint32_t number = SV_TENSOR_INT32_DATA, wire = SV_PB_VARINT;
    if (tensor->dtype == SV_F32 || tensor->dtype == SV_C64)
        number = SV_TENSOR_FLOAT_DATA, wire = SV_PB_FIXED32;
    if (tensor->dtype == SV_F64 || tensor->dtype == SV_C128)
        number = SV_TENSOR_DOUBLE_DATA, wire = SV_PB_FIXED64;
    if (tensor->dtype == SV_I64) number = SV_TENSOR_INT64_DATA;
    if (tensor->dtype == SV_U32 || tensor->dtype == SV_U64) number = SV_TENSOR_UINT64_DATA;
    size_t mark = packed ? sv_pb_begin(text, number) : 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = item_bits(tensor, i, size);
        if (info->class_ == SV_CLASS_INT && size < 8 && bits >> (8 * size - 1))
            bits |= ~(uint64_t)0 << (8 * size);
        if (info->bits < 8) { /* several elements in one item */
            size_t per = 8u / info->bits;
            bits = 0;
            for (size_t j = 0; j < per && i + j < count; j++)
                bits |= (item_bits(tensor, i + j, 1) & ((1u << info->bits) - 1))
                        << (j * info->bits);
            i += per - 1;
        }
        if (!packed) sv_pb_put_varint(text, (uint64_t)number << 3 | wire);
        if (wire == SV_PB_VARINT)
            sv_pb_put_varint(text, bits);
        else
            sv_text_append(text, &bits, wire == SV_PB_FIXED32 ? 4 : 8);
    }
    if (packed) sv_pb_end(text, mark);
}

static void every_type_is_read_from_typed_data(void **state)
{
    fixture *f = *state;
    for (int dtype = 1; dtype < SV_DTYPE_COUNT; dtype++) {
        if (dtype == SV_STRING) continue;
        for (int packed = 0; packed < 2; packed++) {
            sv_tensor tensor = make_tensor(f, (sv_dtype)dtype), back;
            sv_text_clear(&f->text);
            put_typed(&f->text, &tensor, packed);
            sv_pb_put_int(&f->text, SV_TENSOR_DATA_TYPE, dtype);
            sv_pb_put_int(&f->text, SV_TENSOR_DIMS, 1);
            sv_pb_put_int(&f->text, SV_TENSOR_DIMS, 5);
            CHECK_OK(read_back(f, &back, NULL));
            assert_same(&tensor, &back);
        }
    }
}

static void bools_become_zero_or_one(void **state)
{
    fixture *f = *state;
    sv_tensor back;
    sv_pb_put_int(&f->text, SV_TENSOR_DIMS, 4);
    sv_pb_put_int(&f->text, SV_TENSOR_DATA_TYPE, SV_BOOL);
    sv_pb_put_bytes(&f->text, SV_TENSOR_RAW_DATA, "\0\1\2\xff", 4);
    sv_blob *blob;
    CHECK_OK(sv_blob_copy(f->text.data, f->text.size, "b", NULL, &blob));
    sv_reader message;
    sv_reader_init(&message, blob->data, blob->size, "test", 0, NULL);
    CHECK_OK(sv_tensor_proto_read(&message, &(sv_tensor_source){.arena = &f->arena, .blob = blob},
                                  &back, NULL));
    assert_memory_equal(back.data, "\0\1\1\1", 4);
    assert_null(back.blob);
    sv_blob_unref(blob);
}

/* `pad` bytes of an unknown field move the data through all alignments. */
static void aligned_data_stay_in_the_blob(void **state)
{
    fixture *f = *state;
    int borrowed = 0;
    for (size_t pad = 0; pad < 8; pad++) {
        const float data[3] = {1, 2, 3};
        sv_text_clear(&f->text);
        sv_pb_put_bytes(&f->text, 100, "12345678", pad);
        sv_pb_put_int(&f->text, SV_TENSOR_DIMS, 3);
        sv_pb_put_int(&f->text, SV_TENSOR_DATA_TYPE, SV_F32);
        sv_pb_put_bytes(&f->text, SV_TENSOR_RAW_DATA, data, sizeof data);
        sv_blob *blob;
        CHECK_OK(sv_blob_copy(f->text.data, f->text.size, "b", NULL, &blob));
        sv_reader message;
        sv_reader_init(&message, blob->data, blob->size, "test", 0, NULL);
        sv_tensor_source source = {.arena = &f->arena, .blob = blob};
        sv_tensor back;
        CHECK_OK(sv_tensor_proto_read(&message, &source, &back, NULL));
        assert_memory_equal(back.data, data, sizeof data);
        assert_int_equal((uintptr_t)back.data % sizeof(float), 0);
        bool inside = (const uint8_t *)back.data >= blob->data &&
                      (const uint8_t *)back.data < blob->data + blob->size;
        assert_int_equal(back.blob == blob, inside);
        borrowed += inside;
        sv_blob_unref(blob);
    }
    assert_int_equal(borrowed, 2);
}

static sv_status give_memory(void *self, size_t size, sv_blob **blob, uint8_t **data)
{
    SV_TRY(sv_blob_create(size, "own", NULL, blob, data));
    *(sv_blob **)self = *blob;
    return SV_OK;
}

/* Large data that cannot stay get a blob of their own, and leave the first one's pages. */
static void large_data_move_to_a_blob_of_their_own(void **state)
{
    fixture *f = *state;
    enum { COUNT = 100000 };
    float *data = calloc(COUNT, sizeof *data);
    data[0] = 1;
    data[COUNT / 2] = 2;
    data[COUNT - 1] = 3;
    for (size_t pad = 0; pad < 4; pad++) {
        sv_text_clear(&f->text);
        sv_pb_put_bytes(&f->text, 100, "12345678", pad);
        sv_pb_put_int(&f->text, SV_TENSOR_DIMS, COUNT);
        sv_pb_put_int(&f->text, SV_TENSOR_DATA_TYPE, SV_F32);
        sv_pb_put_bytes(&f->text, SV_TENSOR_RAW_DATA, data, COUNT * sizeof *data);
        sv_blob *blob, *own = NULL;
        CHECK_OK(sv_blob_copy(f->text.data, f->text.size, "b", NULL, &blob));
        sv_reader message;
        sv_reader_init(&message, blob->data, blob->size, "test", 0, NULL);
        sv_tensor_source source = {
            .arena = &f->arena, .blob = blob, .consume = true, .memory = give_memory, .self = &own};
        sv_tensor back;
        CHECK_OK(sv_tensor_proto_read(&message, &source, &back, NULL));
        assert_memory_equal(back.data, data, COUNT * sizeof *data);
        assert_ptr_equal(back.blob, own ? own : blob);
        sv_blob_unref(own);
        sv_blob_unref(blob);
    }
    free(data);
}

static sv_status give_external(void *self, const sv_tensor_external *where, const uint8_t **data,
                               sv_blob **blob)
{
    assert_int_equal(where->offset, 8);
    assert_int_equal(where->length, 4);
    assert_memory_equal(where->location.data, "side.bin", where->location.size);
    *data = self;
    *blob = NULL;
    return SV_OK;
}

static void put_entry(sv_text *text, const char *key, const char *value)
{
    size_t mark = sv_pb_begin(text, SV_TENSOR_EXTERNAL_DATA);
    sv_pb_put_text(text, SV_STRING_ENTRY_KEY, key);
    sv_pb_put_text(text, SV_STRING_ENTRY_VALUE, value);
    sv_pb_end(text, mark);
}

static void put_external(sv_text *text, const char *offset, const char *length)
{
    sv_text_clear(text);
    sv_pb_put_int(text, SV_TENSOR_DATA_TYPE, SV_I32);
    sv_pb_put_int(text, SV_TENSOR_DIMS, 1);
    sv_pb_put_int(text, SV_TENSOR_DATA_LOCATION, SV_LOCATION_EXTERNAL);
    put_entry(text, "location", "side.bin");
    put_entry(text, "offset", offset);
    if (length) put_entry(text, "length", length);
}

static void external_data_come_from_the_caller(void **state)
{
    fixture *f = *state;
    int32_t value = 77;
    sv_tensor_source source = {.arena = &f->arena, .external = give_external, .self = &value};
    sv_tensor back;
    for (int with_length = 0; with_length < 2; with_length++) {
        put_external(&f->text, "8", with_length ? "4" : NULL);
        sv_reader message = message_of(f);
        CHECK_OK(sv_tensor_proto_read(&message, &source, &back, NULL));
        assert_int_equal(*(int32_t *)back.data, 77);
    }
    CHECK_FAILS(read_back(f, &back, NULL), SV_CODE_UNIMPLEMENTED, "another file");
    const char *bad[] = {"-8", "", "8x", "99999999999999999999999"};
    for (size_t i = 0; i < 4; i++) {
        put_external(&f->text, bad[i], "4");
        CHECK_FAILS(read_back(f, &back, NULL), SV_CODE_INVALID_ARGUMENT, "no number of bytes");
    }
    put_external(&f->text, "8", "5");
    CHECK_FAILS(read_back(f, &back, NULL), SV_CODE_INVALID_ARGUMENT, "takes 4 bytes");
}

/* ---- damage -------------------------------------------------------------------------------- */

static void a_tiny_tensor_that_claims_much_takes_nothing(void **state)
{
    (void)state;
    /* dims 1073741824, float32, name "w", empty raw_data: 18 bytes for 4 GiB. */
    const uint8_t data[18] = {0x08, 0x80, 0x80, 0x80, 0x80, 0x04, 0x10, 0x01, 0x42,
                              0x01, 'w',  0x4a, 0x00, 0x6a, 0x00, 0x6a, 0x00, 0x00};
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_arena arena;
    sv_arena_init(&arena, &counting.allocator);
    for (size_t size = 11; size <= 17; size += 2) {
        sv_reader message;
        sv_tensor out;
        sv_reader_init(&message, data, size, "test", 0, NULL);
        CHECK_FAILS(
            sv_tensor_proto_read(&message, &(sv_tensor_source){.arena = &arena}, &out, NULL),
            SV_CODE_INVALID_ARGUMENT, "tensor 'w': float32[1073741824] takes");
    }
    assert_int_equal(counting.calls, 0);
    sv_arena_release(&arena);
}

typedef struct damage {
    int64_t dims[9];
    int n_dims;
    int dtype;
    uint32_t field; /* of bytes; 0: none */
    const char *data;
    size_t size;
    sv_code code;
    const char *message;
} damage;

static void damaged_tensors_are_named(void **state)
{
    fixture *f = *state;
    static const damage rows[] = {
        {{2}, 1, 0, 9, "12345678", 8, SV_CODE_INVALID_ARGUMENT, "0 is no element type"},
        {{2}, 1, 27, 9, "12345678", 8, SV_CODE_INVALID_ARGUMENT, "27 is no element type"},
        {{2}, 1, -1, 9, "12345678", 8, SV_CODE_INVALID_ARGUMENT, "-1 is no element type"},
        {{-2}, 1, SV_F32, 9, "12345678", 8, SV_CODE_INVALID_ARGUMENT, "-2 is negative"},
        {{2},
         1,
         SV_F32,
         9,
         "1234567",
         7,
         SV_CODE_INVALID_ARGUMENT,
         "takes 8 bytes, raw_data has 7"},
        {{2}, 1, SV_F32, 9, "123456789", 9, SV_CODE_INVALID_ARGUMENT, "raw_data has 9"},
        {{3}, 1, SV_I4, 9, "1", 1, SV_CODE_INVALID_ARGUMENT, "takes 2 bytes"},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1},
         9,
         SV_F32,
         9,
         "1234",
         4,
         SV_CODE_INVALID_ARGUMENT,
         "more than 8 dimensions"},
        {{(int64_t)1 << 40, (int64_t)1 << 40},
         2,
         SV_F32,
         9,
         "",
         0,
         SV_CODE_RESOURCE_EXHAUSTED,
         "tensor 't'"},
        {{INT64_MAX}, 1, SV_F64, 9, "", 0, SV_CODE_RESOURCE_EXHAUSTED, "tensor 't'"},
        {{2},
         1,
         SV_F32,
         4,
         "12345678abcd",
         12,
         SV_CODE_INVALID_ARGUMENT,
         "takes 2 items, float_data"},
        {{2},
         1,
         SV_F32,
         5,
         "12",
         2,
         SV_CODE_INVALID_ARGUMENT,
         "lie in float_data, not in int32_data"},
        {{2}, 1, SV_F32, 4, "1234567", 7, SV_CODE_INVALID_ARGUMENT, "no whole number"},
        {{2}, 1, SV_C64, 4, "12345678", 8, SV_CODE_INVALID_ARGUMENT, "takes 4 items"},
        {{2},
         1,
         SV_I64,
         7,
         "1\xff",
         2,
         SV_CODE_INVALID_ARGUMENT,
         "takes 2 items, int64_data has 1"},
        {{1}, 1, SV_I64, 7, "1\xff", 2, SV_CODE_INVALID_ARGUMENT, "ends inside a varint"},
        {{2}, 1, SV_STRING, 9, "ab", 2, SV_CODE_INVALID_ARGUMENT, "strings lie in string_data"},
        {{2}, 1, SV_STRING, 6, "ab", 2, SV_CODE_INVALID_ARGUMENT, "string_data has 1"},
        {{2}, 1, SV_F32, 3, "", 0, SV_CODE_INVALID_ARGUMENT, "segmented"},
        {{2}, 1, SV_F32, 0, "", 0, SV_CODE_INVALID_ARGUMENT, "takes 2 items, float_data has 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const damage *row = &rows[i];
        sv_tensor out;
        sv_text_clear(&f->text);
        for (int d = 0; d < row->n_dims; d++)
            sv_pb_put_int(&f->text, SV_TENSOR_DIMS, row->dims[d]);
        sv_pb_put_int(&f->text, SV_TENSOR_DATA_TYPE, row->dtype);
        if (row->field) sv_pb_put_bytes(&f->text, row->field, row->data, row->size);
        sv_pb_put_text(&f->text, SV_TENSOR_NAME, "t");
        CHECK_FAILS(read_back(f, &out, NULL), row->code, row->message);
    }
}

static void data_are_taken_from_the_budget(void **state)
{
    fixture *f = *state;
    sv_tensor tensor = make_tensor(f, SV_F32), back;
    sv_tensor_proto_write(&f->text, &tensor, "w");
    f->budget.bytes = 19;
    CHECK_FAILS(read_back(f, &back, NULL), SV_CODE_RESOURCE_EXHAUSTED, "tensor 'w'");
    f->budget.bytes = 20;
    CHECK_OK(read_back(f, &back, NULL));
    assert_int_equal(f->budget.bytes, 0);
}

/* ---- sequences, optionals, maps ------------------------------------------------------------ */

static sv_status datum_back(fixture *f, sv_kind kind, sv_datum *out)
{
    sv_tensor_source source = {.arena = &f->arena};
    sv_reader message = message_of(f);
    return sv_datum_proto_read(&message, kind, &source, out, NULL);
}

static void sequences_optionals_and_maps_survive(void **state)
{
    fixture *f = *state;
    sv_datum tensors[2] = {{.kind = SV_KIND_TENSOR, .tensor = make_tensor(f, SV_F32)},
                           {.kind = SV_KIND_TENSOR, .tensor = make_tensor(f, SV_F32)}};
    sv_datum sequence = {.kind = SV_KIND_SEQUENCE, .count = 2, .item = tensors};
    sv_datum optional = {.kind = SV_KIND_OPTIONAL, .count = 1, .item = &sequence}, back;
    sv_datum_proto_write(&f->text, &optional, "o");
    CHECK_OK(datum_back(f, SV_KIND_OPTIONAL, &back));
    assert_int_equal(back.count, 1);
    assert_int_equal(back.element_dtype, SV_F32);
    assert_int_equal(back.item[0].kind, SV_KIND_SEQUENCE);
    assert_int_equal(back.item[0].count, 2);
    assert_same(&back.item[0].item[1].tensor, &tensors[1].tensor);

    sv_text_clear(&f->text);
    sv_datum_proto_write(&f->text, &(sv_datum){.kind = SV_KIND_OPTIONAL}, "");
    CHECK_OK(datum_back(f, SV_KIND_OPTIONAL, &back));
    assert_int_equal(back.count, 0);

    const sv_dtype keys[] = {SV_I64, SV_I8, SV_U32};
    for (size_t i = 0; i < 3; i++) {
        sv_shape two = sv_shape_make(1, (int64_t[]){2});
        sv_datum map = {.kind = SV_KIND_MAP, .count = 2, .item = tensors};
        CHECK_OK(sv_tensor_create(&f->arena, keys[i], &two, &map.keys));
        sv_scalar_set_i64(keys[i], map.keys.data, 100);
        sv_text_clear(&f->text);
        sv_datum_proto_write(&f->text, &map, "m");
        CHECK_OK(datum_back(f, SV_KIND_MAP, &back));
        assert_int_equal(back.count, 2);
        assert_int_equal(back.keys.dtype, keys[i]);
        assert_same(&back.keys, &map.keys);
        assert_same(&back.item[1].tensor, &tensors[1].tensor);
    }
    sv_string names[2] = {{"x", 1}, {"yy", 2}};
    sv_datum map = {.kind = SV_KIND_MAP,
                    .count = 2,
                    .item = tensors,
                    .keys = {SV_STRING, sv_shape_make(1, (int64_t[]){2}), names, NULL}};
    sv_text_clear(&f->text);
    sv_datum_proto_write(&f->text, &map, "m");
    CHECK_OK(datum_back(f, SV_KIND_MAP, &back));
    assert_same(&back.keys, &map.keys);
}

static void damaged_data_are_refused(void **state)
{
    fixture *f = *state;
    sv_datum back;
    for (int i = 0; i < 200; i++) { /* sequences in sequences */
        sv_text deeper;
        sv_text_init(&deeper, NULL);
        sv_pb_put_bytes(&deeper, SV_DATUM_SEQUENCE, f->text.data, f->text.size);
        sv_text_release(&f->text);
        f->text = deeper;
    }
    CHECK_FAILS(datum_back(f, SV_KIND_SEQUENCE, &back), SV_CODE_INVALID_ARGUMENT, "deep");
    sv_text_clear(&f->text);
    sv_pb_put_int(&f->text, SV_DATUM_ELEMENT_TYPE, SV_ELEMENT_TENSOR);
    sv_pb_put_bytes(&f->text, SV_DATUM_SEQUENCE, "", 0);
    CHECK_FAILS(datum_back(f, SV_KIND_SEQUENCE, &back), SV_CODE_INVALID_ARGUMENT, "declared type");
    sv_pb_put_bytes(&f->text, SV_DATUM_TENSOR, "", 0);
    CHECK_FAILS(datum_back(f, SV_KIND_SEQUENCE, &back), SV_CODE_INVALID_ARGUMENT, "two kinds");
    sv_text_clear(&f->text);
    sv_pb_put_bytes(&f->text, SV_DATUM_SEQUENCE, "", 0);
    sv_pb_put_bytes(&f->text, SV_DATUM_SEQUENCE, "", 0);
    CHECK_FAILS(datum_back(f, SV_KIND_OPTIONAL, &back), SV_CODE_INVALID_ARGUMENT, "2 elements");
    sv_text_clear(&f->text);
    sv_pb_put_int(&f->text, SV_MAP_KEY_TYPE, SV_F32);
    CHECK_FAILS(datum_back(f, SV_KIND_MAP, &back), SV_CODE_INVALID_ARGUMENT, "map keys of type 1");
    sv_text_clear(&f->text);
    sv_pb_put_int(&f->text, SV_MAP_KEY_TYPE, SV_I64);
    sv_pb_put_int(&f->text, SV_MAP_KEYS, 5);
    CHECK_FAILS(datum_back(f, SV_KIND_MAP, &back), SV_CODE_INVALID_ARGUMENT, "1 keys and 0 values");
    sv_pb_put_text(&f->text, SV_MAP_STRING_KEYS, "x");
    CHECK_FAILS(datum_back(f, SV_KIND_MAP, &back), SV_CODE_INVALID_ARGUMENT, "declared type 7");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_type_survives_as_raw_data),
        TEST(every_type_is_read_from_typed_data),
        TEST(bools_become_zero_or_one),
        TEST(aligned_data_stay_in_the_blob),
        TEST(large_data_move_to_a_blob_of_their_own),
        TEST(external_data_come_from_the_caller),
        TEST(a_tiny_tensor_that_claims_much_takes_nothing),
        TEST(damaged_tensors_are_named),
        TEST(data_are_taken_from_the_budget),
        TEST(sequences_optionals_and_maps_survive),
        TEST(damaged_data_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
