/* The JSON reader's structure: arrays, objects, literals, skipping. Strings are in json_string.c,
 * numbers in json_number.c. */
#include "wire/json_scan.h"

#include <stdarg.h>
#include <stdio.h>

enum { DEFAULT_DEPTH = 64, DEEPEST = 512 };

void sv_json_init(sv_json *json, const void *data, size_t size, const char *origin, sv_arena *arena,
                  sv_budget *budget)
{
    /* Skipping recurses: the stack sets a bound that no budget can lift. */
    uint32_t depth = budget ? budget->depth : DEFAULT_DEPTH;
    *json = (sv_json){.arena = arena, .depth = depth < DEEPEST ? depth : DEEPEST};
    sv_reader_init(&json->reader, data, size, origin, 0, budget);
}

sv_json_kind sv_json_peek(sv_json *json)
{
    sv_reader *reader = &json->reader;
    reader->at = json_space(reader->at, reader->end);
    if (reader->at == reader->end) return SV_JSON_END;
    switch (*reader->at) {
    case '{':
        return SV_JSON_OBJECT;
    case '[':
        return SV_JSON_ARRAY;
    case '"':
        return SV_JSON_STRING;
    case 't':
    case 'f':
        return SV_JSON_BOOL;
    case 'n':
        return SV_JSON_NULL;
    case ']':
    case '}':
        return SV_JSON_CLOSE;
    case 'N':
    case 'I':
        return json->allow_non_finite ? SV_JSON_NUMBER : SV_JSON_OTHER;
    case '-':
    case '0' ... '9':
        return SV_JSON_NUMBER;
    default:
        return SV_JSON_OTHER;
    }
}

const char *sv_json_kind_name(sv_json_kind kind)
{
    switch (kind) {
    case SV_JSON_END:
        return "the end";
    case SV_JSON_OBJECT:
        return "an object";
    case SV_JSON_ARRAY:
        return "an array";
    case SV_JSON_STRING:
        return "a string";
    case SV_JSON_NUMBER:
        return "a number";
    case SV_JSON_BOOL:
        return "true or false";
    case SV_JSON_NULL:
        return "null";
    case SV_JSON_CLOSE:
        return "a closing bracket";
    case SV_JSON_OTHER:
        break;
    }
    return "something else";
}

sv_status sv_json_error(const sv_json *json, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return sv_reader_error(&json->reader, "%s", message);
}

sv_status json_unexpected(sv_json *json, const char *expected)
{
    sv_json_kind kind = sv_json_peek(json);
    if (kind != SV_JSON_OTHER && kind != SV_JSON_CLOSE)
        return sv_json_error(json, "expected %s, found %s", expected, sv_json_kind_name(kind));
    uint8_t byte = *json->reader.at;
    if (byte > ' ' && byte < 0x7F)
        return sv_json_error(json, "expected %s, found '%c'", expected, byte);
    return sv_json_error(json, "expected %s, found the byte 0x%02X", expected, byte);
}

static sv_status enter(sv_json *json, uint8_t open, const char *expected)
{
    sv_reader *reader = &json->reader;
    reader->at = json_space(reader->at, reader->end);
    if (reader->at == reader->end || *reader->at != open) return json_unexpected(json, expected);
    if (json->depth == 0) return sv_json_error(json, "nested deeper than the limit");
    json->depth--;
    json->first = true;
    reader->at++;
    return SV_OK;
}

sv_status sv_json_array_begin(sv_json *json)
{
    return enter(json, '[', "an array");
}

sv_status sv_json_array_next(sv_json *json, bool *more)
{
    if (json_next(json, ']', more)) return SV_OK;
    return json_unexpected(json, json->first ? "a value or ']'" : "',' or ']'");
}

sv_status sv_json_object_begin(sv_json *json)
{
    return enter(json, '{', "an object");
}

/* `key` NULL: it is only stepped over. */
static sv_status next_key(sv_json *json, sv_string *key, bool *more)
{
    bool another;
    if (!json_next(json, '}', &another))
        return json_unexpected(json, json->first ? "a key or '}'" : "',' or '}'");
    if (another) {
        sv_reader *reader = &json->reader;
        if (reader->at == reader->end || *reader->at != '"') return json_unexpected(json, "a key");
        SV_TRY(key ? sv_json_string(json, key) : json_skip_string(json));
        reader->at = json_space(reader->at, reader->end);
        if (reader->at == reader->end || *reader->at != ':') return json_unexpected(json, "':'");
        reader->at++;
    }
    *more = another;
    return SV_OK;
}

sv_status sv_json_object_next(sv_json *json, sv_string *key, bool *more)
{
    return next_key(json, key, more);
}

sv_status sv_json_field_next(sv_json *json, sv_json_fields *fields, sv_string *key, size_t *index,
                             bool *more)
{
    sv_string name;
    bool another;
    SV_TRY(sv_json_object_next(json, &name, &another));
    *more = another;
    if (!another) return SV_OK;
    size_t i = 0;
    while (i < fields->count && (strlen(fields->names[i]) != name.size ||
                                 memcmp(fields->names[i], name.data, name.size) != 0))
        i++;
    if (i < fields->count) {
        uint64_t bit = (uint64_t)1 << i;
        if (fields->seen & bit)
            return sv_json_error(json, "the key \"%s\" comes twice", fields->names[i]);
        fields->seen |= bit;
    }
    *key = name;
    *index = i;
    return SV_OK;
}

sv_status sv_json_members(sv_json *json, const sv_json_member *members, size_t count,
                          const char *others, void *into, uint64_t *seen)
{
    const char *names[SV_JSON_MEMBERS];
    sv_json_fields fields = {.names = names, .count = count};
    sv_string key;
    size_t index;
    bool more;
    for (size_t i = 0; i < count; i++)
        names[i] = members[i].name;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &fields, &key, &index, &more));
        if (!more) break;
        if (index == count && others) return sv_json_error(json, "%s", others);
        SV_TRY(index == count ? sv_json_skip(json) : members[index].read(json, into));
    }
    if (seen) *seen = fields.seen;
    return SV_OK;
}

static bool literal(sv_json *json, const char *word)
{
    size_t size = strlen(word);
    if (sv_reader_left(&json->reader) < size || memcmp(json->reader.at, word, size) != 0)
        return false;
    json->reader.at += size;
    return true;
}

sv_status sv_json_bool(sv_json *json, bool *out)
{
    if (sv_json_peek(json) == SV_JSON_BOOL) {
        if (literal(json, "true")) {
            *out = true;
            return SV_OK;
        }
        if (literal(json, "false")) {
            *out = false;
            return SV_OK;
        }
        return sv_json_error(json, "expected true or false, found another word");
    }
    return json_unexpected(json, "true or false");
}

sv_status sv_json_null(sv_json *json)
{
    if (sv_json_peek(json) != SV_JSON_NULL) return json_unexpected(json, "null");
    if (literal(json, "null")) return SV_OK;
    return sv_json_error(json, "expected null, found another word");
}

/* Recursion is bounded by the depth that array_begin and object_begin count down. */
static sv_status skip_array(sv_json *json)
{
    bool more;
    SV_TRY(sv_json_array_begin(json));
    for (;;) {
        SV_TRY(sv_json_array_next(json, &more));
        if (!more) return SV_OK;
        SV_TRY(sv_json_skip(json));
    }
}

static sv_status skip_object(sv_json *json)
{
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(next_key(json, NULL, &more));
        if (!more) return SV_OK;
        SV_TRY(sv_json_skip(json));
    }
}

sv_status sv_json_skip(sv_json *json)
{
    bool truth;
    switch (sv_json_peek(json)) {
    case SV_JSON_OBJECT:
        return skip_object(json);
    case SV_JSON_ARRAY:
        return skip_array(json);
    case SV_JSON_STRING:
        return json_skip_string(json);
    case SV_JSON_NUMBER:
        return json_skip_number(json);
    case SV_JSON_BOOL:
        return sv_json_bool(json, &truth);
    case SV_JSON_NULL:
        return sv_json_null(json);
    default:
        return json_unexpected(json, "a value");
    }
}

sv_status sv_json_end(sv_json *json)
{
    if (sv_json_peek(json) == SV_JSON_END) return SV_OK;
    return json_unexpected(json, "the end");
}
