/* Reading SequenceProto, OptionalProto and MapProto. Depth is bounded by the reader's budget, and
 * here for callers without one. */
#include "base/status.h"
#include "codec/tensor_proto.h"
#include "codec/tensor_proto_fields.h"
#include "wire/protobuf.h"

#include <string.h>

#define MAX_DEPTH 64

typedef struct context {
    const sv_tensor_source *source;
    uint32_t depth;
} context;

static sv_status read_datum(context *c, const sv_reader *message, sv_kind kind, sv_datum *out);

/* The field of SequenceProto and OptionalProto that holds elements of a kind, by element type. */
static uint32_t field_of_element(int32_t element)
{
    switch (element) {
    case SV_ELEMENT_TENSOR:
        return SV_DATUM_TENSOR;
    case SV_ELEMENT_SPARSE_TENSOR:
        return SV_DATUM_SPARSE_TENSOR;
    case SV_ELEMENT_SEQUENCE:
        return SV_DATUM_SEQUENCE;
    case SV_ELEMENT_MAP:
        return SV_DATUM_MAP;
    case SV_ELEMENT_OPTIONAL:
        return SV_DATUM_OPTIONAL;
    default:
        return 0;
    }
}

static sv_kind kind_of_field(uint32_t number)
{
    switch (number) {
    case SV_DATUM_SEQUENCE:
        return SV_KIND_SEQUENCE;
    case SV_DATUM_MAP:
        return SV_KIND_MAP;
    case SV_DATUM_OPTIONAL:
        return SV_KIND_OPTIONAL;
    default:
        return SV_KIND_TENSOR;
    }
}

static sv_status take_items(context *c, const sv_reader *message, size_t count, sv_datum **out)
{
    SV_TRY(sv_budget_take_bytes(message->budget, count * sizeof **out, "a sequence"));
    *out = sv_arena_array(c->source->arena, count, sizeof **out);
    return *out ? SV_OK : sv_error_memory("a sequence", count * sizeof **out);
}

/* The type of the tensors that a datum holds, or the one of a map's values. */
static sv_dtype dtype_below(const sv_datum *datum)
{
    return datum->kind == SV_KIND_TENSOR ? datum->tensor.dtype : datum->element_dtype;
}

/* Counts the elements (fields of the element type's number); others must not be there. */
static sv_status count_elements(const sv_reader *message, uint32_t *number, size_t *count)
{
    sv_reader reader = *message;
    int32_t element = SV_ELEMENT_UNDEFINED;
    uint32_t found = 0;
    *count = 0;
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) break;
        if (field.number == SV_DATUM_ELEMENT_TYPE)
            SV_TRY(sv_pb_int32(&field, "elem_type", &element));
        if (field.number < SV_DATUM_TENSOR || field.number > SV_DATUM_OPTIONAL) continue;
        if (found && found != field.number)
            return sv_reader_error(&field.bytes,
                                   "elements of two kinds in one sequence or optional");
        found = field.number;
        ++*count;
    }
    *number = element == SV_ELEMENT_UNDEFINED ? found : field_of_element(element);
    if (found && found != *number)
        return sv_reader_error(message, "elements are not of the declared type %d", (int)element);
    return SV_OK;
}

static sv_status read_elements(context *c, const sv_reader *message, sv_datum *out)
{
    uint32_t number;
    size_t count, at = 0;
    SV_TRY(count_elements(message, &number, &count));
    if (number == SV_DATUM_SPARSE_TENSOR)
        return sv_error_unsupported("%s: sparse tensors in sequences", message->origin);
    if (out->kind == SV_KIND_OPTIONAL && count > 1)
        return sv_reader_error(message, "an optional with %zu elements", count);
    SV_TRY(take_items(c, message, count, &out->item));
    sv_reader reader = *message;
    while (at < count) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number != number) continue;
        sv_reader inner;
        SV_TRY(sv_pb_message(&field, "an element", &inner));
        SV_TRY(read_datum(c, &inner, kind_of_field(number), &out->item[at++]));
        sv_budget_leave(inner.budget);
    }
    out->count = count;
    if (count) out->element_dtype = dtype_below(&out->item[0]);
    return SV_OK;
}

/* ---- maps ---------------------------------------------------------------------------------- */

typedef struct map_survey {
    int32_t key_type;
    size_t ints, texts;
    sv_pb_field values;
} map_survey;

static sv_status survey_map(const sv_reader *message, map_survey *s)
{
    sv_reader reader = *message;
    *s = (map_survey){0};
    for (;;) {
        sv_pb_field field;
        sv_pb_items items;
        SV_TRY(sv_pb_next(&reader, &field));
        switch (field.number) {
        case 0:
            return SV_OK;
        case SV_MAP_KEY_TYPE:
            SV_TRY(sv_pb_int32(&field, "key_type", &s->key_type));
            break;
        case SV_MAP_KEYS:
            SV_TRY(sv_pb_items_begin(&field, SV_PB_VARINT, "keys", &items));
            s->ints += sv_pb_items_count(&items);
            break;
        case SV_MAP_STRING_KEYS:
            s->texts++;
            break;
        case SV_MAP_VALUES:
            s->values = field;
            break;
        default:
            break;
        }
    }
}

static sv_status put_string_key(context *c, const sv_pb_field *field, sv_tensor *keys, size_t *at)
{
    const uint8_t *data;
    size_t size;
    SV_TRY(sv_pb_bytes(field, "string_keys", &data, &size));
    SV_TRY(sv_budget_take_bytes(field->bytes.budget, size, "a map's keys"));
    char *copy = sv_arena_copy_text(c->source->arena, (const char *)data, size);
    if (!copy) return sv_error_memory("a map's key", size);
    ((sv_string *)keys->data)[(*at)++] = (sv_string){copy, size};
    return SV_OK;
}

static sv_status put_int_keys(const sv_pb_field *field, sv_tensor *keys, size_t *at)
{
    const size_t size = sv_dtype_get(keys->dtype)->size;
    sv_pb_items items;
    SV_TRY(sv_pb_items_begin(field, SV_PB_VARINT, "keys", &items));
    while (items.more) {
        uint64_t bits;
        SV_TRY(sv_pb_items_next(&items, &bits));
        sv_scalar_set_i64(keys->dtype, (char *)keys->data + (*at)++ * size, (int64_t)bits);
    }
    return SV_OK;
}

static sv_status read_keys(context *c, const sv_reader *message, const map_survey *s, sv_datum *out)
{
    bool text = s->key_type == SV_STRING;
    sv_dtype dtype =
        s->key_type > 0 && s->key_type < SV_DTYPE_COUNT ? (sv_dtype)s->key_type : SV_DTYPE_NONE;
    if (!text && !sv_dtype_is_integer(dtype))
        return sv_reader_error(message, "map keys of type %d, expected integers or strings",
                               (int)s->key_type);
    if (text ? s->ints : s->texts)
        return sv_reader_error(message, "map keys are not of the declared type %d", s->key_type);
    int64_t count = (int64_t)(text ? s->texts : s->ints);
    sv_shape shape = sv_shape_make(1, &count);
    SV_TRY(sv_budget_take_bytes(message->budget, (size_t)count * sv_dtype_get(dtype)->size,
                                "a map's keys"));
    SV_TRY(sv_tensor_create(c->source->arena, dtype, &shape, &out->keys));
    sv_reader reader = *message;
    size_t at = 0;
    for (;;) {
        sv_pb_field field;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (text && field.number == SV_MAP_STRING_KEYS)
            SV_TRY(put_string_key(c, &field, &out->keys, &at));
        if (!text && field.number == SV_MAP_KEYS) SV_TRY(put_int_keys(&field, &out->keys, &at));
    }
}

static sv_status read_map(context *c, const sv_reader *message, sv_datum *out)
{
    map_survey s;
    SV_TRY(survey_map(message, &s));
    SV_TRY(read_keys(c, message, &s, out));
    size_t count = (size_t)out->keys.shape.dim[0];
    sv_datum values = {.kind = SV_KIND_SEQUENCE};
    if (s.values.number) {
        sv_reader inner;
        SV_TRY(sv_pb_message(&s.values, "a map's values", &inner));
        SV_TRY(read_elements(c, &inner, &values));
        sv_budget_leave(inner.budget);
    }
    if (values.count != count)
        return sv_reader_error(message, "a map with %zu keys and %zu values", count, values.count);
    out->item = values.item;
    out->count = count;
    out->element_dtype = values.element_dtype;
    return SV_OK;
}

/* ---- all kinds ----------------------------------------------------------------------------- */

static sv_status read_datum(context *c, const sv_reader *message, sv_kind kind, sv_datum *out)
{
    if (c->depth == MAX_DEPTH)
        return sv_reader_error(message, "data are nested more than %d deep", MAX_DEPTH);
    c->depth++;
    sv_datum datum = {.kind = kind};
    if (kind == SV_KIND_TENSOR)
        SV_TRY(sv_tensor_proto_read(message, c->source, &datum.tensor, NULL));
    else if (kind == SV_KIND_MAP)
        SV_TRY(read_map(c, message, &datum));
    else
        SV_TRY(read_elements(c, message, &datum));
    c->depth--;
    *out = datum;
    return SV_OK;
}

/* All four messages have their name in a field of bytes; the number depends on the kind. */
static sv_status read_name(const sv_reader *message, sv_kind kind, sv_string *out)
{
    uint32_t number = kind == SV_KIND_TENSOR ? SV_TENSOR_NAME : SV_DATUM_NAME;
    sv_reader reader = *message;
    *out = (sv_string){"", 0};
    for (;;) {
        sv_pb_field field;
        const uint8_t *data;
        SV_TRY(sv_pb_next(&reader, &field));
        if (field.number == 0) return SV_OK;
        if (field.number != number) continue;
        SV_TRY(sv_pb_bytes(&field, "name", &data, &out->size));
        out->data = (const char *)data;
    }
}

sv_status sv_datum_proto_read(const sv_reader *message, sv_kind kind,
                              const sv_tensor_source *source, sv_datum *out, sv_string *name)
{
    context c = {.source = source};
    sv_string found;
    sv_datum datum;
    SV_TRY(read_name(message, kind, &found));
    SV_TRY(read_datum(&c, message, kind, &datum));
    if (datum.kind == SV_KIND_TENSOR) datum.element_dtype = datum.tensor.dtype;
    *out = datum;
    if (name) *name = found;
    return SV_OK;
}
