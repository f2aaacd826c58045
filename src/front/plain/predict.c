/* Bodies of the plain protocol: rows in, predictions out. */
#include "front/plain/predict.h"

#include "base/status.h"
#include "front/any.h"
#include "front/common.h"
#include "front/values.h"

static sv_status read_object(sv_request *request, sv_json *json)
{
    static const char *const names[] = {"instances"};
    sv_json_fields fields = {.names = names, .count = 1};
    sv_string key;
    size_t index;
    bool more;
    SV_TRY(sv_json_object_begin(json));
    for (;;) {
        SV_TRY(sv_json_field_next(json, &fields, &key, &index, &more));
        if (!more) break;
        SV_TRY(index == 0 ? sv_values_read_rows(request, json) : sv_json_skip(json));
    }
    if (fields.seen) return SV_OK;
    return sv_error_invalid("body: expected a key \"instances\" with an array of them, found none");
}

static sv_status read_json(sv_request *request, sv_string body)
{
    sv_json json;
    SV_TRY(sv_front_json(body, &request->arena, &json));
    json.allow_non_finite = true;
    SV_TRY(sv_json_peek(&json) == SV_JSON_ARRAY ? sv_values_read_rows(request, &json)
                                                : read_object(request, &json));
    return sv_json_end(&json);
}

/* What is no JSON tells by itself what it is. */
static sv_status read_body(sv_call *call, sv_request *request, sv_string body)
{
    sv_json json;
    sv_any_form form;
    sv_json_init(&json, body.data, body.size, "body", NULL, NULL);
    sv_json_kind kind = sv_json_peek(&json);
    bool is_json = kind == SV_JSON_ARRAY || kind == SV_JSON_OBJECT || kind == SV_JSON_END;
    return is_json ? read_json(request, body)
                   : sv_any_read(request, call->x->head.content_type, body, &form);
}

sv_status sv_plain_decode(sv_call *call, sv_string body)
{
    sv_request *request;
    SV_TRY(sv_call_begin(call, (sv_string){0}, &request));
    SV_TRY(read_body(call, request, body));
    return sv_call_submit(call);
}

sv_status sv_plain_encode(sv_call *call, const sv_request *request, sv_text *out)
{
    (void)call;
    sv_text_puts(out, "{\"predictions\":");
    SV_TRY(sv_values_are_rows(request) ? sv_values_write_rows(request, out)
                                       : sv_values_write_columns(request, out));
    sv_text_putc(out, '}');
    return SV_OK;
}
