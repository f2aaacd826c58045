/* The command line's own vocabulary: commands, option tables, parsed arguments, exit codes.
 *
 * Everything about an option is data, so that parsing, help, manual pages and completions come from
 * one place. What a command does stands in its own file. */
#ifndef SV_CLI_CLI_H
#define SV_CLI_CLI_H

#include "base/text.h"
#include <serval/types.h>

/* Exit codes of the program. */
typedef enum sv_exit {
    SV_EXIT_DONE = 0,
    SV_EXIT_DIFFERS = 1,     /* the answer is not the expected one */
    SV_EXIT_USAGE = 2,       /* wrong arguments */
    SV_EXIT_INPUT = 3,       /* bad input or model */
    SV_EXIT_UNSUPPORTED = 4, /* not supported */
    SV_EXIT_RESOURCE = 5,    /* out of memory, files, addresses ... */
    SV_EXIT_INTERNAL = 6,
} sv_exit;

typedef struct sv_option {
    const char *name;     /* without the dashes */
    const char *argument; /* "N", "FILE" ...; NULL: a flag. FILE and DIR are completed as paths */
    bool repeat;          /* may be given more than once; otherwise twice is an error */
    const char *help;     /* one sentence without its full stop */
} sv_option;

typedef struct sv_args sv_args;

/* What a command's file says about itself; name, operands and summary stand in commands.inc. */
typedef struct sv_command_page {
    int (*run)(const sv_args *args); /* returns an sv_exit */
    const sv_option *options;
    size_t option_count;
    size_t min_operands, max_operands;
    const char *text;     /* paragraphs, separated by empty lines */
    const char *examples; /* lines; NULL: none */
} sv_command_page;

typedef struct sv_command {
    const char *name;
    const char *operands; /* "MODEL" */
    const char *summary;
    const sv_command_page *page;
} sv_command;

/* All commands, sorted by name. */
extern const sv_command sv_commands[];
extern const size_t sv_command_count;
const sv_command *sv_command_find(const char *name);

/* False when the page has no option of that name. */
bool sv_option_find(const sv_command_page *page, const char *name, size_t size, size_t *out);
/* Whether the option's argument is, or ends in, the path of a file or folder. */
bool sv_option_is_path(const sv_option *option);

/* One option as it was given; `value` is NULL for flags. */
typedef struct sv_arg {
    size_t option;
    const char *value;
    const char *file; /* the file that gave it; NULL: the command line */
    size_t line;      /* in `file`, from 1 */
} sv_arg;

/* Parsed arguments; everything in it is borrowed from argv or from what read `file`. */
struct sv_args {
    const sv_command *command;
    const sv_arg *given;
    size_t given_count;
    const char *const *operands;
    size_t operand_count;
    bool help; /* --help stood somewhere */
};

/* Sorts argv (without program and command name) into `given` and `operands`, each with room for
 * `argc` entries. Options and operands mix; "--" ends the options; "--name=value" and
 * "--name value" are the same. Errors: INVALID_ARGUMENT naming the option. */
SV_MUST_USE sv_status sv_args_parse(const sv_command *command, int argc, const char *const *argv,
                                    sv_arg *given, const char **operands, sv_args *out);

bool sv_args_has(const sv_args *args, size_t option);
/* The value of an option that is given at most once; NULL: absent. */
const char *sv_args_value(const sv_args *args, size_t option);
/* Steps through the values of an option; *at starts at 0; NULL past the last. */
const char *sv_args_next(const sv_args *args, size_t option, size_t *at);
/* Numbers: `fallback` when absent; INVALID_ARGUMENT when not a number within [least, most]. */
SV_MUST_USE sv_status sv_args_u64(const sv_args *args, size_t option, uint64_t least, uint64_t most,
                                  uint64_t fallback, uint64_t *out);
SV_MUST_USE sv_status sv_args_f64(const sv_args *args, size_t option, double least, double most,
                                  double fallback, double *out);
/* A size with an optional suffix K, M or G (powers of 1024). */
SV_MUST_USE sv_status sv_args_bytes(const sv_args *args, size_t option, uint64_t least,
                                    uint64_t most, uint64_t fallback, uint64_t *out);

/* INVALID_ARGUMENT about an option that is given: "--<name>: <message>", or where a file gave it
 * "<file>:<line>: '<name>': <message>". */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_args_error(const sv_args *args, size_t option,
                                                      const char *format, ...) SV_PRINTF(3, 4);

/* The exit code that stands for an error's code. */
sv_exit sv_exit_of(sv_code code);
/* Prints "serval: <message>" to stderr and returns the exit code. Takes `status`. */
int sv_cli_fail(sv_status status);
/* The same for wrong arguments, with a hint at the command's help. Takes `status`. */
int sv_cli_usage(const sv_args *args, sv_status status);
/* Writes `text` to stdout and releases it; DONE, or RESOURCE when that failed. */
int sv_cli_print(sv_text *text);

/* Runs the program. */
int sv_cli_main(int argc, const char *const *argv);

#endif
