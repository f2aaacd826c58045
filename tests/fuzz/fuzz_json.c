/* The JSON body to a tensor and back. The first byte chooses the element type, the second the
 * options, the rest is the body. Besides memory errors it looks for contradictions: what was read
 * must be accepted as JSON, and must survive being written and read again. */
#include "codec/json_tensor.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY_LIMIT = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A contradiction is a crash, which libFuzzer reports with its input. */
static void must(bool truth)
{
    if (!truth) abort();
}

static bool done(sv_status status)
{
    bool ok = status == SV_OK;
    must(ok || sv_status_message(status)[0] != '\0');
    sv_status_free(status);
    return ok;
}

static bool same_elements(const sv_tensor *a, const sv_tensor *b)
{
    int64_t count = sv_tensor_count(a);
    if (a->dtype != SV_STRING)
        return sv_tensor_hash(a) == sv_tensor_hash(b) &&
               memcmp(a->data, b->data, (size_t)count * sv_dtype_get(a->dtype)->size) == 0;
    const sv_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < count; i++)
        if (x[i].size != y[i].size || memcmp(x[i].data, y[i].data, x[i].size) != 0) return false;
    return true;
}

static void check_round_trip(sv_arena *arena, const sv_tensor *tensor, bool base64)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_json_write_options how = {.base64 = base64};
    if (done(sv_json_tensor_write(&text, tensor, &how))) {
        sv_json json;
        sv_tensor again;
        sv_json_tensor_options options = {.allow_base64 = base64, .copy_strings = true};
        sv_json_init(&json, text.data, text.size, "again", arena, NULL);
        json.allow_non_finite = true;
        must(done(sv_json_tensor_read_arena(&json, tensor->dtype, &options, arena, &again)));
        must(done(sv_json_end(&json)));
        must(sv_shape_equal(&again.shape, &tensor->shape));
        must(same_elements(tensor, &again));
    }
    sv_text_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    arena.limit = MEMORY_LIMIT;
    sv_budget budget = SV_BUDGET_DEFAULT;
    sv_dtype dtype = (sv_dtype)(data[0] % SV_DTYPE_COUNT); /* 0: inferred */
    sv_json_tensor_options options = {
        .allow_base64 = data[1] & 1,
        .copy_strings = data[1] & 2,
        .expected_count = data[1] >> 4,
    };
    sv_json json, skipped;
    sv_tensor tensor;
    sv_json_init(&json, data + 2, size - 2, "body", &arena, &budget);
    json.allow_non_finite = data[1] & 4;
    skipped = json;
    bool valid = done(sv_json_skip(&skipped));
    if (done(sv_json_tensor_read_arena(&json, dtype, &options, &arena, &tensor))) {
        must(valid && json.reader.at == skipped.reader.at);
        check_round_trip(&arena, &tensor, data[1] & 9); /* bytes may be no text */
    }
    done(sv_json_end(&skipped));
    sv_arena_release(&arena);
    return 0;
}
