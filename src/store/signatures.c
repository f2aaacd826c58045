/* Reading of a model's side file. */
#define _GNU_SOURCE /* asprintf */
#include "store/signatures.h"

#include "base/blob.h"
#include "base/status.h"
#include "base/text.h"
#include "wire/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE_BYTES ((size_t)16 << 20)

static const char *const method_names[SV_SIGNATURE_METHODS] = {"predict", "classify", "regress"};

/* What has been read so far. */
typedef struct side_file {
    sv_json json;
    const sv_model *model;
    sv_signatures *result;
    sv_signature *signature;
    uint32_t signature_room, signature_count;
    sv_labels *labels;
} side_file;

const char *sv_signature_method_name(sv_signature_method method)
{
    return method_names[method];
}

static bool equals(sv_string text, const char *name)
{
    return strlen(name) == text.size && memcmp(name, text.data, text.size) == 0;
}

/* A string that outlives the text. */
static sv_status read_text(side_file *f, sv_string *out)
{
    sv_string text;
    SV_TRY(sv_json_string(&f->json, &text));
    char *copy = sv_arena_copy_text(&f->result->arena, text.data, text.size);
    if (!copy) return sv_error_memory("a signature", text.size);
    *out = (sv_string){copy, text.size};
    return SV_OK;
}

/* An array of texts. */
static sv_status read_texts(side_file *f, const sv_string **out, size_t *count)
{
    sv_string *texts = NULL;
    uint32_t room = 0, n = 0;
    bool more;
    SV_TRY(sv_json_array_begin(&f->json));
    for (;;) {
        SV_TRY(sv_json_array_next(&f->json, &more));
        if (!more) break;
        if (!sv_arena_grow(&f->result->arena, (void **)&texts, &room, n, n + 1, sizeof *texts)) {
            return sv_error_memory("a list of names", n * sizeof *texts);
        }
        SV_TRY(read_text(f, &texts[n++]));
    }
    if (n == 0) return sv_json_error(&f->json, "expected a list of at least one name, found none");
    *out = texts;
    *count = n;
    return SV_OK;
}

/* The port of the model that is called `name`. */
static sv_status find_port(const side_file *f, bool input, sv_string name, size_t *out)
{
    size_t count = input ? sv_model_input_count(f->model) : sv_model_output_count(f->model);
    for (size_t i = 0; i < count; i++) {
        const sv_port *port = input ? sv_model_input(f->model, i) : sv_model_output(f->model, i);
        if (!equals(name, port->name)) continue;
        *out = i;
        return SV_OK;
    }
    return sv_json_error(&f->json, "expected an %s of the model, found '%.*s'",
                         input ? "input" : "output", (int)(name.size < 256 ? name.size : 256),
                         name.data);
}

static sv_status read_labels(side_file *f)
{
    sv_string key;
    bool more;
    SV_TRY(sv_json_object_begin(&f->json));
    for (;;) {
        size_t index;
        SV_TRY(sv_json_object_next(&f->json, &key, &more));
        if (!more) return SV_OK;
        SV_TRY(find_port(f, false, key, &index));
        SV_TRY(read_texts(f, &f->labels[index].text, &f->labels[index].count));
    }
}

static sv_status read_axis(side_file *f)
{
    int64_t axis;
    SV_TRY(sv_json_i64(&f->json, &axis));
    if (axis < 0 || axis >= SV_MAX_RANK) {
        return sv_json_error(&f->json, "batch_axis: expected 0 to %d, found %lld", SV_MAX_RANK - 1,
                             (long long)axis);
    }
    f->result->batch_axis = (int32_t)axis;
    return SV_OK;
}

static sv_status read_method(side_file *f, sv_signature *signature)
{
    sv_string text;
    SV_TRY(sv_json_string(&f->json, &text));
    for (int m = 0; m < SV_SIGNATURE_METHODS; m++) {
        if (!equals(text, method_names[m])) continue;
        signature->method = (sv_signature_method)m;
        return SV_OK;
    }
    return sv_json_error(&f->json,
                         "method: expected \"predict\", \"classify\" or \"regress\", "
                         "found '%.*s'",
                         (int)(text.size < 64 ? text.size : 64), text.data);
}

static sv_status read_inputs(side_file *f, sv_signature *signature)
{
    size_t room = sv_model_input_count(f->model);
    sv_signature_input *inputs = sv_arena_array(&f->result->arena, room, sizeof *inputs);
    sv_string key;
    bool more;
    if (!inputs) return sv_error_memory("a signature", room * sizeof *inputs);
    SV_TRY(sv_json_object_begin(&f->json));
    while (true) {
        SV_TRY(sv_json_object_next(&f->json, &key, &more));
        if (!more) break;
        if (signature->input_count == room) {
            return sv_json_error(&f->json, "inputs: expected each once, found one twice");
        }
        sv_signature_input *input = &inputs[signature->input_count];
        SV_TRY(find_port(f, true, key, &input->input));
        SV_TRY(read_texts(f, &input->feature, &input->count));
        signature->input_count++;
    }
    signature->input = inputs;
    return SV_OK;
}

/* Any name may stand for an output of a prediction; the others have roles. */
static sv_status take_output(side_file *f, sv_string role, sv_signature *signature, bool *wanted)
{
    sv_string tensor;
    size_t index;
    SV_TRY(sv_json_string(&f->json, &tensor));
    SV_TRY(find_port(f, false, tensor, &index));
    wanted[index] = true;
    if (equals(role, "scores")) signature->scores = (int64_t)index;
    if (equals(role, "classes")) signature->classes = (int64_t)index;
    if (equals(role, "values")) signature->values = (int64_t)index;
    return SV_OK;
}

static sv_status read_outputs(side_file *f, sv_signature *signature)
{
    sv_string role;
    bool more;
    bool *wanted = sv_arena_array(&f->result->arena, sv_model_output_count(f->model), sizeof(bool));
    if (!wanted) return sv_error_memory("a signature", sv_model_output_count(f->model));
    SV_TRY(sv_json_object_begin(&f->json));
    for (;;) {
        SV_TRY(sv_json_object_next(&f->json, &role, &more));
        if (!more) break;
        SV_TRY(take_output(f, role, signature, wanted));
    }
    signature->wanted = wanted;
    return SV_OK;
}

static sv_status check_signature(const side_file *f, const sv_signature *s)
{
    bool complete =
        s->method == SV_SIGNATURE_PREDICT ||
        (s->input_count &&
         (s->method == SV_SIGNATURE_REGRESS ? s->values >= 0 : s->scores >= 0 || s->classes >= 0));
    if (complete) return SV_OK;
    return sv_json_error(
        &f->json, "signature '%s': expected \"inputs\" and an output %s, found none", s->name,
        s->method == SV_SIGNATURE_REGRESS ? "\"values\"" : "\"scores\" or \"classes\"");
}

static sv_status read_signature_field(side_file *f, size_t index, sv_signature *signature)
{
    switch (index) {
    case 0:
        return read_inputs(f, signature);
    case 1:
        return read_method(f, signature);
    case 2:
        return read_outputs(f, signature);
    default:
        return sv_json_error(&f->json, "expected inputs, method or outputs, found another key");
    }
}

static sv_status read_signature(side_file *f, const char *name, sv_signature *out)
{
    static const char *const names[] = {"inputs", "method", "outputs"};
    sv_json_fields fields = {.names = names, .count = 3};
    sv_signature signature = {.name = name, .scores = -1, .classes = -1, .values = -1};
    sv_string key;
    size_t index;
    bool more;
    SV_TRY(sv_json_object_begin(&f->json));
    for (;;) {
        SV_TRY(sv_json_field_next(&f->json, &fields, &key, &index, &more));
        if (!more) break;
        SV_TRY(read_signature_field(f, index, &signature));
    }
    SV_TRY(check_signature(f, &signature));
    *out = signature;
    return SV_OK;
}

static sv_status read_signatures(side_file *f)
{
    sv_string key;
    bool more;
    sv_arena *arena = &f->result->arena;
    SV_TRY(sv_json_object_begin(&f->json));
    for (;;) {
        SV_TRY(sv_json_object_next(&f->json, &key, &more));
        if (!more) return SV_OK;
        char *name = sv_arena_copy_text(arena, key.data, key.size);
        uint32_t count = f->signature_count;
        if (!name || !sv_arena_grow(arena, (void **)&f->signature, &f->signature_room, count,
                                    count + 1, sizeof *f->signature)) {
            return sv_error_memory("a signature", sizeof *f->signature);
        }
        SV_TRY(read_signature(f, name, &f->signature[count]));
        f->signature_count++;
    }
}

static sv_status read_field(side_file *f, size_t index)
{
    switch (index) {
    case 0:
        return read_axis(f);
    case 1:
        return read_labels(f);
    case 2:
        return read_signatures(f);
    default:
        return sv_json_error(&f->json, "expected batch_axis, labels or signatures, found another "
                                       "key");
    }
}

static sv_status read_file(side_file *f)
{
    static const char *const names[] = {"batch_axis", "labels", "signatures"};
    sv_json_fields fields = {.names = names, .count = 3};
    sv_string key;
    size_t index, outputs = sv_model_output_count(f->model);
    bool more;
    f->labels = sv_arena_array(&f->result->arena, outputs, sizeof *f->labels);
    if (!f->labels) return sv_error_memory("labels", outputs * sizeof *f->labels);
    SV_TRY(sv_json_object_begin(&f->json));
    for (;;) {
        SV_TRY(sv_json_field_next(&f->json, &fields, &key, &index, &more));
        if (!more) break;
        SV_TRY(read_field(f, index));
    }
    f->result->signature = f->signature;
    f->result->count = f->signature_count;
    f->result->labels = f->labels;
    return sv_json_end(&f->json);
}

sv_status sv_signatures_read(sv_string text, const char *origin, const sv_model *model,
                             sv_signatures **out)
{
    sv_signatures *result = calloc(1, sizeof *result);
    if (!result) return sv_error_memory("signatures", sizeof *result);
    sv_arena_init(&result->arena, NULL);
    side_file f = {.model = model, .result = result};
    sv_json_init(&f.json, text.data, text.size, origin, &result->arena, NULL);
    sv_status status = read_file(&f);
    if (status != SV_OK) {
        sv_signatures_destroy(result);
        return status;
    }
    *out = result;
    return SV_OK;
}

/* ---- labels by lines ------------------------------------------------------------------------- */

/* Signatures that say nothing yet. */
static sv_status make_empty(const sv_model *model, sv_signatures **out)
{
    size_t outputs = sv_model_output_count(model);
    sv_signatures *result = calloc(1, sizeof *result);
    if (!result) return sv_error_memory("signatures", sizeof *result);
    sv_arena_init(&result->arena, NULL);
    result->labels = sv_arena_array(&result->arena, outputs, sizeof *result->labels);
    if (!result->labels) {
        sv_signatures_destroy(result);
        return sv_error_memory("labels", outputs * sizeof *result->labels);
    }
    *out = result;
    return SV_OK;
}

static size_t count_lines(sv_string text)
{
    size_t lines = text.size && text.data[text.size - 1] != '\n';
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* Lines end as on Unix or on Windows; the last may not end at all. */
static void split_lines(sv_string text, sv_string *out)
{
    for (size_t at = 0; at < text.size; out++) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end ? (size_t)(end - text.data) - at : text.size - at;
        *out = (sv_string){text.data + at, size};
        at += size + 1;
        if (size && out->data[size - 1] == '\r') out->size--;
    }
}

sv_status sv_signatures_add_labels(sv_signatures **signatures, sv_string text, const char *origin,
                                   const sv_model *model, size_t output)
{
    if (!sv_utf8_valid(text) || (text.size && memchr(text.data, '\0', text.size))) {
        return sv_error_invalid("%s: expected labels in UTF-8, one a line, found other bytes",
                                origin);
    }
    if (!*signatures) SV_TRY(make_empty(model, signatures));
    sv_arena *arena = &(*signatures)->arena;
    sv_labels *labels = (sv_labels *)(uintptr_t) & (*signatures)->labels[output];
    if (labels->count) return SV_OK;
    size_t count = count_lines(text);
    sv_string *lines = sv_arena_array(arena, count, sizeof *lines);
    char *copy = sv_arena_copy_text(arena, text.data, text.size);
    if (!lines || !copy) return sv_error_memory("labels", text.size + count * sizeof *lines);
    split_lines((sv_string){copy, text.size}, lines);
    *labels = (sv_labels){lines, count};
    return SV_OK;
}

char *sv_signatures_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    int stem = dot ? (int)(dot - path) : (int)strlen(path);
    char *out;
    return asprintf(&out, "%.*s.signatures.json", stem, path) < 0 ? NULL : out;
}

sv_status sv_signatures_load(const char *path, const sv_model *model, sv_signatures **out)
{
    char *side = sv_signatures_path(path);
    if (!side) return sv_error_memory("a path", strlen(path));
    sv_blob *blob = NULL;
    sv_status status = SV_OK;
    *out = NULL;
    if (access(side, F_OK) == 0) status = sv_blob_read_file(side, MAX_FILE_BYTES, NULL, &blob);
    if (blob) {
        sv_string text = {(const char *)blob->data, blob->size};
        status = sv_signatures_read(text, side, model, out);
        sv_blob_unref(blob);
    }
    free(side);
    return status;
}

void sv_signatures_destroy(sv_signatures *signatures)
{
    if (!signatures) return;
    sv_arena_release(&signatures->arena);
    free(signatures);
}

const sv_signature *sv_signatures_find(const sv_signatures *signatures, sv_string name,
                                       sv_signature_method method)
{
    const sv_signature *found = NULL;
    for (size_t i = 0; signatures && i < signatures->count; i++) {
        const sv_signature *s = &signatures->signature[i];
        if (s->method != method) continue;
        if (name.size && equals(name, s->name)) return s;
        if (name.size == 0 && found) return NULL;
        if (name.size == 0) found = s;
    }
    return found;
}

bool sv_signatures_label(const sv_signatures *signatures, size_t output, size_t index,
                         sv_string *out)
{
    if (!signatures || index >= signatures->labels[output].count) return false;
    *out = signatures->labels[output].text[index];
    return true;
}
