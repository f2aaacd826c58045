/* The traceparent header: what is one, what is answered. */
#include "observe/trace.h"

#include "support/check.h"

#define ID "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static bool reads(const char *text, sv_trace *out)
{
    /* At the end of its memory, so that ASan sees what is read beyond. */
    char room[128], *at = room + sizeof room - strlen(text);
    for (size_t i = 0; text[i]; i++)
        at[i] = text[i];
    return sv_trace_read((sv_string){at, strlen(text)}, 0x1234, out);
}

static void test_passes_the_trace_on(void **state)
{
    (void)state;
    sv_trace trace;
    char text[SV_TRACE_TEXT];
    assert_true(reads("00-" ID "-" PARENT "-01", &trace));
    assert_memory_equal(trace.parent, PARENT, 16);
    sv_trace_write(&trace, text);
    assert_string_equal(text, "00-" ID "-0000000000001234-01");
    assert_true(reads("01-" ID "-" PARENT "-00-more", &trace));
    sv_trace_write(&trace, text);
    assert_string_equal(text, "00-" ID "-0000000000001234-00");
}

static void test_makes_one(void **state)
{
    (void)state;
    sv_trace trace;
    char text[SV_TRACE_TEXT];
    sv_trace_make((uint64_t[2]){0x0af7651916cd43dd, 0x8448eb211c80319c}, 0xb7, &trace);
    sv_trace_write(&trace, text);
    assert_string_equal(text, "00-" ID "-00000000000000b7-00");
    assert_int_equal(trace.parent[0], 0);
    /* What is all zeros is no id. */
    sv_trace_make((uint64_t[2]){0, 0}, 0, &trace);
    sv_trace_write(&trace, text);
    assert_string_equal(text, "00-00000000000000000000000000000001-0000000000000001-00");
    assert_true(reads(text, &trace));
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "00",
        "ff-" ID "-" PARENT "-01",
        "00-" ID "-" PARENT "-01-more",
        "01-" ID "-" PARENT "-01x",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" ID "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00_" ID "-" PARENT "-01",
        "00-" ID "_" PARENT "-01",
        "00-" ID "-" PARENT "_01",
        "00-" ID "-" PARENT "-0g",
    };
    sv_trace trace;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(reads(texts[i], &trace));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_the_trace_on),
        cmocka_unit_test(test_makes_one),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
