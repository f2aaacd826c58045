/* JSON arrays to tensors and back. */
#include "base/alloc.h"
#include "codec/json_tensor.h"
#include "support/check.h"

#include <math.h>
#include <stdio.h>

/* A reading of one text: what it needs lives until it is released. The text is copied so that ASan
 * sees its end. */
typedef struct {
    sv_arena arena;
    char *text;
    sv_json json;
    sv_tensor tensor;
} reading;

static sv_status read_with(reading *r, const char *text, sv_dtype dtype, bool non_finite,
                           const sv_json_tensor_options *options)
{
    size_t size = strlen(text);
    sv_arena_init(&r->arena, NULL);
    r->text = malloc(size + !size);
    memcpy(r->text, text, size);
    sv_json_init(&r->json, r->text, size, "body", &r->arena, NULL);
    r->json.allow_non_finite = non_finite;
    return sv_json_tensor_read_arena(&r->json, dtype, options, &r->arena, &r->tensor);
}

static void end(reading *r)
{
    sv_arena_release(&r->arena);
    free(r->text);
}

/* The text becomes a tensor of this shape, and that prints as `expected`. */
static void check(const char *text, sv_dtype dtype, const char *shape, const char *expected)
{
    reading r;
    char found[SV_SHAPE_TEXT];
    sv_text out;
    sv_text_init(&out, NULL);
    CHECK_OK(read_with(&r, text, dtype, true, NULL));
    CHECK_OK(sv_json_end(&r.json));
    assert_string_equal(sv_shape_text(&r.tensor.shape, found), shape);
    if (dtype) assert_int_equal(r.tensor.dtype, dtype);
    CHECK_OK(sv_json_tensor_write(&out, &r.tensor, NULL));
    assert_string_equal(out.data, expected);
    sv_text_release(&out);
    end(&r);
}

static void refuse(const char *text, sv_dtype dtype, const char *message)
{
    reading r;
    CHECK_FAILS(read_with(&r, text, dtype, false, NULL), SV_CODE_INVALID_ARGUMENT, message);
    end(&r);
}

static void test_shapes(void **state)
{
    (void)state;
    check("1.5", SV_F32, "[]", "1.5");
    check("[]", SV_F32, "[0]", "[]");
    check("[[],[]]", SV_F32, "[2,0]", "[[],[]]");
    check("[1,2,3]", SV_F32, "[3]", "[1.0,2.0,3.0]");
    check(" [ [1, 2] ,\n[3, 4],[5,6] ] ", SV_F32, "[3,2]", "[[1.0,2.0],[3.0,4.0],[5.0,6.0]]");
    check("[[[1],[2]],[[3],[4]]]", SV_I32, "[2,2,1]", "[[[1],[2]],[[3],[4]]]");
    check("[[[[[[[[7]]]]]]]]", SV_I8, "[1,1,1,1,1,1,1,1]", "[[[[[[[[7]]]]]]]]");
}

static void test_ragged_arrays(void **state)
{
    (void)state;
    refuse("[[1,2],[3]]", SV_F32,
           "body: at byte 7: expected an array of 2 as those before, found 1");
    refuse("[[1],[2,3]]", SV_F32, "at byte 5: expected an array of 1");
    refuse("[[[1],[2]],[[3]]]", SV_F32, "at byte 11: expected an array of 2");
    refuse("[1,[2]]", SV_F32, "at byte 3: expected a number, found an array");
    refuse("[[1],2]", SV_F32, "at byte 5: expected an array, found a number");
    refuse("[[[1]],[]]", SV_F32, "at byte 7: expected arrays nested 3 deep as before, found 2");
    refuse("[[],[[1]]]", SV_F32, "at byte 4: expected arrays nested 2 deep as before, found 3");
    refuse("[[1],[]]", SV_F32, "at byte 5: expected an array of 1 as those before, found 0");
    refuse("[[],[1]]", SV_F32, "expected an array of 0 as those before, found 1");
    refuse("[[[[[[[[[1]]]]]]]]]", SV_F32, "at byte 8: expected at most 8 dimensions");
    refuse("[1,2", SV_F32, "found the end");
    refuse("{\"a\":1}", SV_F32, "found an object");
    refuse("", SV_F32, "found the end");
    refuse("[1,null]", SV_F32, "found null");
}

static void test_every_type_takes_its_range(void **state)
{
    (void)state;
    check("[-128,127]", SV_I8, "[2]", "[-128,127]");
    check("[0,255]", SV_U8, "[2]", "[0,255]");
    check("[-32768,32767]", SV_I16, "[2]", "[-32768,32767]");
    check("[0,65535]", SV_U16, "[2]", "[0,65535]");
    check("[-2147483648,2147483647]", SV_I32, "[2]", "[-2147483648,2147483647]");
    check("[0,4294967295]", SV_U32, "[2]", "[0,4294967295]");
    check("[-9223372036854775808,9223372036854775807]", SV_I64, "[2]",
          "[-9223372036854775808,9223372036854775807]");
    check("[0,18446744073709551615]", SV_U64, "[2]", "[0,18446744073709551615]");
    check("[-8,7]", SV_I4, "[2]", "[-8,7]");
    check("[0,15]", SV_U4, "[2]", "[0,15]");
    check("[-2,1]", SV_I2, "[2]", "[-2,1]");
    check("[0,3]", SV_U2, "[2]", "[0,3]");
    check("[true,false,1,0]", SV_BOOL, "[4]", "[true,false,true,false]");
    check("[0.1,1e300]", SV_F64, "[2]", "[0.1,1e+300]");
    check("[0.1,65504,6e-8]", SV_F16, "[3]", "[0.099975586,65504.0,5.9604645e-8]");
    check("[0.1,3e38]", SV_BF16, "[2]", "[0.100097656,3.0040553e+38]");
    check("[0.1,448,1000]", SV_F8E4M3FN, "[3]", "[0.1015625,448.0,448.0]");
    check("[0.5,6]", SV_F4E2M1, "[2]", "[0.5,6.0]");
    check("[NaN,Infinity,-Infinity]", SV_F32, "[3]", "[NaN,Infinity,-Infinity]");
    check("[NaN,Infinity]", SV_F16, "[2]", "[NaN,Infinity]");
    check("7", SV_U8, "[]", "7");
    check("true", SV_BOOL, "[]", "true");
}

static void test_what_does_not_fit_is_refused(void **state)
{
    (void)state;
    refuse("[1,-129]", SV_I8, "at byte 3: expected a number in the range of int8");
    refuse("[1,128]", SV_I8, "at byte 3: expected a number in the range of int8");
    refuse("[0,1,-1]", SV_U8, "at byte 5: expected a number in the range of uint8");
    refuse("[256]", SV_U8, "uint8");
    refuse("8", SV_I4, "at byte 0: expected a number in the range of int4");
    refuse("[16]", SV_U4, "uint4");
    refuse("[-1]", SV_U64, "range of uint64, found -1");
    refuse("[18446744073709551616]", SV_U64, "range of uint64");
    refuse("[9223372036854775808]", SV_I64, "range of int64");
    refuse("[1.5]", SV_I32, "expected an integer, found 1.5");
    refuse("[1.0]", SV_I64, "expected an integer, found 1.0");
    refuse("[0,65520]", SV_F16, "at byte 3: expected a number in the range of float16");
    refuse("[1e39]", SV_F32, "range of float32, found 1e39");
    refuse("[1e309]", SV_F64, "range of float64");
    refuse("[NaN]", SV_F32, "at byte 1: expected a number, found 'N'");
    refuse("[2]", SV_BOOL, "at byte 1: expected true, false, 0 or 1");
    refuse("[\"1\"]", SV_F32, "found a string");
    refuse("[true]", SV_F32, "found true or false");
    refuse("[1]", SV_STRING, "expected a string, found a number");
    reading r;
    CHECK_FAILS(read_with(&r, "[1]", SV_C64, false, NULL), SV_CODE_UNIMPLEMENTED, "complex64");
    end(&r);
    CHECK_FAILS(read_with(&r, "[1]", (sv_dtype)77, false, NULL), SV_CODE_UNIMPLEMENTED, "none");
    end(&r);
}

static void test_range_errors_point_into_long_arrays(void **state)
{
    (void)state;
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_putc(&text, '[');
    for (int i = 0; i < 1000; i++)
        sv_text_puts(&text, "1 ,");
    size_t offset = text.size;
    sv_text_puts(&text, "300, 2]");
    char message[64];
    snprintf(message, sizeof message, "at byte %zu: expected a number in the range of uint8",
             offset);
    refuse(text.data, SV_U8, message);
    sv_text_release(&text);
}

static void test_strings(void **state)
{
    (void)state;
    check("[\"a\",\"\",\"\\u00e4\\n\"]", SV_STRING, "[3]", "[\"a\",\"\",\"\xC3\xA4\\n\"]");
    check("\"x\"", SV_STRING, "[]", "\"x\"");
    reading r;
    sv_json_tensor_options options = {.copy_strings = true};
    CHECK_OK(read_with(&r, "[\"abc\"]", SV_STRING, false, &options));
    memset(r.text, 'x', 7);
    assert_memory_equal(((sv_string *)r.tensor.data)->data, "abc", 3);
    end(&r);
    CHECK_OK(read_with(&r, "[\"abc\"]", SV_STRING, false, NULL));
    assert_ptr_equal(((sv_string *)r.tensor.data)->data, r.text + 2);
    end(&r);
}

static void test_base64_objects(void **state)
{
    (void)state;
    reading r;
    sv_json_tensor_options options = {.allow_base64 = true};
    CHECK_OK(read_with(&r, "[{\"b64\":\"AAH/\"}, {\"b64\" : \"\"},\"plain\"]", SV_STRING, false,
                       &options));
    sv_string *string = r.tensor.data;
    assert_int_equal(string[0].size, 3);
    assert_memory_equal(string[0].data, "\x00\x01\xFF", 3);
    assert_int_equal(string[1].size, 0);
    assert_int_equal(string[2].size, 5);
    sv_text out;
    sv_text_init(&out, NULL);
    CHECK_OK(sv_json_tensor_write(&out, &r.tensor, &(sv_json_write_options){.base64 = true}));
    assert_string_equal(out.data, "[{\"b64\":\"AAH/\"},{\"b64\":\"\"},{\"b64\":\"cGxhaW4=\"}]");
    sv_text_release(&out);
    end(&r);
    const char *bad[] = {"[{}]",
                         "[{\"b64\":1}]",
                         "[{\"b64\":\"A\"}]",
                         "[{\"b64\":\"AA\",\"x\":\"\"}]",
                         "[{\"b64\":\"AA==\",\"b64\":\"AA==\"}]",
                         "[{\"b64\":\"A?==\"}]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_FAILS(read_with(&r, bad[i], SV_STRING, false, &options), SV_CODE_INVALID_ARGUMENT,
                    "body: at");
        end(&r);
    }
    refuse("[{\"b64\":\"AAH/\"}]", SV_STRING, "expected a string, found an object");
}

static void check_inferred(const char *text, sv_dtype expected)
{
    reading r;
    CHECK_OK(read_with(&r, text, SV_DTYPE_NONE, true, NULL));
    assert_int_equal(r.tensor.dtype, expected);
    end(&r);
}

static void test_inference(void **state)
{
    (void)state;
    check_inferred("[1,2]", SV_I64);
    check_inferred("[[1],[2.5]]", SV_F32);
    check_inferred("[[1],[2e0]]", SV_F32);
    check_inferred("[1,NaN]", SV_F32);
    check_inferred("[]", SV_F32);
    check_inferred("[[],[]]", SV_F32);
    check_inferred("[true]", SV_BOOL);
    check_inferred("[\"a\"]", SV_STRING);
    check_inferred("3", SV_I64);
    check_inferred("3.5", SV_F32);
    refuse("[1,\"a\"]", SV_DTYPE_NONE, "found a number");
    refuse("[1,2", SV_DTYPE_NONE, "found the end");
}

/* A sink that counts, and moves its memory at each growth. */
typedef struct {
    char *data;
    size_t bytes, calls, limit;
} moving_sink;

static sv_status move_and_grow(void *self, size_t bytes, void **out)
{
    moving_sink *sink = self;
    sink->calls++;
    if (bytes > sink->limit) return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "input: too large");
    char *data = malloc(bytes);
    if (sink->bytes) memcpy(data, sink->data, sink->bytes);
    free(sink->data);
    sink->data = data;
    sink->bytes = bytes;
    *out = data;
    return SV_OK;
}

static sv_status read_into(moving_sink *memory, const char *text, sv_dtype dtype, size_t expected,
                           sv_shape *shape)
{
    sv_json json;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    sv_json_tensor_options options = {.expected_count = expected};
    sv_json_sink sink = {move_and_grow, memory};
    return sv_json_tensor_read(&json, dtype, &options, &sink, shape);
}

static void test_sinks(void **state)
{
    (void)state;
    sv_text text;
    sv_text_init(&text, NULL);
    for (int i = 0; i < 5000; i++)
        sv_text_printf(&text, "%s[%d,%d]", i ? "," : "[", i, -i);
    sv_text_putc(&text, ']');
    const sv_dtype types[] = {SV_F32, SV_F64, SV_I64, SV_I16};
    for (int t = 0; t < 4; t++) {
        for (size_t expected = 0; expected <= 10000; expected += 2500) {
            moving_sink memory = {.limit = SIZE_MAX};
            sv_shape shape;
            CHECK_OK(read_into(&memory, text.data, types[t], expected, &shape));
            assert_true(shape.rank == 2 && shape.dim[0] == 5000 && shape.dim[1] == 2);
            if (expected == 10000) assert_int_equal(memory.calls, 1);
            size_t size = sv_dtype_get(types[t])->size;
            for (int i = 0; i < 5000; i++) {
                assert_int_equal(sv_scalar_get_i64(types[t], memory.data + (size_t)i * 2 * size),
                                 i);
                assert_int_equal(
                    sv_scalar_get_i64(types[t], memory.data + (size_t)(i * 2 + 1) * size), -i);
            }
            free(memory.data);
        }
    }
    moving_sink memory = {.limit = 10000};
    sv_shape shape;
    CHECK_FAILS(read_into(&memory, text.data, SV_F32, 0, &shape), SV_CODE_RESOURCE_EXHAUSTED,
                "input: too large");
    free(memory.data);
    sv_text_release(&text);
}

static void test_every_allocation_fails_once(void **state)
{
    (void)state;
    const char *text = "[[\"a\\n\",\"bb\"],[\"c\",{\"b64\":\"AAAA\"}]]";
    sv_json_tensor_options options = {.allow_base64 = true, .copy_strings = true};
    for (size_t fail_at = 1; fail_at < 20; fail_at++) {
        sv_counting_allocator counting;
        sv_counting_allocator_init(&counting, NULL);
        counting.fail_at = fail_at;
        sv_arena arena;
        sv_arena_init(&arena, &counting.allocator);
        sv_json json;
        sv_tensor tensor;
        sv_json_init(&json, text, strlen(text), "body", &arena, NULL);
        sv_status status = sv_json_tensor_read_arena(&json, SV_STRING, &options, &arena, &tensor);
        bool failed = status != SV_OK;
        if (failed) assert_int_equal(sv_status_code(status), SV_CODE_RESOURCE_EXHAUSTED);
        sv_status_free(status);
        sv_arena_release(&arena);
        assert_int_equal(counting.live_bytes, 0);
        if (!failed) break;
        assert_true(fail_at < 19);
    }
}

static void test_writing(void **state)
{
    (void)state;
    int16_t data[6] = {1, -2, 3, 4, 5, 6};
    sv_tensor tensor = {.dtype = SV_I16, .shape = {.rank = 3, .dim = {1, 2, 3}}, .data = data};
    sv_text text;
    sv_text_init(&text, NULL);
    CHECK_OK(sv_json_tensor_write(&text, &tensor, NULL));
    assert_string_equal(text.data, "[[[1,-2,3],[4,5,6]]]");
    sv_text_clear(&text);
    CHECK_OK(sv_json_tensor_write(&text, &tensor, &(sv_json_write_options){.flat = true}));
    assert_string_equal(text.data, "[1,-2,3,4,5,6]");
    sv_text_clear(&text);
    tensor.shape = (sv_shape){.rank = 2, .dim = {(int64_t)1 << 40, 0}};
    CHECK_FAILS(sv_json_tensor_write(&text, &tensor, NULL), SV_CODE_RESOURCE_EXHAUSTED,
                "empty tensor");
    CHECK_OK(sv_json_tensor_write(&text, &tensor, &(sv_json_write_options){.flat = true}));
    assert_string_equal(text.data, "[]");
    tensor.dtype = SV_C128;
    CHECK_FAILS(sv_json_tensor_write(&text, &tensor, NULL), SV_CODE_UNIMPLEMENTED, "complex128");
    sv_text_release(&text);
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    counting.fail_at = 1;
    sv_text_init(&text, &counting.allocator);
    tensor = (sv_tensor){.dtype = SV_I16, .shape = {.rank = 1, .dim = {6}}, .data = data};
    CHECK_FAILS(sv_json_tensor_write(&text, &tensor, NULL), SV_CODE_RESOURCE_EXHAUSTED,
                "JSON tensor");
    sv_text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_ragged_arrays),
        cmocka_unit_test(test_every_type_takes_its_range),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
        cmocka_unit_test(test_range_errors_point_into_long_arrays),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_base64_objects),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_sinks),
        cmocka_unit_test(test_every_allocation_fails_once),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
