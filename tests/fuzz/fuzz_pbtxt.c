/* A config.pbtxt, as bytes: the text format's reader and the tables that stand on it; bytes that
 * begin an object are a client's JSON in its place. Besides memory errors it looks for values that
 * the tables do not allow, and for errors that do not say where. */
#include "store/triton.h"

#include "base/status.h"
#include <stdlib.h>
#include <string.h>

enum { MEMORY_LIMIT = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A contradiction is a crash, which libFuzzer reports with its input. */
static void must(bool truth)
{
    if (!truth) abort();
}

static void check_port(const sv_declared_port *port)
{
    must(port->name && port->name[0] && port->rank >= -1 && port->rank <= SV_MAX_RANK);
    for (int32_t i = 0; i < port->rank; i++)
        must(port->dim[i] >= -1);
    must(port->model_rank >= 0 && port->model_rank <= SV_MAX_RANK);
    for (int32_t i = 0; i < port->model_rank; i++)
        must(port->model_dim[i] >= -1);
}

static void check(const sv_layout *layout, const sv_triton_config *config)
{
    for (size_t i = 0; i < layout->input_count; i++)
        check_port(&layout->input[i]);
    for (size_t i = 0; i < layout->output_count; i++)
        check_port(&layout->output[i]);
    for (size_t i = 0; i < layout->warmup_count; i++) {
        for (size_t k = 0; k < layout->warmup[i].input_count; k++)
            must(layout->warmup[i].input[k].name && layout->warmup[i].input[k].dtype);
    }
    for (size_t i = 0; i < config->policy.count; i++)
        must(config->policy.number[i] > 0);
    must(!config->file_name || !strchr(config->file_name, '/'));
    must(layout->tuning.preferred_count <= SV_TUNING_PREFERRED);
    must(layout->tuning.max_batch_rows >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sv_layout layout = {.count = 0};
    sv_triton_config config = {.signature = 0};
    sv_arena_init(&layout.arena, NULL);
    layout.arena.limit = MEMORY_LIMIT;
    bool json = size && data[0] == '{';
    sv_string text = {(const char *)data, size};
    sv_status status = json ? sv_triton_config_json(text, "m", &layout, &config)
                            : sv_triton_config_parse("c", data, size, "m", &layout, &config);
    if (status == SV_OK) {
        check(&layout, &config);
    } else if (sv_status_code(status) == SV_CODE_INVALID_ARGUMENT) {
        const char *where = json ? "config" : "c:";
        must(strncmp(sv_status_message(status), where, strlen(where)) == 0);
    } else {
        must(sv_status_code(status) == SV_CODE_RESOURCE_EXHAUSTED);
    }
    sv_status_free(status);
    sv_arena_release(&layout.arena);
    return 0;
}
