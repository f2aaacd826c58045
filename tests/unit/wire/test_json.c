/* The JSON reader: grammar, strings, structure, limits. Numbers have a test of their own. */
#include "base/alloc.h"
#include "support/check.h"
#include "wire/json.h"

/* Whether the text as a whole is one JSON value. The text is copied so that ASan sees its end. */
static sv_status parse(const char *text, size_t size, bool non_finite)
{
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    char *copy = malloc(size + !size);
    memcpy(copy, text, size);
    sv_json json;
    sv_json_init(&json, copy, size, "body", &arena, NULL);
    json.allow_non_finite = non_finite;
    sv_status status = sv_json_skip(&json);
    if (!status) status = sv_json_end(&json);
    sv_arena_release(&arena);
    free(copy);
    return status;
}

static void test_accepts_json(void **state)
{
    (void)state;
    const char *texts[] = {
        "0",
        "-0",
        "1.5",
        "-1.5e3",
        "1E+2",
        "1e-2",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        " [ ] ",
        "[1]",
        "[1,2]",
        " \t\r\n[ 1 , \"a\" , null ]\n",
        "{\"a\":1}",
        "{ \"a\" : [ { } ] , \"b\":{}}",
        "[[[[]]]]",
        "\"\\u00e4\\uD83D\\uDE00\\n\\\\\\/\"",
        "\"\xF0\x9F\x98\x80\"",
        "\"\x7F\"",
        "{\"a\":1,\"a\":2}",
        "\"\\u0000\"",
        "[0.1e1,2E0]",
        "123456789012345678901234567890",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_OK(parse(texts[i], strlen(texts[i]), false));
}

static void test_refuses_what_is_no_json(void **state)
{
    (void)state;
    const char *texts[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "[1]]",
        "1 2",
        "tru",
        "True",
        "nul",
        "nulL",
        "falsee",
        "+1",
        "01",
        "-01",
        "-",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "-x",
        "\"",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\uD800\"",
        "\"\\uD800\\u0041\"",
        "\"\\uDC00\"",
        "\"\n\"",
        "\"\x01\"",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xE2\x82\"",
        "'a'",
        "[1]//c",
        "/*c*/1",
        "\xEF\xBB\xBF[]",
        "a",
        "\"\\u\"",
        "\"\\uD83D\\uDE0\"",
        "[\"a\":1]",
        "{\"a\":1,,\"b\":2}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_FAILS(parse(texts[i], strlen(texts[i]), false), SV_CODE_INVALID_ARGUMENT,
                    "body: at byte ");
    CHECK_FAILS(parse("[\0]", 3, false), SV_CODE_INVALID_ARGUMENT, "found the byte 0x00");
    CHECK_FAILS(parse("[1] x", 5, false), SV_CODE_INVALID_ARGUMENT,
                "body: at byte 4: expected the end, found 'x'");
    CHECK_FAILS(parse("[1,]", 4, false), SV_CODE_INVALID_ARGUMENT,
                "at byte 3: expected a value, found ']'");
    CHECK_FAILS(parse("{\"a\":1 \"b\":2}", 13, false), SV_CODE_INVALID_ARGUMENT,
                "at byte 7: expected ',' or '}', found a string");
}

static void test_every_prefix_of_a_text_is_refused(void **state)
{
    (void)state;
    const char *text =
        "{\"a\":[1.5e3,-2,true,null,\"x\\u00e4\\uD83D\\uDE00\xC3\xA4 and more text\"],\"b\":{}}";
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        CHECK_FAILS(parse(text, i, false), SV_CODE_INVALID_ARGUMENT, "body: at byte ");
    CHECK_OK(parse(text, size, false));
}

static void test_non_finite_tokens(void **state)
{
    (void)state;
    CHECK_OK(parse("[NaN,Infinity,-Infinity]", 24, true));
    CHECK_FAILS(parse("[Nan]", 5, true), SV_CODE_INVALID_ARGUMENT, "malformed");
    CHECK_FAILS(parse("[Inf]", 5, true), SV_CODE_INVALID_ARGUMENT, "malformed");
    CHECK_FAILS(parse("[-Inf]", 6, true), SV_CODE_INVALID_ARGUMENT, "malformed");
    CHECK_FAILS(parse("NaNs", 4, true), SV_CODE_INVALID_ARGUMENT, "expected the end");
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    char deep[2000];
    memset(deep, '[', sizeof deep);
    CHECK_FAILS(parse(deep, sizeof deep, false), SV_CODE_INVALID_ARGUMENT,
                "at byte 64: nested deeper than the limit");
    sv_budget budget = {.bytes = 1000, .nodes = 1000, .depth = 3};
    sv_json json;
    sv_json_init(&json, "[[[]]]", 6, "body", NULL, &budget);
    CHECK_OK(sv_json_skip(&json));
    sv_json_init(&json, "[[{\"a\":[]}]]", 12, "body", NULL, &budget);
    CHECK_FAILS(sv_json_skip(&json), SV_CODE_INVALID_ARGUMENT, "nested");
    budget.depth = UINT32_MAX;
    sv_json_init(&json, deep, sizeof deep, "body", NULL, &budget);
    CHECK_FAILS(sv_json_skip(&json), SV_CODE_INVALID_ARGUMENT, "nested");
    /* Siblings are not levels. */
    sv_json_init(&json, "[[],[],[],[],[],{},{}]", 22, "body", NULL, NULL);
    json.depth = 2;
    CHECK_OK(sv_json_skip(&json));
}

static void check_string(const char *text, const char *expected, size_t size)
{
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    sv_json json;
    sv_string string;
    sv_json_init(&json, text, strlen(text), "body", &arena, NULL);
    CHECK_OK(sv_json_string(&json, &string));
    assert_int_equal(string.size, size);
    assert_memory_equal(string.data, expected, size);
    bool borrowed = string.data >= text && string.data <= text + strlen(text);
    assert_int_equal(borrowed, strchr(text, '\\') == NULL);
    CHECK_OK(sv_json_end(&json));
    sv_arena_release(&arena);
}

static void test_strings(void **state)
{
    (void)state;
    check_string("\"\"", "", 0);
    check_string(" \"plain, and longer than a word\" ", "plain, and longer than a word", 29);
    check_string("\"1234567\xC3\xA4 89\"", "1234567\xC3\xA4 89", 12);
    check_string("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    check_string("\"a\\u0000b\"", "a\0b", 3);
    check_string("\"\\u00e4\\u20AC\\ud83d\\ude00\\u007f\"",
                 "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\x7F", 10);
    check_string("\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF", 4);
    sv_json json;
    sv_string string;
    sv_json_init(&json, "\"\\n\"", 4, "body", NULL, NULL);
    CHECK_FAILS(sv_json_string(&json, &string), SV_CODE_RESOURCE_EXHAUSTED, "JSON string");
    sv_json_init(&json, "[1]", 3, "body", NULL, NULL);
    CHECK_FAILS(sv_json_string(&json, &string), SV_CODE_INVALID_ARGUMENT,
                "a string, found an array");
}

static void test_objects_and_arrays(void **state)
{
    (void)state;
    const char *text = "{\"x\": [true, null, 7], \"y\": {}}";
    sv_json json;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    sv_string key;
    bool more, truth = false;
    uint64_t number = 0;
    assert_int_equal(sv_json_peek(&json), SV_JSON_OBJECT);
    CHECK_OK(sv_json_object_begin(&json));
    CHECK_OK(sv_json_object_next(&json, &key, &more));
    assert_true(more && key.size == 1 && key.data[0] == 'x');
    sv_json place = json;
    CHECK_OK(sv_json_array_begin(&json));
    CHECK_OK(sv_json_array_next(&json, &more));
    CHECK_OK(sv_json_bool(&json, &truth));
    assert_true(truth);
    CHECK_OK(sv_json_array_next(&json, &more));
    CHECK_FAILS(sv_json_bool(&json, &truth), SV_CODE_INVALID_ARGUMENT, "found null");
    CHECK_OK(sv_json_null(&json));
    CHECK_OK(sv_json_array_next(&json, &more));
    assert_true(sv_json_is_integer(&json));
    CHECK_FAILS(sv_json_null(&json), SV_CODE_INVALID_ARGUMENT, "found a number");
    CHECK_OK(sv_json_u64(&json, &number));
    assert_int_equal(number, 7);
    CHECK_OK(sv_json_array_next(&json, &more));
    assert_false(more);
    CHECK_OK(sv_json_skip(&place)); /* the copy still stands before the array */
    assert_ptr_equal(place.reader.at, json.reader.at);
    CHECK_OK(sv_json_object_next(&json, &key, &more));
    assert_true(more && key.data[0] == 'y');
    CHECK_OK(sv_json_object_begin(&json));
    CHECK_OK(sv_json_object_next(&json, &key, &more));
    assert_false(more);
    CHECK_OK(sv_json_object_next(&json, &key, &more));
    assert_false(more);
    CHECK_OK(sv_json_end(&json));
}

static void test_known_fields(void **state)
{
    (void)state;
    static const char *const names[] = {"name", "data"};
    const char *text = "{\"data\":1,\"other\":2,\"name\":3,\"other\":4,\"data\":5}";
    const size_t expected[] = {1, 2, 0, 2};
    sv_json json;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    sv_json_fields fields = {.names = names, .count = 2};
    sv_string key;
    size_t index = 99;
    bool more;
    CHECK_OK(sv_json_object_begin(&json));
    for (int i = 0; i < 4; i++) {
        CHECK_OK(sv_json_field_next(&json, &fields, &key, &index, &more));
        assert_true(more);
        assert_int_equal(index, expected[i]);
        CHECK_OK(sv_json_skip(&json));
    }
    CHECK_FAILS(sv_json_field_next(&json, &fields, &key, &index, &more), SV_CODE_INVALID_ARGUMENT,
                "the key \"data\" comes twice");
}

typedef struct pair {
    uint64_t a, b;
} pair;

static sv_status read_a(sv_json *json, void *into)
{
    return sv_json_u64(json, &((pair *)into)->a);
}

static sv_status read_b(sv_json *json, void *into)
{
    return sv_json_u64(json, &((pair *)into)->b);
}

static void test_members(void **state)
{
    (void)state;
    static const sv_json_member members[] = {{"a", read_a}, {"b", read_b}};
    const char *text = "{\"b\":7,\"other\":[1,{}],\"a\":5} {\"b\":1} {\"c\":1}";
    sv_json json;
    pair p = {0};
    uint64_t seen = 0;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    CHECK_OK(sv_json_members(&json, members, 2, NULL, &p, &seen));
    assert_true(p.a == 5 && p.b == 7 && seen == 3);
    CHECK_OK(sv_json_members(&json, members, 2, "expected a or b", &p, &seen));
    assert_true(p.b == 1 && seen == 2);
    CHECK_FAILS(sv_json_members(&json, members, 2, "expected a or b", &p, &seen),
                SV_CODE_INVALID_ARGUMENT, "expected a or b");
}

static void test_runs(void **state)
{
    (void)state;
    const char *text = "[1, 2.5 ,3,4]";
    sv_json json;
    float out[3];
    size_t count = 0;
    bool ended = true;
    sv_json_init(&json, text, strlen(text), "body", NULL, NULL);
    CHECK_OK(sv_json_array_begin(&json));
    CHECK_OK(sv_json_f32_run(&json, out, 3, &count, &ended));
    assert_int_equal(count, 3);
    assert_false(ended);
    assert_true(out[0] == 1 && out[1] == 2.5f && out[2] == 3);
    CHECK_OK(sv_json_f32_run(&json, out, 3, &count, &ended));
    assert_int_equal(count, 1);
    assert_true(ended && out[0] == 4);
    CHECK_OK(sv_json_end(&json));
    sv_json_init(&json, "[]", 2, "body", NULL, NULL);
    CHECK_OK(sv_json_array_begin(&json));
    CHECK_OK(sv_json_f32_run(&json, out, 3, &count, &ended));
    assert_true(ended && count == 0);
    const struct {
        const char *text, *message;
    } bad[] = {
        {"[1,[2]]", "at byte 3: expected a number, found an array"},
        {"[1,\"2\"]", "at byte 3: expected a number, found a string"},
        {"[1 2]", "at byte 3: expected ',' or ']', found a number"},
        {"[1", "at byte 2: expected ',' or ']', found the end"},
        {"[1,", "at byte 3: expected a number, found the end"},
        {"[,", "at byte 1: expected a number, found ','"},
        {"[1,-]", "at byte 3: expected a number, found a malformed one"},
        {"[1,null]", "at byte 3: expected a number, found null"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sv_json_init(&json, bad[i].text, strlen(bad[i].text), "body", NULL, NULL);
        CHECK_OK(sv_json_array_begin(&json));
        CHECK_FAILS(sv_json_f32_run(&json, out, 3, &count, &ended), SV_CODE_INVALID_ARGUMENT,
                    bad[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_json),
        cmocka_unit_test(test_refuses_what_is_no_json),
        cmocka_unit_test(test_every_prefix_of_a_text_is_refused),
        cmocka_unit_test(test_non_finite_tokens),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_objects_and_arrays),
        cmocka_unit_test(test_known_fields),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
