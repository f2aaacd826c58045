/* Parsing of arguments by a command's option table. No command is known here. */
#include "cli/cli.h"

#include "base/status.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sv_option_find(const sv_command_page *page, const char *name, size_t size, size_t *out)
{
    for (size_t i = 0; i < page->option_count; i++) {
        const char *have = page->options[i].name;
        if (strlen(have) == size && memcmp(have, name, size) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool sv_option_is_path(const sv_option *option)
{
    const char *argument = option->argument;
    return argument && (strstr(argument, "FILE") || strstr(argument, "DIR"));
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* One "--name", "--name=value" or "--name value"; *at is left on the last word used. */
static sv_status parse_option(const sv_command *command, int argc, const char *const *argv, int *at,
                              sv_arg *out)
{
    const char *name = argv[*at] + 2;
    size_t size = strcspn(name, "=");
    *out = (sv_arg){0};
    if (!sv_option_find(command->page, name, size, &out->option)) {
        return sv_error_invalid("%s: expected an option of '%s', found '--%.*s'", command->name,
                                command->name, (int)size, name);
    }
    const sv_option *option = &command->page->options[out->option];
    const char *inlined = name[size] == '=' ? name + size + 1 : NULL;
    if (!option->argument) {
        if (inlined) {
            return sv_error_invalid("--%s: expected no value, found '%s'", option->name, inlined);
        }
        return SV_OK;
    }
    if (inlined) {
        out->value = inlined;
        return SV_OK;
    }
    if (*at + 1 >= argc) {
        return sv_error_invalid("--%s: expected %s, found the end of the line", option->name,
                                option->argument);
    }
    out->value = argv[++*at];
    return SV_OK;
}

static sv_status check_operands(const sv_args *args)
{
    const sv_command *command = args->command;
    size_t count = args->operand_count;
    if (count < command->page->min_operands) {
        return sv_error_invalid("%s: expected %s, found %s", command->name, command->operands,
                                count ? "too few operands" : "nothing");
    }
    if (count > command->page->max_operands) {
        return sv_error_invalid("%s: expected %s, found '%s' as well", command->name,
                                command->operands[0] ? command->operands : "no operand",
                                args->operands[command->page->max_operands]);
    }
    return SV_OK;
}

sv_status sv_args_parse(const sv_command *command, int argc, const char *const *argv, sv_arg *given,
                        const char **operands, sv_args *out)
{
    sv_args args = {.command = command, .given = given, .operands = operands};
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (options_end || word[0] != '-' || word[1] == '\0') {
            operands[args.operand_count++] = word;
        } else if (is_help(word)) {
            args.help = true;
        } else if (strcmp(word, "--") == 0) {
            options_end = true;
        } else if (word[1] != '-') {
            return sv_error_invalid("%s: expected an option of two dashes, found '%s'",
                                    command->name, word);
        } else {
            sv_arg *arg = &given[args.given_count];
            SV_TRY(parse_option(command, argc, argv, &i, arg));
            const sv_option *option = &command->page->options[arg->option];
            if (option->argument && !option->repeat && sv_args_has(&args, arg->option)) {
                return sv_error_invalid("--%s: expected once, found twice", option->name);
            }
            args.given_count++;
        }
    }
    if (!args.help) SV_TRY(check_operands(&args));
    *out = args;
    return SV_OK;
}

bool sv_args_has(const sv_args *args, size_t option)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (args->given[i].option == option) return true;
    }
    return false;
}

const char *sv_args_next(const sv_args *args, size_t option, size_t *at)
{
    while (*at < args->given_count) {
        const sv_arg *arg = &args->given[(*at)++];
        if (arg->option == option) return arg->value;
    }
    return NULL;
}

const char *sv_args_value(const sv_args *args, size_t option)
{
    size_t at = 0;
    return sv_args_next(args, option, &at);
}

sv_status sv_args_error(const sv_args *args, size_t option, const char *format, ...)
{
    const char *name = args->command->page->options[option].name;
    const sv_arg *arg = args->given;
    while (arg->option != option)
        arg++;
    char message[512];
    va_list more;
    va_start(more, format);
    vsnprintf(message, sizeof message, format, more);
    va_end(more);
    return arg->file ? sv_error_invalid("%s:%zu: '%s': %s", arg->file, arg->line, name, message)
                     : sv_error_invalid("--%s: %s", name, message);
}

/* Reads digits and what follows them; false when `text` does not start with a digit or overflows.
 */
static bool parse_digits(const char *text, uint64_t *out, const char **end)
{
    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    char *stop;
    unsigned long long value = strtoull(text, &stop, 10);
    if (errno) return false;
    *out = value;
    *end = stop;
    return true;
}

sv_status sv_args_u64(const sv_args *args, size_t option, uint64_t least, uint64_t most,
                      uint64_t fallback, uint64_t *out)
{
    const char *text = sv_args_value(args, option);
    uint64_t value = fallback;
    const char *end = "";
    if (text && (!parse_digits(text, &value, &end) || *end || value < least || value > most)) {
        return sv_args_error(args, option, "expected a whole number from %llu to %llu, found '%s'",
                             (unsigned long long)least, (unsigned long long)most, text);
    }
    *out = value;
    return SV_OK;
}

sv_status sv_args_f64(const sv_args *args, size_t option, double least, double most,
                      double fallback, double *out)
{
    const char *text = sv_args_value(args, option);
    double value = fallback;
    char *end = "";
    if (text) {
        value = strtod(text, &end);
        if (end == text || *end || !isfinite(value) || value < least || value > most) {
            return sv_args_error(args, option, "expected a number from %g to %g, found '%s'", least,
                                 most, text);
        }
    }
    *out = value;
    return SV_OK;
}

/* The factor of a size suffix; 0 when unknown. */
static uint64_t suffix_factor(const char *suffix)
{
    if (suffix[0] == '\0') return 1;
    if (suffix[1] != '\0') return 0;
    switch (suffix[0]) {
    case 'k':
    case 'K':
        return (uint64_t)1 << 10;
    case 'M':
        return (uint64_t)1 << 20;
    case 'G':
        return (uint64_t)1 << 30;
    default:
        return 0;
    }
}

sv_status sv_args_bytes(const sv_args *args, size_t option, uint64_t least, uint64_t most,
                        uint64_t fallback, uint64_t *out)
{
    const char *text = sv_args_value(args, option);
    uint64_t value = fallback;
    const char *end = "";
    if (text) {
        bool good = parse_digits(text, &value, &end);
        uint64_t factor = good ? suffix_factor(end) : 0;
        if (!factor || __builtin_mul_overflow(value, factor, &value) || value < least ||
            value > most) {
            return sv_args_error(args, option,
                                 "expected bytes from %llu to %llu, with K, M or G if you like, "
                                 "found '%s'",
                                 (unsigned long long)least, (unsigned long long)most, text);
        }
    }
    *out = value;
    return SV_OK;
}
