/* From JSON to protobuf's text format. */
#include "store/triton_json.h"

#include "base/status.h"
#include "wire/json.h"
#include <string.h>

#define MAX_DEPTH 24 /* below that of the text format, whose maps have a level more */

/* What JSON does not tell by itself: texts of these are no texts in the other form. */
typedef enum form {
    FORM_PLAIN,
    FORM_WORD,       /* an enum's name, or a number as a text */
    FORM_TEXT_MAP,   /* an object of values by their keys */
    FORM_NUMBER_MAP, /* by numbers */
} form;

static const struct {
    const char *name;
    form form;
} forms[] = {
    {"cc_model_filenames", FORM_TEXT_MAP},
    {"data_type", FORM_WORD},
    {"default_priority_level", FORM_WORD},
    {"default_timeout_microseconds", FORM_WORD},
    {"dims", FORM_WORD},
    {"format", FORM_WORD},
    {"inputs", FORM_TEXT_MAP},
    {"kind", FORM_WORD},
    {"max_queue_delay_microseconds", FORM_WORD},
    {"metric_tags", FORM_TEXT_MAP},
    {"parameters", FORM_TEXT_MAP},
    {"priority_levels", FORM_WORD},
    {"priority_queue_policy", FORM_NUMBER_MAP},
    {"shape", FORM_WORD},
    {"timeout_action", FORM_WORD},
    {"versions", FORM_WORD},
};

typedef struct writer {
    sv_json json;
    sv_text *out;
    uint32_t depth;
} writer;

static form form_of(sv_string name)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strlen(forms[i].name) == name.size && memcmp(forms[i].name, name.data, name.size) == 0)
            return forms[i].form;
    }
    return FORM_PLAIN;
}

static bool is_word(sv_string text, bool name)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool digit = c >= '0' && c <= '9';
        if (!letter && !(digit && (i || !name)) && !(c == '-' && !i && !name)) return false;
    }
    return text.size > 0;
}

static void put_quoted(sv_text *out, sv_string text)
{
    sv_text_putc(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f)
            sv_text_printf(out, "\\%03o", (unsigned)c);
        else
            sv_text_putc(out, (char)c);
    }
    sv_text_putc(out, '"');
}

static sv_status put_text(writer *w, bool bare)
{
    sv_string text;
    SV_TRY(sv_json_string(&w->json, &text));
    if (!bare) {
        put_quoted(w->out, text);
        return SV_OK;
    }
    if (!is_word(text, false)) {
        return sv_json_error(&w->json, "expected a name or a whole number, found '%.*s'",
                             (int)(text.size < 64 ? text.size : 64), text.data);
    }
    sv_text_append(w->out, text.data, text.size);
    return SV_OK;
}

static sv_status put_message(writer *w);

static sv_status put_value(writer *w, bool bare)
{
    int64_t number;
    bool flag;
    switch (sv_json_peek(&w->json)) {
    case SV_JSON_OBJECT:
        sv_text_putc(w->out, '{');
        SV_TRY(put_message(w));
        sv_text_putc(w->out, '}');
        return SV_OK;
    case SV_JSON_STRING:
        return put_text(w, bare);
    case SV_JSON_BOOL:
        SV_TRY(sv_json_bool(&w->json, &flag));
        sv_text_puts(w->out, flag ? "true" : "false");
        return SV_OK;
    default:
        SV_TRY(sv_json_i64(&w->json, &number));
        sv_text_put_i64(w->out, number);
        return SV_OK;
    }
}

static sv_status put_list(writer *w, sv_string name, bool bare)
{
    bool more;
    SV_TRY(sv_json_array_begin(&w->json));
    for (;;) {
        SV_TRY(sv_json_array_next(&w->json, &more));
        if (!more) return SV_OK;
        sv_text_append(w->out, name.data, name.size);
        sv_text_putc(w->out, ':');
        SV_TRY(put_value(w, bare));
        sv_text_putc(w->out, ' ');
    }
}

static sv_status put_map(writer *w, sv_string name, bool numbers)
{
    sv_string key;
    bool more;
    SV_TRY(sv_json_object_begin(&w->json));
    for (;;) {
        SV_TRY(sv_json_object_next(&w->json, &key, &more));
        if (!more) return SV_OK;
        if (numbers && !is_word(key, false))
            return sv_json_error(&w->json, "expected a number as a key, found another");
        sv_text_append(w->out, name.data, name.size);
        sv_text_puts(w->out, "{key:");
        if (numbers)
            sv_text_append(w->out, key.data, key.size);
        else
            put_quoted(w->out, key);
        sv_text_puts(w->out, " value:");
        SV_TRY(put_value(w, false));
        sv_text_puts(w->out, "} ");
    }
}

static sv_status put_member(writer *w, sv_string name)
{
    form form = form_of(name);
    sv_json_kind kind = sv_json_peek(&w->json);
    if (!is_word(name, true)) {
        return sv_json_error(&w->json, "expected a field's name, found '%.*s'",
                             (int)(name.size < 64 ? name.size : 64), name.data);
    }
    if (kind == SV_JSON_NULL) return sv_json_null(&w->json);
    if (kind == SV_JSON_ARRAY) return put_list(w, name, form == FORM_WORD);
    if (kind == SV_JSON_OBJECT && (form == FORM_TEXT_MAP || form == FORM_NUMBER_MAP))
        return put_map(w, name, form == FORM_NUMBER_MAP);
    sv_text_append(w->out, name.data, name.size);
    sv_text_putc(w->out, ':');
    SV_TRY(put_value(w, form == FORM_WORD));
    sv_text_putc(w->out, ' ');
    return SV_OK;
}

static sv_status put_message(writer *w)
{
    sv_string name;
    bool more;
    if (w->depth == MAX_DEPTH)
        return sv_json_error(&w->json, "expected at most %d levels, found more", MAX_DEPTH);
    w->depth++;
    SV_TRY(sv_json_object_begin(&w->json));
    for (;;) {
        SV_TRY(sv_json_object_next(&w->json, &name, &more));
        if (!more) break;
        SV_TRY(put_member(w, name));
    }
    w->depth--;
    return SV_OK;
}

sv_status sv_triton_json_write(sv_string json, sv_text *out)
{
    writer w = {.out = out};
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    sv_json_init(&w.json, json.data, json.size, "config", &arena, NULL);
    sv_status status = put_message(&w);
    if (status == SV_OK) status = sv_json_end(&w.json);
    if (status == SV_OK) status = sv_text_status(out, "a model's configuration");
    sv_arena_release(&arena);
    return status;
}
