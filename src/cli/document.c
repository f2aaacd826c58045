/* Help, manual pages and the reference page, made from the table of commands.
 *
 * The texts themselves stand with the commands; here is only their form. Completions are in
 * complete.c. */
#include "cli/document.h"

#include <serval/serval.h>
#include <string.h>

#define TAGLINE "inference engine and model server"

typedef struct exit_row {
    sv_exit code;
    const char *meaning;
} exit_row;

static const exit_row exit_rows[] = {
    {SV_EXIT_DONE, "Done."},
    {SV_EXIT_DIFFERS, "The answer differs from the expected one (run --expect)."},
    {SV_EXIT_USAGE, "Wrong usage."},
    {SV_EXIT_INPUT, "Bad input or model."},
    {SV_EXIT_UNSUPPORTED, "Not supported; the message says what."},
    {SV_EXIT_RESOURCE, "Out of a resource: memory, files, addresses."},
    {SV_EXIT_INTERNAL, "An error inside Serval."},
};
#define EXIT_ROWS (sizeof exit_rows / sizeof exit_rows[0])

static void put_synopsis(sv_text *out, const sv_command *command)
{
    sv_text_printf(out, "serval %s%s%s%s", command->name, command->operands[0] ? " " : "",
                   command->operands, command->page->option_count ? " [OPTION]..." : "");
}

static int option_width(const sv_option *option)
{
    size_t width = strlen(option->name) + (option->argument ? strlen(option->argument) + 1 : 0);
    return (int)width;
}

static void put_option_rows(sv_text *out, const sv_command_page *page)
{
    int width = 4;
    for (size_t i = 0; i < page->option_count; i++) {
        int w = option_width(&page->options[i]);
        if (w > width) width = w;
    }
    for (size_t i = 0; i < page->option_count; i++) {
        const sv_option *o = &page->options[i];
        sv_text_printf(out, "  --%s%s%s%*s  %s%s\n", o->name, o->argument ? " " : "",
                       o->argument ? o->argument : "", width - option_width(o), "", o->help,
                       o->repeat ? " (may be repeated)" : "");
    }
    sv_text_printf(out, "  --help%*s  Show this text\n", width - 4, "");
}

/* Each line of `lines` behind `prefix`. */
static void put_lines(sv_text *out, const char *prefix, const char *lines)
{
    while (*lines) {
        size_t size = strcspn(lines, "\n");
        sv_text_puts(out, size ? prefix : "");
        sv_text_append(out, lines, size);
        sv_text_putc(out, '\n');
        lines += size + (lines[size] == '\n');
    }
}

void sv_document_program(sv_text *out)
{
    sv_text_printf(out,
                   "serval %s, %s\n\nUsage: serval COMMAND [OPERAND]... [OPTION]...\n\n"
                   "Commands:\n",
                   sv_version(), TAGLINE);
    for (size_t i = 0; i < sv_command_count; i++) {
        sv_text_printf(out, "  %-8s  %s\n", sv_commands[i].name, sv_commands[i].summary);
    }
    sv_text_puts(out, "\nExit codes:\n");
    for (size_t i = 0; i < EXIT_ROWS; i++) {
        sv_text_printf(out, "  %d  %s\n", (int)exit_rows[i].code, exit_rows[i].meaning);
    }
    sv_text_puts(out, "\n'serval help COMMAND' explains a command.\n");
}

void sv_document_command(sv_text *out, const sv_command *command)
{
    sv_text_puts(out, "Usage: ");
    put_synopsis(out, command);
    sv_text_printf(out, "\n\n%s.\n\n%s\n\nOptions:\n", command->summary, command->page->text);
    put_option_rows(out, command->page);
    if (command->page->examples) {
        sv_text_puts(out, "\nExamples:\n");
        put_lines(out, "  ", command->page->examples);
    }
}

/* Text for roff: dashes stay dashes, backslashes are escaped, no line starts with a request. */
static void put_roff(sv_text *out, const char *text)
{
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) sv_text_puts(out, "\\&");
        if (*p == '-' || *p == '\\') {
            sv_text_puts(out, *p == '-' ? "\\-" : "\\e");
        } else if (p[0] == '\n' && p[1] == '\n') {
            sv_text_puts(out, "\n.PP\n");
            p++;
        } else {
            sv_text_putc(out, *p);
        }
        line_start = *p == '\n';
    }
}

static void put_man_head(sv_text *out, const char *title, const char *summary)
{
    sv_text_printf(out, ".TH %s 1 \"\" \"Serval %s\" \"Serval Manual\"\n.SH NAME\n", title,
                   sv_version());
    put_roff(out, title);
    sv_text_puts(out, " \\- ");
    put_roff(out, summary);
    sv_text_puts(out, "\n.SH SYNOPSIS\n");
}

static void put_man_options(sv_text *out, const sv_command_page *page)
{
    sv_text_puts(out, ".SH OPTIONS\n");
    for (size_t i = 0; i < page->option_count; i++) {
        const sv_option *o = &page->options[i];
        sv_text_puts(out, ".TP\n\\fB");
        put_roff(out, "--");
        put_roff(out, o->name);
        sv_text_puts(out, "\\fR");
        if (o->argument) sv_text_printf(out, " \\fI%s\\fR", o->argument);
        sv_text_putc(out, '\n');
        put_roff(out, o->help);
        sv_text_puts(out, o->repeat ? " (may be repeated).\n" : ".\n");
    }
    sv_text_puts(out, ".TP\n\\fB\\-\\-help\\fR\nShow a summary of the command.\n");
}

static void put_man_exits(sv_text *out)
{
    sv_text_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < EXIT_ROWS; i++) {
        sv_text_printf(out, ".TP\n%d\n", (int)exit_rows[i].code);
        put_roff(out, exit_rows[i].meaning);
        sv_text_putc(out, '\n');
    }
}

static void put_man_program(sv_text *out)
{
    put_man_head(out, "serval", TAGLINE);
    sv_text_puts(out, "\\fBserval\\fR \\fICOMMAND\\fR [\\fIOPERAND\\fR]... [\\fIOPTION\\fR]...\n"
                      ".SH COMMANDS\n");
    for (size_t i = 0; i < sv_command_count; i++) {
        sv_text_printf(out, ".TP\n\\fBserval\\-%s\\fR(1)\n", sv_commands[i].name);
        put_roff(out, sv_commands[i].summary);
        sv_text_puts(out, ".\n");
    }
    put_man_exits(out);
}

void sv_document_man(sv_text *out, const sv_command *command)
{
    if (!command) {
        put_man_program(out);
        return;
    }
    char title[64] = "serval-";
    strncat(title, command->name, sizeof title - sizeof "serval-");
    put_man_head(out, title, command->summary);
    put_synopsis(out, command);
    sv_text_puts(out, "\n.SH DESCRIPTION\n");
    put_roff(out, command->page->text);
    sv_text_putc(out, '\n');
    put_man_options(out, command->page);
    if (command->page->examples) {
        sv_text_puts(out, ".SH EXAMPLES\n.nf\n");
        put_roff(out, command->page->examples);
        sv_text_puts(out, "\n.fi\n");
    }
    put_man_exits(out);
    sv_text_puts(out, ".SH SEE ALSO\n.BR serval (1)\n");
}

/* A cell of a table: a bar would end it. */
static void put_cell(sv_text *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|') sv_text_putc(out, '\\');
        sv_text_putc(out, *text);
    }
}

static void put_markdown_command(sv_text *out, const sv_command *command)
{
    sv_text_printf(out, "\n## serval %s\n\n    ", command->name);
    put_synopsis(out, command);
    sv_text_printf(out, "\n\n%s.\n\n%s\n", command->summary, command->page->text);
    if (command->page->option_count) sv_text_puts(out, "\n| option | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < command->page->option_count; i++) {
        const sv_option *o = &command->page->options[i];
        sv_text_printf(out, "| `--%s", o->name);
        if (o->argument) {
            sv_text_putc(out, ' ');
            put_cell(out, o->argument);
        }
        sv_text_puts(out, "` | ");
        put_cell(out, o->help);
        sv_text_puts(out, o->repeat ? " (may be repeated) |\n" : " |\n");
    }
    if (command->page->examples) {
        sv_text_puts(out, "\nExamples:\n\n");
        put_lines(out, "    ", command->page->examples);
    }
}

void sv_document_markdown(sv_text *out)
{
    sv_text_puts(out, "# The command line\n\nThis page is generated from the program's own tables "
                      "(`tools/gen_docs.sh`).\n\n| exit code | meaning |\n| --- | --- |\n");
    for (size_t i = 0; i < EXIT_ROWS; i++) {
        sv_text_printf(out, "| %d | %s |\n", (int)exit_rows[i].code, exit_rows[i].meaning);
    }
    for (size_t i = 0; i < sv_command_count; i++)
        put_markdown_command(out, &sv_commands[i]);
}
