/* The forms of tables: CSV, records, split. */
#include "front/table.h"

#include "base/status.h"
#include "tensor/tensor.h"
#include "wire/csv.h"
#include <string.h>

/* ---- CSV --------------------------------------------------------------------------------- */

/* The fields of the first row, in the arena. */
static sv_status first_fields(sv_csv *csv, sv_arena *arena, sv_string **out, size_t *count)
{
    sv_string *fields = NULL;
    uint32_t room = 0, n = 0;
    bool more;
    for (;;) {
        sv_string field;
        SV_TRY(sv_csv_field(csv, &field, &more));
        if (!more) break;
        if (n == SV_TABLE_COLUMNS) {
            return sv_csv_error(csv, "expected at most %d columns, found more", SV_TABLE_COLUMNS);
        }
        if (!sv_arena_grow(arena, (void **)&fields, &room, n, n + 1, sizeof *fields)) {
            return sv_error_memory("columns", n * sizeof *fields);
        }
        fields[n++] = field;
    }
    *out = fields;
    *count = n;
    return SV_OK;
}

static bool is_number(sv_string field)
{
    sv_json json;
    double value;
    sv_json_init(&json, field.data, field.size, "field", NULL, NULL);
    json.allow_non_finite = true;
    sv_status status = sv_json_f64(&json, &value);
    if (status == SV_OK) status = sv_json_end(&json);
    bool number = status == SV_OK || field.size == 0;
    sv_status_free(status);
    return number;
}

static bool wants_texts(const sv_request *request)
{
    for (size_t i = 0; i < request->input_count; i++) {
        if (sv_model_input(request->version->model, i)->dtype == SV_STRING) return true;
    }
    return false;
}

static bool are_names(const sv_request *request, const sv_string *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_number(fields[i])) return true;
    }
    return wants_texts(request);
}

static sv_status read_row(sv_csv *csv, sv_table *table)
{
    size_t count = 0;
    for (;; count++) {
        sv_string field;
        bool more;
        SV_TRY(sv_csv_field(csv, &field, &more));
        if (!more) break;
        if (count < table->columns)
            table->cell[count] = (sv_cell){.kind = SV_CELL_TEXT, .text = field};
    }
    if (count == table->columns) return sv_table_add(table);
    return sv_csv_error(csv, "expected %zu fields in this row or the one before, found %zu",
                        table->columns, count);
}

sv_status sv_table_read_csv(sv_request *request, sv_string text)
{
    sv_csv csv;
    sv_table table;
    sv_string *fields;
    size_t count;
    sv_csv_init(&csv, text, &request->arena);
    if (!sv_csv_row(&csv)) return sv_csv_error(&csv, "expected rows, found nothing");
    SV_TRY(first_fields(&csv, &request->arena, &fields, &count));
    bool names = are_names(request, fields, count);
    SV_TRY(sv_table_begin(&table, request, names ? fields : NULL, count));
    if (!names) {
        for (size_t i = 0; i < count; i++)
            table.cell[i] = (sv_cell){.kind = SV_CELL_TEXT, .text = fields[i]};
        SV_TRY(sv_table_add(&table));
    }
    while (sv_csv_row(&csv))
        SV_TRY(read_row(&csv, &table));
    return sv_table_end(&table);
}

/* ---- records ----------------------------------------------------------------------------- */

static sv_status keep(sv_arena *arena, sv_string *text)
{
    text->data = sv_arena_copy_text(arena, text->data, text->size);
    return text->data ? SV_OK : sv_error_memory("a name", text->size);
}

/* The keys of the object where `json` stands, in the arena. */
static sv_status read_keys(sv_json json, sv_arena *arena, sv_string **out, size_t *count)
{
    sv_string *keys = NULL;
    uint32_t room = 0, n = 0;
    bool more;
    SV_TRY(sv_json_object_begin(&json));
    for (;;) {
        sv_string key;
        SV_TRY(sv_json_object_next(&json, &key, &more));
        if (!more) break;
        if (n == SV_TABLE_COLUMNS) {
            return sv_json_error(&json, "expected at most %d columns, found more",
                                 SV_TABLE_COLUMNS);
        }
        if (!sv_arena_grow(arena, (void **)&keys, &room, n, n + 1, sizeof *keys)) {
            return sv_error_memory("columns", n * sizeof *keys);
        }
        SV_TRY(keep(arena, &key));
        keys[n++] = key;
        SV_TRY(sv_json_skip(&json));
    }
    *out = keys;
    *count = n;
    return SV_OK;
}

/* Columns by name: slots of an open hash table hold a column's number plus one. */
typedef struct name_index {
    const sv_string *keys;
    size_t count, mask;
    uint32_t *slot;
    uint64_t seed; /* an address: clients cannot know which names would collide */
} name_index;

static size_t slot_of(const name_index *index, sv_string key)
{
    return (size_t)sv_hash_bytes(index->seed, key.data, key.size) & index->mask;
}

static sv_status make_index(sv_arena *arena, const sv_string *keys, size_t count, name_index *out)
{
    size_t size = 4;
    while (size < count * 2)
        size *= 2;
    name_index index = {keys, count, size - 1, sv_arena_array(arena, size, sizeof(uint32_t)), 0};
    if (!index.slot) return sv_error_memory("columns", size * sizeof(uint32_t));
    index.seed = (uint64_t)(uintptr_t)index.slot;
    for (size_t i = 0; i < count; i++) {
        size_t at = slot_of(&index, keys[i]);
        while (index.slot[at])
            at = (at + 1) & index.mask;
        index.slot[at] = (uint32_t)i + 1;
    }
    *out = index;
    return SV_OK;
}

static bool is_key(const name_index *index, size_t at, sv_string key)
{
    return index->keys[at].size == key.size &&
           memcmp(index->keys[at].data, key.data, key.size) == 0;
}

/* The column of a key, which is mostly at its place in the first row; `count` when there is none.
 */
static size_t find_key(const name_index *index, size_t expected, sv_string key)
{
    if (expected < index->count && is_key(index, expected, key)) return expected;
    for (size_t at = slot_of(index, key); index->slot[at]; at = (at + 1) & index->mask) {
        if (is_key(index, index->slot[at] - 1, key)) return index->slot[at] - 1;
    }
    return index->count;
}

static sv_status read_record(sv_json *json, sv_table *table, const name_index *index, bool *seen)
{
    size_t found = 0;
    bool more;
    memset(seen, 0, table->columns);
    SV_TRY(sv_json_object_begin(json));
    for (size_t n = 0;; n++) {
        sv_string key;
        SV_TRY(sv_json_object_next(json, &key, &more));
        if (!more) break;
        size_t at = find_key(index, n, key);
        if (at == table->columns || seen[at]) {
            return sv_json_error(json,
                                 "row %lld: expected the columns of the first, once each, "
                                 "found '%.*s'",
                                 (long long)table->features.rows,
                                 (int)(key.size < 128 ? key.size : 128), key.data);
        }
        seen[at] = true;
        found++;
        table->cell[at] = (sv_cell){.json = *json, .may_be_null = true};
        SV_TRY(sv_json_skip(json));
    }
    if (found == table->columns) return sv_table_add(table);
    return sv_json_error(json, "row %lld: expected %zu columns as in the first, found %zu",
                         (long long)table->features.rows, table->columns, found);
}

sv_status sv_table_read_records(sv_request *request, sv_json *json)
{
    sv_table table;
    name_index names;
    sv_string *keys;
    size_t count;
    bool more;
    SV_TRY(sv_json_array_begin(json));
    SV_TRY(sv_json_array_next(json, &more));
    if (!more) return sv_json_error(json, "expected at least one row, found none");
    SV_TRY(read_keys(*json, &request->arena, &keys, &count));
    SV_TRY(sv_table_begin(&table, request, keys, count));
    SV_TRY(make_index(&request->arena, keys, count, &names));
    bool *seen = sv_arena_array(&request->arena, count, sizeof *seen);
    if (!seen) return sv_error_memory("columns", count);
    while (more) {
        SV_TRY(read_record(json, &table, &names, seen));
        SV_TRY(sv_json_array_next(json, &more));
    }
    return sv_table_end(&table);
}

/* ---- split ------------------------------------------------------------------------------- */

/* A column's name; data frames without names have numbers. */
static sv_status read_name(sv_json *json, sv_arena *arena, sv_string *out)
{
    int64_t number;
    if (sv_json_peek(json) == SV_JSON_STRING) {
        SV_TRY(sv_json_string(json, out));
        return keep(arena, out);
    }
    SV_TRY(sv_json_i64(json, &number));
    out->data = sv_arena_printf(arena, "%lld", (long long)number);
    if (!out->data) return sv_error_memory("a name", sizeof number);
    out->size = strlen(out->data);
    return SV_OK;
}

static sv_status read_names(sv_json *json, sv_arena *arena, sv_string **out, size_t *count)
{
    sv_string *names = NULL;
    uint32_t room = 0, n = 0;
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (;;) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) break;
        if (n == SV_TABLE_COLUMNS) {
            return sv_json_error(json, "expected at most %d columns, found more", SV_TABLE_COLUMNS);
        }
        if (!sv_arena_grow(arena, (void **)&names, &room, n, n + 1, sizeof *names)) {
            return sv_error_memory("columns", n * sizeof *names);
        }
        SV_TRY(read_name(json, arena, &names[n++]));
    }
    *out = names;
    *count = n;
    return SV_OK;
}

/* How many values the first row has, where no names say so. */
static sv_status count_values(sv_json json, size_t *out)
{
    bool more;
    *out = 0;
    SV_TRY(sv_json_array_begin(&json));
    SV_TRY(sv_json_array_next(&json, &more));
    if (!more) return sv_json_error(&json, "data: expected at least one row, found none");
    SV_TRY(sv_json_array_begin(&json));
    for (;; ++*out) {
        SV_TRY(sv_json_array_next(&json, &more));
        if (!more) return SV_OK;
        SV_TRY(sv_json_skip(&json));
    }
}

static sv_status read_values(sv_json *json, sv_table *table)
{
    size_t count = 0;
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (;; count++) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) break;
        if (count < table->columns)
            table->cell[count] = (sv_cell){.json = *json, .may_be_null = true};
        SV_TRY(sv_json_skip(json));
    }
    if (count == table->columns) return sv_table_add(table);
    return sv_json_error(json, "row %lld: expected %zu values, found %zu",
                         (long long)table->features.rows, table->columns, count);
}

static sv_status read_data(sv_request *request, sv_json *data, const sv_string *names, size_t count)
{
    sv_table table;
    bool more;
    if (!names) SV_TRY(count_values(*data, &count));
    SV_TRY(sv_table_begin(&table, request, names, count));
    SV_TRY(sv_json_array_begin(data));
    for (;;) {
        SV_TRY(sv_json_array_next(data, &more));
        if (!more) break;
        SV_TRY(read_values(data, &table));
    }
    return sv_table_end(&table);
}

sv_status sv_table_read_split(sv_request *request, sv_json *json)
{
    static const char *const keys[] = {"columns", "data"};
    sv_json_fields fields = {.names = keys, .count = 2};
    sv_json data = *json;
    sv_string key, *names = NULL;
    size_t index, count = 0;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &fields, &key, &index, &more));
        if (!more) break;
        if (index == 1) data = *json;
        SV_TRY(index == 0 ? read_names(json, &request->arena, &names, &count) : sv_json_skip(json));
    }
    if (!(fields.seen & 2)) return sv_json_error(json, "expected a key \"data\", found none");
    return read_data(request, &data, names, count);
}
