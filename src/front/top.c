/* Finding the best scores and writing them. */
#include "front/top.h"

#include "base/status.h"
#include "store/signatures.h"
#include "tensor/dtype.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXTS ((size_t)1 << 20) /* in one answer */

/* Falling scores, NaN last, equals by their place. */
static int compare(const void *left, const void *right)
{
    const sv_top *a = left, *b = right;
    bool none_a = isnan(a->score), none_b = isnan(b->score);
    if (none_a != none_b) return none_a ? 1 : -1;
    if (a->score != b->score && !none_a) return a->score < b->score ? 1 : -1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static size_t row_count(const sv_buffer *buffer)
{
    return buffer->rank > 1 ? (size_t)buffer->dim[0] : 1;
}

static sv_status check_scores(const sv_buffer *buffer)
{
    uint8_t class_ = sv_dtype_get(buffer->dtype)->class_;
    bool numbers = class_ != SV_CLASS_STRING && class_ != SV_CLASS_COMPLEX && buffer->rank > 0;
    if (numbers && row_count(buffer) > 0) return SV_OK;
    return sv_error_invalid("classification: expected scores, found %s of %d dimensions",
                            sv_dtype_name(buffer->dtype), (int)buffer->rank);
}

static sv_status set_label(const sv_request *request, size_t output, sv_arena *arena, sv_top *top)
{
    top->labelled =
        sv_signatures_label(request->version->signatures, output, top->index, &top->label);
    if (top->labelled) return SV_OK;
    top->label.data = sv_arena_printf(arena, "%zu", top->index);
    if (!top->label.data) return sv_error_memory("a label", sizeof top->index);
    top->label.size = strlen(top->label.data);
    return SV_OK;
}

static sv_status find_in(const sv_request *request, size_t output, const sv_buffer *buffer,
                         size_t row, uint64_t most, sv_arena *arena, sv_top **out, size_t *count)
{
    SV_TRY(check_scores(buffer));
    size_t size = sv_dtype_size(buffer->dtype), width = buffer->size / size / row_count(buffer);
    const char *scores = (const char *)buffer->data + row * width * size;
    sv_top *top = sv_arena_array(arena, width + 1, sizeof *top);
    if (!top) return sv_error_memory("classes", width * sizeof *top);
    for (size_t i = 0; i < width; i++) {
        top[i].score = sv_scalar_get_f64(buffer->dtype, scores + i * size);
        top[i].index = i;
    }
    qsort(top, width, sizeof *top, compare);
    *count = most < width ? (size_t)most : width;
    for (size_t i = 0; i < *count; i++)
        SV_TRY(set_label(request, output, arena, &top[i]));
    *out = top;
    return SV_OK;
}

sv_status sv_top_find(const sv_request *request, size_t output, size_t row, uint64_t most,
                      sv_arena *arena, sv_top **out, size_t *count)
{
    return find_in(request, output, &request->output[output], row, most, arena, out, count);
}

static sv_status put_row(const sv_top *top, size_t count, sv_arena *arena, sv_string *to)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = sv_arena_printf(
            arena, "%f:%zu%s%.*s", top[i].score, top[i].index, top[i].labelled ? ":" : "",
            top[i].labelled ? (int)top[i].label.size : 0, top[i].label.data);
        if (!text) return sv_error_memory("a class", top[i].label.size);
        to[i] = (sv_string){text, strlen(text)};
    }
    return SV_OK;
}

sv_status sv_top_texts(const sv_request *request, size_t output, const sv_buffer *from,
                       uint64_t most, sv_arena *arena, sv_buffer *out)
{
    SV_TRY(check_scores(from));
    size_t rows = row_count(from), width = from->size / sv_dtype_size(from->dtype) / rows;
    size_t kept = most < width ? (size_t)most : width, count;
    if (kept * rows > MAX_TEXTS) {
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                        "classification: expected at most %zu classes in an answer, found %zu",
                        MAX_TEXTS, kept * rows);
    }
    sv_string *texts = sv_arena_array(arena, kept * rows + 1, sizeof *texts);
    if (!texts) return sv_error_memory("classes", kept * rows * sizeof *texts);
    for (size_t r = 0; r < rows; r++) {
        sv_top *top;
        SV_TRY(find_in(request, output, from, r, most, arena, &top, &count));
        SV_TRY(put_row(top, count, arena, texts + r * kept));
    }
    *out = (sv_buffer){.dtype = SV_STRING, .data = texts, .size = kept * rows * sizeof *texts};
    out->rank = from->rank > 1 ? 2 : 1;
    out->dim[0] = from->rank > 1 ? (int64_t)rows : (int64_t)kept;
    out->dim[1] = (int64_t)kept;
    return SV_OK;
}
