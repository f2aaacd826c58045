/* JSON arrays to tensors. The way back is in json_tensor_write.c. */
#include "codec/json_tensor.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/base64.h"

#include <math.h>
#include <string.h>

enum { FIRST_BYTES = 4096, CHUNK = 128 };

/* What is being read. `dim[level]` is -1 until the first array of that level has ended. */
typedef struct {
    sv_json *json;
    sv_dtype dtype;
    size_t size; /* of an element */
    const sv_json_tensor_options *options;
    const sv_json_sink *sink;
    char *data;
    size_t count, capacity; /* in elements */
    int32_t rank;           /* -1 until an array without arrays in it has been seen */
    int64_t dim[SV_MAX_RANK];
} reading;

/* Makes room for at least one more element. */
static sv_status make_room(reading *r)
{
    if (r->count < r->capacity) return SV_OK;
    size_t wanted = r->options->expected_count, bytes;
    if (wanted <= r->capacity) wanted = r->capacity ? r->capacity * 2 : FIRST_BYTES / r->size;
    if (!sv_size_mul(wanted, r->size, &bytes)) return sv_error_memory("tensor", SIZE_MAX);
    void *data;
    SV_TRY(r->sink->grow(r->sink->self, bytes, &data));
    r->data = data;
    r->capacity = wanted;
    return SV_OK;
}

static void *next_element(reading *r)
{
    return r->data + r->count * r->size;
}

/* ---- single elements ---------------------------------------------------------------------- */

static sv_status read_base64(reading *r, sv_string *out)
{
    static const char *const names[] = {"b64"};
    sv_json *json = r->json;
    sv_json_fields fields = {.names = names, .count = 1};
    sv_string key, text = {NULL, 0};
    size_t index;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &fields, &key, &index, &more));
        if (!more) break;
        if (index != 0) return sv_json_error(json, "expected the key \"b64\" alone, found another");
        SV_TRY(sv_json_string(json, &text));
    }
    if (!fields.seen) return sv_json_error(json, "expected the key \"b64\", found an empty object");
    size_t room = sv_base64_room(text.size), size;
    uint8_t *bytes = json->arena ? sv_arena_alloc(json->arena, room) : NULL;
    if (!bytes) return sv_error_memory("bytes from base64", room);
    if (!sv_base64_read(text.data, text.size, bytes, &size))
        return sv_json_error(json, "expected base64, found a malformed text");
    *out = (sv_string){(const char *)bytes, size};
    return SV_OK;
}

static sv_status read_string(reading *r, sv_string *out)
{
    sv_json *json = r->json;
    if (r->options->allow_base64 && sv_json_peek(json) == SV_JSON_OBJECT)
        return read_base64(r, out);
    sv_string text;
    SV_TRY(sv_json_string(json, &text));
    if (r->options->copy_strings) {
        char *copy = json->arena ? sv_arena_copy_text(json->arena, text.data, text.size) : NULL;
        if (!copy) return sv_error_memory("string", text.size);
        text.data = copy;
    }
    *out = text;
    return SV_OK;
}

static sv_status read_bool(sv_json *json, uint8_t *out)
{
    if (sv_json_peek(json) == SV_JSON_NUMBER) {
        uint64_t number;
        sv_json place = *json;
        SV_TRY(sv_json_u64(json, &number));
        if (number > 1)
            return sv_json_error(&place, "expected true, false, 0 or 1, found a number");
        *out = (uint8_t)number;
        return SV_OK;
    }
    bool truth;
    SV_TRY(sv_json_bool(json, &truth));
    *out = truth;
    return SV_OK;
}

/* Integers that are narrower than 64 bits. Stores those before the first that is out of range. */
static void put_integers(reading *r, const int64_t *value, size_t count)
{
    const sv_dtype_info *row = sv_dtype_get(r->dtype);
    bool is_signed = row->class_ == SV_CLASS_INT;
    int64_t high = (int64_t)((uint64_t)1 << (row->bits - is_signed)) - 1;
    int64_t low = is_signed ? -high - 1 : 0;
    for (size_t i = 0; i < count; i++) {
        if (value[i] < low || value[i] > high) return;
        sv_scalar_set_i64(r->dtype, next_element(r), value[i]);
        r->count++;
    }
}

/* Floats that are neither float32 nor float64; the same. */
static void put_floats(reading *r, const double *value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sv_scalar_set_f64(r->dtype, next_element(r), value[i]);
        if (isfinite(value[i]) && !isfinite(sv_scalar_get_f64(r->dtype, next_element(r)))) return;
        r->count++;
    }
}

static sv_status out_of_range(const reading *r, const sv_json *at)
{
    return sv_json_error(at, "expected a number in the range of %s, found one beyond it",
                         sv_dtype_get(r->dtype)->name);
}

static sv_status read_narrow(reading *r)
{
    sv_json place = *r->json;
    size_t before = r->count;
    if (sv_dtype_is_float(r->dtype)) {
        double value;
        SV_TRY(sv_json_f64(r->json, &value));
        put_floats(r, &value, 1);
    } else {
        int64_t value;
        SV_TRY(sv_json_i64(r->json, &value));
        put_integers(r, &value, 1);
    }
    return r->count > before ? SV_OK : out_of_range(r, &place);
}

/* One element, for which there is room. */
static sv_status read_element(reading *r)
{
    sv_status status;
    switch (r->dtype) {
    case SV_F32:
        status = sv_json_f32(r->json, next_element(r));
        break;
    case SV_F64:
        status = sv_json_f64(r->json, next_element(r));
        break;
    case SV_I64:
        status = sv_json_i64(r->json, next_element(r));
        break;
    case SV_U64:
        status = sv_json_u64(r->json, next_element(r));
        break;
    case SV_STRING:
        status = read_string(r, next_element(r));
        break;
    case SV_BOOL:
        status = read_bool(r->json, next_element(r));
        break;
    default:
        return read_narrow(r); /* counts itself */
    }
    if (!status) r->count++;
    return status;
}

/* ---- arrays of elements ------------------------------------------------------------------- */

/* The types that the reader fills directly. */
static sv_status read_direct(reading *r, bool *ended)
{
    size_t room = r->capacity - r->count, count = 0;
    sv_status status;
    switch (r->dtype) {
    case SV_F32:
        status = sv_json_f32_run(r->json, next_element(r), room, &count, ended);
        break;
    case SV_F64:
        status = sv_json_f64_run(r->json, next_element(r), room, &count, ended);
        break;
    case SV_I64:
        status = sv_json_i64_run(r->json, next_element(r), room, &count, ended);
        break;
    default:
        status = sv_json_u64_run(r->json, next_element(r), room, &count, ended);
        break;
    }
    r->count += count;
    return status;
}

/* The error for the element that comes after `good` others; `begin` stands before all of them. */
static sv_status out_of_range_after(const reading *r, sv_json *begin, size_t good)
{
    bool more;
    for (size_t i = 0; i <= good; i++) {
        SV_TRY(sv_json_array_next(begin, &more));
        if (i < good) SV_TRY(sv_json_skip(begin));
    }
    return out_of_range(r, begin);
}

/* The other numbers: a chunk at a time through the widest type. */
static sv_status read_converted(reading *r, bool *ended)
{
    size_t before = r->count, room = r->capacity - r->count, count;
    sv_json begin = *r->json;
    if (room > CHUNK) room = CHUNK;
    if (sv_dtype_is_float(r->dtype)) {
        double value[CHUNK];
        SV_TRY(sv_json_f64_run(r->json, value, room, &count, ended));
        put_floats(r, value, count);
    } else {
        int64_t value[CHUNK];
        SV_TRY(sv_json_i64_run(r->json, value, room, &count, ended));
        put_integers(r, value, count);
    }
    if (r->count == before + count) return SV_OK;
    return out_of_range_after(r, &begin, r->count - before);
}

static sv_status read_one_by_one(reading *r, bool *ended)
{
    bool more;
    SV_TRY(sv_json_array_next(r->json, &more));
    *ended = !more;
    return more ? read_element(r) : SV_OK;
}

/* The rest of an array that holds elements; *length counts them. */
static sv_status read_row(reading *r, int64_t *length)
{
    size_t before = r->count;
    bool ended = false;
    while (!ended) {
        /* At its exact end a row asks for no more room. */
        if (r->count == r->capacity && r->count > before) {
            sv_json place = *r->json;
            bool more;
            SV_TRY(sv_json_array_next(r->json, &more));
            if (!more) break;
            *r->json = place;
        }
        SV_TRY(make_room(r));
        switch (r->dtype) {
        case SV_F32:
        case SV_F64:
        case SV_I64:
        case SV_U64:
            SV_TRY(read_direct(r, &ended));
            break;
        case SV_STRING:
        case SV_BOOL:
            SV_TRY(read_one_by_one(r, &ended));
            break;
        default:
            SV_TRY(read_converted(r, &ended));
            break;
        }
    }
    *length = (int64_t)(r->count - before);
    return SV_OK;
}

/* An array's length must be that of those of its level before. */
static sv_status note_length(reading *r, const sv_json *begin, int32_t level, int64_t length)
{
    if (r->dim[level] < 0) {
        r->dim[level] = length;
        return SV_OK;
    }
    if (r->dim[level] == length) return SV_OK;
    return sv_json_error(begin, "expected an array of %lld as those before, found %lld",
                         (long long)r->dim[level], (long long)length);
}

/* The innermost arrays are all at the same level. */
static sv_status note_rank(reading *r, const sv_json *begin, int32_t rank)
{
    if (r->rank < 0) r->rank = rank;
    if (r->rank == rank) return SV_OK;
    return sv_json_error(begin, "expected arrays nested %d deep as before, found %d", (int)r->rank,
                         (int)rank);
}

/* The array that begins at level `level`; recursion ends at SV_MAX_RANK. */
static sv_status read_array(reading *r, int32_t level)
{
    sv_json *json = r->json, begin = *json;
    if (level == SV_MAX_RANK)
        return sv_json_error(json, "expected at most %d dimensions, found more", SV_MAX_RANK);
    SV_TRY(sv_json_array_begin(json));
    int64_t length = 0;
    if (sv_json_peek(json) != SV_JSON_ARRAY) {
        SV_TRY(note_rank(r, &begin, level + 1));
        SV_TRY(read_row(r, &length));
        return note_length(r, &begin, level, length);
    }
    if (r->rank == level + 1) return note_rank(r, &begin, level + 2);
    for (;; length++) {
        bool more;
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) break;
        SV_TRY(read_array(r, level + 1));
    }
    return note_length(r, &begin, level, length);
}

sv_status sv_json_tensor_read(sv_json *json, sv_dtype dtype, const sv_json_tensor_options *options,
                              const sv_json_sink *sink, sv_shape *out)
{
    static const sv_json_tensor_options defaults;
    uint8_t class_ = sv_dtype_get(dtype)->class_;
    if (class_ == SV_CLASS_NONE || class_ == SV_CLASS_COMPLEX)
        return sv_error_unsupported("%s: tensors of %s have no form in JSON", json->reader.origin,
                                    sv_dtype_get(dtype)->name);
    reading r = {
        .json = json,
        .dtype = dtype,
        .size = sv_dtype_get(dtype)->size,
        .options = options ? options : &defaults,
        .sink = sink,
        .rank = -1,
    };
    for (int i = 0; i < SV_MAX_RANK; i++)
        r.dim[i] = -1;
    if (sv_json_peek(json) == SV_JSON_ARRAY) {
        SV_TRY(read_array(&r, 0));
    } else {
        SV_TRY(make_room(&r));
        SV_TRY(read_element(&r));
        r.rank = 0;
    }
    *out = sv_shape_make(r.rank, r.dim);
    return SV_OK;
}

/* ---- inference and arenas ----------------------------------------------------------------- */

sv_status sv_json_tensor_infer(const sv_json *json, sv_dtype *out)
{
    sv_json look = *json;
    int depth = 0;
    sv_dtype found = SV_DTYPE_NONE;
    do {
        bool more;
        if (depth > 0) {
            SV_TRY(sv_json_array_next(&look, &more));
            if (!more) {
                depth--;
                continue;
            }
        }
        sv_json_kind kind = sv_json_peek(&look);
        if (kind == SV_JSON_ARRAY) {
            SV_TRY(sv_json_array_begin(&look));
            depth++;
            continue;
        }
        /* Integers say nothing final: a float may follow. All else is decided by one element. */
        bool integer = kind == SV_JSON_NUMBER && sv_json_is_integer(&look);
        SV_TRY(sv_json_skip(&look));
        found = kind == SV_JSON_BOOL     ? SV_BOOL
                : kind == SV_JSON_NUMBER ? (integer ? SV_I64 : SV_F32)
                                         : SV_STRING;
        if (!integer) break;
    } while (depth > 0);
    *out = found == SV_DTYPE_NONE ? SV_F32 : found;
    return SV_OK;
}

typedef struct {
    sv_arena *arena;
    void *data;
    size_t bytes;
} arena_sink;

/* Old copies stay behind in the arena; growth doubles, so they add up to the tensor's size. */
static sv_status arena_grow(void *self, size_t bytes, void **out)
{
    arena_sink *sink = self;
    void *data = sv_arena_alloc(sink->arena, bytes);
    if (!data) return sv_error_memory("tensor", bytes);
    if (sink->bytes) memcpy(data, sink->data, sink->bytes);
    sink->data = data;
    sink->bytes = bytes;
    *out = data;
    return SV_OK;
}

sv_status sv_json_tensor_read_arena(sv_json *json, sv_dtype dtype,
                                    const sv_json_tensor_options *options, sv_arena *arena,
                                    sv_tensor *out)
{
    arena_sink memory = {.arena = arena};
    sv_json_sink sink = {arena_grow, &memory};
    sv_shape shape;
    if (dtype == SV_DTYPE_NONE) SV_TRY(sv_json_tensor_infer(json, &dtype));
    SV_TRY(sv_json_tensor_read(json, dtype, options, &sink, &shape));
    *out = (sv_tensor){.dtype = dtype, .shape = shape, .data = memory.data};
    return SV_OK;
}
