/* serval help: the texts come from document.c and complete.c. */
#include "cli/document.h"

#include "base/status.h"
#include <string.h>

enum { OPT_COMPLETE, OPT_MAN, OPT_MARKDOWN };

static const sv_option options[] = {
    [OPT_COMPLETE] = {"complete", "SHELL", false, "Print a completion script for bash or zsh"},
    [OPT_MAN] = {"man", NULL, false, "Print a manual page instead"},
    [OPT_MARKDOWN] = {"markdown", NULL, false, "Print the reference of all commands as Markdown"},
};

static int print_completion(const sv_args *args, sv_text *text)
{
    const char *shell = sv_args_value(args, OPT_COMPLETE);
    if (strcmp(shell, "bash") == 0) {
        sv_document_bash(text);
    } else if (strcmp(shell, "zsh") == 0) {
        sv_document_zsh(text);
    } else {
        return sv_cli_usage(
            args, sv_error_invalid("--complete: expected bash or zsh, found '%s'", shell));
    }
    return sv_cli_print(text);
}

static int run_help(const sv_args *args)
{
    sv_text text;
    sv_text_init(&text, NULL);
    if (sv_args_has(args, OPT_COMPLETE)) return print_completion(args, &text);
    const sv_command *command = NULL;
    if (args->operand_count) {
        command = sv_command_find(args->operands[0]);
        if (!command) {
            return sv_cli_usage(
                NULL,
                sv_error_invalid("help: expected a command that 'serval help' lists, found '%s'",
                                 args->operands[0]));
        }
    }
    if (sv_args_has(args, OPT_MARKDOWN)) {
        sv_document_markdown(&text);
    } else if (sv_args_has(args, OPT_MAN)) {
        sv_document_man(&text, command);
    } else if (command) {
        sv_document_command(&text, command);
    } else {
        sv_document_program(&text);
    }
    return sv_cli_print(&text);
}

const sv_command_page sv_page_help = {
    .run = run_help,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .max_operands = 1,
    .text =
        "Without a command, all commands are listed. Manual pages and completions are made from\n"
        "the same tables as this text.",
    .examples = "serval help run\nserval help --man serve | man -l -\n"
                "source <(serval help --complete bash)",
};
