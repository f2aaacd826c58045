/* Statuses: messages, cutting, annotation, and the pool that stands in for memory. */
#include "base/status.h"
#include "support/check.h"

static void test_success_is_null(void **state)
{
    (void)state;
    assert_int_equal(sv_status_code(SV_OK), SV_CODE_OK);
    assert_string_equal(sv_status_message(SV_OK), "");
    assert_null(sv_status_annotate(SV_OK, "unused %d", 1));
    sv_status_free(SV_OK);
}

static void test_error_carries_code_and_message(void **state)
{
    (void)state;
    CHECK_FAILS(sv_error(SV_CODE_NOT_FOUND, "model %s: version %d", "m", 3), SV_CODE_NOT_FOUND,
                "model m: version 3");
    CHECK_FAILS(sv_error_invalid("x"), SV_CODE_INVALID_ARGUMENT, "x");
    CHECK_FAILS(sv_error_unsupported("x"), SV_CODE_UNIMPLEMENTED, "x");
    CHECK_FAILS(sv_error_internal("x"), SV_CODE_INTERNAL, "x");
}

static void test_annotate_prefixes(void **state)
{
    (void)state;
    sv_status status = sv_error(SV_CODE_DATA_LOSS, "short");
    status = sv_status_annotate(status, "node %s", "conv1");
    assert_string_equal(sv_status_message(status), "node conv1: short");
    assert_int_equal(sv_status_code(status), SV_CODE_DATA_LOSS);
    sv_status_free(status);
}

static void test_long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    enum { PAIRS = 3000 };
    char *text = malloc(2 * PAIRS + 1);
    for (int i = 0; i < PAIRS; i++)
        memcpy(text + 2 * i, "\xC3\xA4", 2);
    text[2 * PAIRS] = '\0';
    sv_status status = sv_error(SV_CODE_INTERNAL, "%s", text);
    size_t size = strlen(sv_status_message(status));
    assert_int_equal(size, 4094); /* 4095 would end inside a character */
    assert_memory_equal(sv_status_message(status), text, size);
    status = sv_status_annotate(status, "%s", text);
    assert_int_equal(strlen(sv_status_message(status)), 4095); /* there was room for the colon */
    sv_status_free(status);
    free(text);
}

static void test_memory_errors_survive_an_empty_pool(void **state)
{
    (void)state;
    enum { MORE_THAN_THE_POOL = 100 };
    sv_status held[MORE_THAN_THE_POOL];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MORE_THAN_THE_POOL; i++) {
            held[i] = sv_error_memory("weights", 77);
            assert_int_equal(sv_status_code(held[i]), SV_CODE_RESOURCE_EXHAUSTED);
        }
        assert_string_equal(sv_status_message(held[0]), "weights: cannot allocate 77 bytes");
        assert_string_equal(sv_status_message(held[MORE_THAN_THE_POOL - 1]), "out of memory");
        for (int i = 0; i < MORE_THAN_THE_POOL; i++)
            sv_status_free(held[i]);
    }
    CHECK_FAILS(sv_status_annotate(sv_error_memory("a", 1), "b"), SV_CODE_RESOURCE_EXHAUSTED,
                "b: a: cannot allocate 1 bytes");
}

static void test_code_names(void **state)
{
    (void)state;
    assert_string_equal(sv_code_name(SV_CODE_OK), "OK");
    assert_string_equal(sv_code_name(SV_CODE_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(sv_code_name((sv_code)99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_is_null),
        cmocka_unit_test(test_error_carries_code_and_message),
        cmocka_unit_test(test_annotate_prefixes),
        cmocka_unit_test(test_long_messages_are_cut_between_characters),
        cmocka_unit_test(test_memory_errors_survive_an_empty_pool),
        cmocka_unit_test(test_code_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
