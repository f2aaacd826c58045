/* serval inspect: what a model file holds, and whether all of it can run. */
#include "api/inspect.h"
#include "base/status.h"
#include "cli/load.h"
#include "tensor/datum.h"
#include <stdio.h>
#include <string.h>

enum { OPT_JSON };

static const sv_option options[] = {
    [OPT_JSON] = {"json", NULL, false, "Print one JSON object"},
};

static void put_string(sv_text *out, const char *text)
{
    sv_text_put_json(out, text ? text : "", text ? strlen(text) : 0);
}

static void put_bool(sv_text *out, bool value)
{
    sv_text_puts(out, value ? "true" : "false");
}

static void put_dim(const sv_port *port, int32_t i, bool json, sv_text *out)
{
    if (port->dim[i] >= 0) {
        sv_text_put_i64(out, port->dim[i]);
    } else if (json) {
        put_string(out, port->dim_name[i]);
    } else {
        sv_text_puts(out, port->dim_name[i] ? port->dim_name[i] : "?");
    }
}

static void put_dims(const sv_port *port, bool json, sv_text *out)
{
    sv_text_putc(out, '[');
    for (int32_t i = 0; i < port->rank; i++) {
        if (i) sv_text_puts(out, json ? "," : ", ");
        put_dim(port, i, json, out);
    }
    sv_text_putc(out, ']');
}

/* ---- for programs ------------------------------------------------------------------------ */

static void put_ports_json(const sv_port *ports, uint32_t count, sv_text *out)
{
    for (uint32_t i = 0; i < count; i++) {
        const sv_port *port = &ports[i];
        sv_text_puts(out, i ? ",{\"name\":" : "{\"name\":");
        put_string(out, port->name);
        sv_text_printf(out,
                       ",\"kind\":\"%s\",\"dtype\":\"%s\",\"shape\":", sv_kind_name(port->kind),
                       sv_dtype_name(port->dtype));
        if (port->rank < 0) {
            sv_text_puts(out, "null");
        } else {
            put_dims(port, true, out);
        }
        sv_text_puts(out, ",\"optional\":");
        put_bool(out, port->optional);
        sv_text_putc(out, '}');
    }
}

static void put_operators_json(const sv_inspection *found, sv_text *out)
{
    for (uint32_t i = 0; i < found->n_op; i++) {
        const sv_inspect_op *op = &found->op[i];
        sv_text_puts(out, i ? ",{\"domain\":" : "{\"domain\":");
        put_string(out, op->domain);
        sv_text_puts(out, ",\"name\":");
        put_string(out, op->name);
        sv_text_printf(out, ",\"version\":%d,\"count\":%u,\"supported\":", (int)op->version,
                       (unsigned)op->count);
        put_bool(out, op->supported);
        sv_text_putc(out, '}');
    }
}

static void put_facts_json(const sv_inspection *found, sv_text *out)
{
    sv_text_printf(out, ",\"ir_version\":%lld,\"producer\":", (long long)found->ir_version);
    put_string(out, found->producer);
    sv_text_puts(out, ",\"opsets\":{");
    for (uint32_t i = 0; i < found->n_opset; i++) {
        sv_text_puts(out, i ? "," : "");
        put_string(out, found->opset[i].domain);
        sv_text_printf(out, ":%lld", (long long)found->opset[i].version);
    }
    sv_text_printf(out,
                   "},\"nodes\":%llu,\"functions\":%u,\"parameters\":%llu,\"weight_bytes\":%llu",
                   (unsigned long long)found->nodes, (unsigned)found->n_function,
                   (unsigned long long)found->parameters, (unsigned long long)found->weight_bytes);
    sv_text_puts(out, ",\"metadata\":{");
    for (uint32_t i = 0; i < found->n_metadata; i++) {
        sv_text_puts(out, i ? "," : "");
        put_string(out, found->metadata[2 * i]);
        sv_text_putc(out, ':');
        put_string(out, found->metadata[2 * i + 1]);
    }
    sv_text_putc(out, '}');
}

static void put_json(const sv_inspection *found, const char *path, sv_text *out)
{
    sv_text_puts(out, "{\"path\":");
    put_string(out, path);
    sv_text_puts(out, ",\"inputs\":[");
    put_ports_json(found->in, found->n_in, out);
    sv_text_puts(out, "],\"outputs\":[");
    put_ports_json(found->out, found->n_out, out);
    sv_text_puts(out, "],\"operators\":[");
    put_operators_json(found, out);
    sv_text_printf(out, "],\"unsupported\":%u", (unsigned)found->n_unsupported);
    put_facts_json(found, out);
    sv_text_puts(out, "}\n");
}

/* ---- for people -------------------------------------------------------------------------- */

static void put_ports(const char *title, const sv_port *ports, uint32_t count, sv_text *out)
{
    sv_text_printf(out, "%s:\n", title);
    for (uint32_t i = 0; i < count; i++) {
        const sv_port *port = &ports[i];
        sv_text_printf(out, "  %s: ", port->name);
        if (port->kind != SV_KIND_TENSOR) sv_text_printf(out, "%s of ", sv_kind_name(port->kind));
        sv_text_printf(out, "%s ", sv_dtype_name(port->dtype));
        if (port->rank < 0) {
            sv_text_puts(out, "of any shape");
        } else {
            put_dims(port, false, out);
        }
        sv_text_puts(out, port->optional ? " (optional)\n" : "\n");
    }
}

static void put_operator(const sv_inspect_op *op, sv_text *out)
{
    bool standard = strcmp(op->domain, "ai.onnx") == 0;
    sv_text_printf(out, "  %6u  %s%s%s", (unsigned)op->count, standard ? "" : op->domain,
                   standard ? "" : ".", op->name);
    if (!op->supported) sv_text_puts(out, "  (not supported)");
    sv_text_putc(out, '\n');
}

static void put_plain(const sv_inspection *found, sv_text *out)
{
    put_ports("inputs", found->in, found->n_in, out);
    put_ports("outputs", found->out, found->n_out, out);
    sv_text_printf(out, "operators: %llu nodes\n", (unsigned long long)found->nodes);
    for (uint32_t i = 0; i < found->n_op; i++)
        put_operator(&found->op[i], out);
    sv_text_printf(out, "parameters: %llu (%.2f MiB)\n", (unsigned long long)found->parameters,
                   (double)found->weight_bytes / 1048576.0);
    sv_text_printf(out, "format: ONNX, IR version %lld", (long long)found->ir_version);
    for (uint32_t i = 0; i < found->n_opset; i++) {
        sv_text_printf(out, ", %s %lld",
                       found->opset[i].domain[0] ? found->opset[i].domain : "ai.onnx",
                       (long long)found->opset[i].version);
    }
    if (found->producer && found->producer[0]) sv_text_printf(out, ", from %s", found->producer);
    sv_text_puts(out, found->n_metadata ? "\nmetadata:\n" : "\n");
    for (uint32_t i = 0; i < found->n_metadata; i++) {
        sv_text_printf(out, "  %s: %s\n", found->metadata[2 * i], found->metadata[2 * i + 1]);
    }
}

/* Says which operators are missing, all at once; the exit code that this means. */
static int report_unsupported(const sv_inspection *found)
{
    if (!found->n_unsupported) return SV_EXIT_DONE;
    sv_text names;
    sv_text_init(&names, NULL);
    for (uint32_t i = 0; i < found->n_op; i++) {
        if (found->op[i].supported) continue;
        sv_text_printf(&names, "%s%s", names.size ? ", " : "", found->op[i].name);
    }
    fprintf(stderr, "serval: operators: expected supported ones, found %s\n",
            names.data ? names.data : "others");
    sv_text_release(&names);
    return SV_EXIT_UNSUPPORTED;
}

static int inspect(const sv_args *args, sv_runtime *runtime, sv_arena *arena)
{
    sv_inspection found;
    sv_progress *progress = sv_progress_start("reading the model");
    sv_status status = sv_inspect(runtime, args->operands[0], arena, &found);
    sv_progress_stop(progress);
    if (status != SV_OK) return sv_cli_fail(status);
    sv_text text;
    sv_text_init(&text, NULL);
    if (sv_args_has(args, OPT_JSON)) {
        put_json(&found, args->operands[0], &text);
    } else {
        put_plain(&found, &text);
    }
    int result = sv_cli_print(&text);
    return result == SV_EXIT_DONE ? report_unsupported(&found) : result;
}

static int run_inspect(const sv_args *args)
{
    sv_runtime_options wanted = SV_RUNTIME_OPTIONS_INIT;
    sv_runtime *runtime;
    wanted.threads = 1;
    sv_status status = sv_runtime_create(&wanted, &runtime);
    if (status != SV_OK) return sv_cli_fail(status);
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    int result = inspect(args, runtime, &arena);
    sv_arena_release(&arena);
    sv_runtime_destroy(runtime);
    return result;
}

const sv_command_page sv_page_inspect = {
    .run = run_inspect,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .min_operands = 1,
    .max_operands = 1,
    .text = "Reads and checks the file without making it ready to run. Operators that are not\n"
            "supported are all named at once, with exit code 4.",
    .examples = "serval inspect model.onnx",
};
