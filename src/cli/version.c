/* serval version. */
#include "cli/cli.h"

#include "base/cpu.h"
#include "base/status.h"
#include <serval/serval.h>

enum { OPT_JSON };

static const sv_option options[] = {
    [OPT_JSON] = {"json", NULL, false, "Print one JSON object"},
};

static int run_version(const sv_args *args)
{
    sv_cpu_level level;
    sv_status status = sv_cpu_detect(&level);
    if (status != SV_OK) return sv_cli_fail(status);
    sv_text text;
    sv_text_init(&text, NULL);
    const char *form = sv_args_has(args, OPT_JSON)
                           ? "{\"version\":\"%s\",\"cpu\":\"%s\",\"cores\":%u}\n"
                           : "serval %s (%s, %u cores)\n";
    sv_text_printf(&text, form, sv_version(), sv_cpu_level_name(level), (unsigned)sv_cpu_granted());
    return sv_cli_print(&text);
}

const sv_command_page sv_page_version = {
    .run = run_version,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .text = "Also says which instruction set the kernels are chosen for, and how many cores the\n"
            "process was granted.",
};
