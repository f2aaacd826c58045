/* serval inspect: what a model takes and gives. */
#include "base/status.h"
#include "cli/load.h"
#include "tensor/datum.h"
#include <string.h>

enum { OPT_JSON };

static const sv_option options[] = {
    [OPT_JSON] = {"json", NULL, false, "Print one JSON object"},
};

static void put_dim(const sv_port *port, int32_t i, bool json, sv_text *out)
{
    if (port->dim[i] >= 0) {
        sv_text_put_i64(out, port->dim[i]);
    } else if (json) {
        const char *name = port->dim_name[i] ? port->dim_name[i] : "";
        sv_text_put_json(out, name, strlen(name));
    } else {
        sv_text_puts(out, port->dim_name[i] ? port->dim_name[i] : "?");
    }
}

static void put_port_json(const sv_port *port, sv_text *out)
{
    sv_text_puts(out, "{\"name\":");
    sv_text_put_json(out, port->name, strlen(port->name));
    sv_text_printf(out, ",\"kind\":\"%s\",\"dtype\":\"%s\",\"shape\":", sv_kind_name(port->kind),
                   sv_dtype_name(port->dtype));
    if (port->rank < 0) {
        sv_text_puts(out, "null");
    } else {
        sv_text_putc(out, '[');
        for (int32_t i = 0; i < port->rank; i++) {
            sv_text_puts(out, i ? "," : "");
            put_dim(port, i, true, out);
        }
        sv_text_putc(out, ']');
    }
    sv_text_printf(out, ",\"optional\":%s}", port->optional ? "true" : "false");
}

static void put_port(const sv_port *port, sv_text *out)
{
    sv_text_printf(out, "  %s: ", port->name);
    if (port->kind != SV_KIND_TENSOR) sv_text_printf(out, "%s of ", sv_kind_name(port->kind));
    sv_text_printf(out, "%s ", sv_dtype_name(port->dtype));
    if (port->rank < 0) {
        sv_text_puts(out, "of any shape");
    } else {
        sv_text_putc(out, '[');
        for (int32_t i = 0; i < port->rank; i++) {
            sv_text_puts(out, i ? ", " : "");
            put_dim(port, i, false, out);
        }
        sv_text_putc(out, ']');
    }
    sv_text_puts(out, port->optional ? " (optional)\n" : "\n");
}

static void put_ports(const sv_model *model, bool inputs, bool json, sv_text *out)
{
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        const sv_port *port = inputs ? sv_model_input(model, i) : sv_model_output(model, i);
        if (json) {
            sv_text_puts(out, i ? "," : "");
            put_port_json(port, out);
        } else {
            put_port(port, out);
        }
    }
}

static void put_metadata_json(const sv_model *model, sv_text *out)
{
    const char *key, *value;
    for (size_t i = 0; sv_model_metadata(model, i, &key, &value); i++) {
        sv_text_puts(out, i ? "," : "");
        sv_text_put_json(out, key, strlen(key));
        sv_text_putc(out, ':');
        sv_text_put_json(out, value, strlen(value));
    }
}

static void put_json(const sv_loaded *loaded, const char *path, sv_text *out)
{
    sv_model_stats stats;
    sv_model_get_stats(loaded->model, &stats);
    sv_text_puts(out, "{\"path\":");
    sv_text_put_json(out, path, strlen(path));
    sv_text_puts(out, ",\"inputs\":[");
    put_ports(loaded->model, true, true, out);
    sv_text_puts(out, "],\"outputs\":[");
    put_ports(loaded->model, false, true, out);
    sv_text_printf(out,
                   "],\"parameters\":%llu,\"weight_bytes\":%llu,\"packed_bytes\":%llu,\"nodes\":%u,"
                   "\"load_ms\":%.3f,\"metadata\":{",
                   (unsigned long long)stats.parameters, (unsigned long long)stats.weight_bytes,
                   (unsigned long long)stats.packed_bytes, (unsigned)stats.nodes,
                   (double)loaded->load_ns / 1e6);
    put_metadata_json(loaded->model, out);
    sv_text_puts(out, "}}\n");
}

static void put_plain(const sv_loaded *loaded, sv_text *out)
{
    sv_model_stats stats;
    sv_model_get_stats(loaded->model, &stats);
    sv_text_puts(out, "inputs:\n");
    put_ports(loaded->model, true, false, out);
    sv_text_puts(out, "outputs:\n");
    put_ports(loaded->model, false, false, out);
    sv_text_printf(out, "parameters: %llu (%.2f MiB in the file, %.2f MiB packed)\n",
                   (unsigned long long)stats.parameters, (double)stats.weight_bytes / 1048576.0,
                   (double)stats.packed_bytes / 1048576.0);
    sv_text_printf(out, "nodes: %u after optimisation\n", (unsigned)stats.nodes);
    const char *key, *value;
    for (size_t i = 0; sv_model_metadata(loaded->model, i, &key, &value); i++) {
        sv_text_printf(out, "%s%s: %s\n", i ? "  " : "metadata:\n  ", key, value);
    }
}

static int run_inspect(const sv_args *args)
{
    sv_loaded loaded;
    sv_status status = sv_loaded_init(&loaded, args->operands[0], 1);
    if (status != SV_OK) return sv_cli_fail(status);
    sv_text text;
    sv_text_init(&text, NULL);
    if (sv_args_has(args, OPT_JSON)) {
        put_json(&loaded, args->operands[0], &text);
    } else {
        put_plain(&loaded, &text);
    }
    sv_loaded_release(&loaded);
    return sv_cli_print(&text);
}

const sv_command_page sv_page_inspect = {
    .run = run_inspect,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .min_operands = 1,
    .max_operands = 1,
    .text = "Operators that are not supported are all named at once, with exit code 4.",
    .examples = "serval inspect model.onnx",
};
