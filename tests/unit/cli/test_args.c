/* Parsing of arguments: what is accepted, what is refused and in which words. */
#include "cli/cli.h"

#include "support/check.h"

enum { OPT_FLAG, OPT_NUMBER, OPT_REPEAT };

static const sv_option options[] = {
    [OPT_FLAG] = {"flag", NULL, false, "A flag"},
    [OPT_NUMBER] = {"number", "N", false, "A number"},
    [OPT_REPEAT] = {"repeat", "X", true, "Something"},
};

static const sv_command_page page = {
    .options = options,
    .option_count = 3,
    .min_operands = 1,
    .max_operands = 2,
};

static const sv_command command = {"try", "ONE [TWO]", "Try", &page};

static sv_arg given[16];
static const char *operands[16];

static sv_status parse(sv_args *out, int argc, const char *const *argv)
{
    return sv_args_parse(&command, argc, argv, given, operands, out);
}

#define PARSE(out, ...)                                                                            \
    parse(out, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                      \
          (const char *[]){__VA_ARGS__})

static void test_accepts(void **state)
{
    (void)state;
    sv_args args;
    CHECK_OK(PARSE(&args, "--repeat", "a", "one", "--flag", "--repeat=b=c", "--", "--two"));
    assert_int_equal(args.operand_count, 2);
    assert_string_equal(args.operands[0], "one");
    assert_string_equal(args.operands[1], "--two");
    assert_true(sv_args_has(&args, OPT_FLAG));
    assert_false(sv_args_has(&args, OPT_NUMBER));
    size_t at = 0;
    assert_string_equal(sv_args_next(&args, OPT_REPEAT, &at), "a");
    assert_string_equal(sv_args_next(&args, OPT_REPEAT, &at), "b=c");
    assert_null(sv_args_next(&args, OPT_REPEAT, &at));
    CHECK_OK(PARSE(&args, "-"));
    assert_string_equal(args.operands[0], "-");
}

static void test_help_needs_no_operands(void **state)
{
    (void)state;
    sv_args args;
    CHECK_OK(PARSE(&args, "--help"));
    assert_true(args.help);
}

static void test_refuses(void **state)
{
    (void)state;
    sv_args args;
    CHECK_FAILS(PARSE(&args, "one", "--fla"), SV_CODE_INVALID_ARGUMENT, "found '--fla'");
    CHECK_FAILS(PARSE(&args, "one", "--flags"), SV_CODE_INVALID_ARGUMENT, "found '--flags'");
    CHECK_FAILS(PARSE(&args, "one", "--flag=1"), SV_CODE_INVALID_ARGUMENT, "expected no value");
    CHECK_FAILS(PARSE(&args, "one", "--number"), SV_CODE_INVALID_ARGUMENT, "found the end");
    CHECK_FAILS(PARSE(&args, "one", "--number", "1", "--number", "2"), SV_CODE_INVALID_ARGUMENT,
                "found twice");
    CHECK_FAILS(PARSE(&args, "one", "-f"), SV_CODE_INVALID_ARGUMENT, "two dashes");
    CHECK_FAILS(PARSE(&args, "one", "two", "three"), SV_CODE_INVALID_ARGUMENT, "'three' as well");
    CHECK_FAILS(PARSE(&args, "--flag"), SV_CODE_INVALID_ARGUMENT, "found nothing");
}

static void test_whole_numbers(void **state)
{
    (void)state;
    sv_args args;
    uint64_t value = 0;
    CHECK_OK(PARSE(&args, "one"));
    CHECK_OK(sv_args_u64(&args, OPT_NUMBER, 1, 10, 7, &value));
    assert_int_equal(value, 7);
    static const char *const bad[] = {"",  "-1", "+1",  " 1",  "1 ",
                                      "0", "11", "1.0", "0x1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_OK(PARSE(&args, "one", "--number", bad[i]));
        CHECK_FAILS(sv_args_u64(&args, OPT_NUMBER, 1, 10, 7, &value), SV_CODE_INVALID_ARGUMENT,
                    "--number: expected a whole number from 1 to 10");
    }
    CHECK_OK(PARSE(&args, "one", "--number", "10"));
    CHECK_OK(sv_args_u64(&args, OPT_NUMBER, 1, 10, 7, &value));
    assert_int_equal(value, 10);
}

static void test_sizes_and_decimals(void **state)
{
    (void)state;
    sv_args args;
    uint64_t bytes;
    double number;
    CHECK_OK(PARSE(&args, "one", "--number", "64M"));
    CHECK_OK(sv_args_bytes(&args, OPT_NUMBER, 1, UINT64_MAX, 0, &bytes));
    assert_int_equal(bytes, 64u << 20);
    static const char *const bad[] = {"64MB", "M", "64m", "18446744073709551615G", "1.5G"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_OK(PARSE(&args, "one", "--number", bad[i]));
        CHECK_FAILS(sv_args_bytes(&args, OPT_NUMBER, 1, UINT64_MAX, 0, &bytes),
                    SV_CODE_INVALID_ARGUMENT, "--number: expected bytes");
    }
    CHECK_OK(PARSE(&args, "one", "--number", "1e-3"));
    CHECK_OK(sv_args_f64(&args, OPT_NUMBER, 0, 1, 0, &number));
    assert_true(number == 1e-3);
    CHECK_OK(PARSE(&args, "one", "--number", "nan"));
    CHECK_FAILS(sv_args_f64(&args, OPT_NUMBER, 0, 1, 0, &number), SV_CODE_INVALID_ARGUMENT,
                "expected a number");
}

static void test_table_is_sorted_and_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sv_command_count; i++) {
        const sv_command *c = &sv_commands[i];
        assert_ptr_equal(sv_command_find(c->name), c);
        assert_non_null(c->page->run);
        assert_non_null(c->page->text);
        if (i) assert_true(strcmp(sv_commands[i - 1].name, c->name) < 0);
        for (size_t o = 0; o < c->page->option_count; o++) {
            const sv_option *option = &c->page->options[o];
            assert_non_null(option->name);
            assert_non_null(option->help);
            assert_true(option->help[strlen(option->help) - 1] != '.');
            if (o) assert_true(strcmp(c->page->options[o - 1].name, option->name) < 0);
        }
    }
    assert_null(sv_command_find("nothing"));
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(sv_exit_of(SV_CODE_OK), SV_EXIT_DONE);
    assert_int_equal(sv_exit_of(SV_CODE_INVALID_ARGUMENT), SV_EXIT_INPUT);
    assert_int_equal(sv_exit_of(SV_CODE_UNIMPLEMENTED), SV_EXIT_UNSUPPORTED);
    assert_int_equal(sv_exit_of(SV_CODE_RESOURCE_EXHAUSTED), SV_EXIT_RESOURCE);
    assert_int_equal(sv_exit_of(SV_CODE_INTERNAL), SV_EXIT_INTERNAL);
    assert_int_equal(sv_exit_of((sv_code)99), SV_EXIT_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_help_needs_no_operands),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_sizes_and_decimals),
        cmocka_unit_test(test_table_is_sorted_and_whole),
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
