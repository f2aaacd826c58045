/* Bodies of the plain protocol: rows in, predictions out. */
#include "front/plain/predict.h"

#include "base/status.h"
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

static sv_status read_body(sv_request *request, sv_string body)
{
    sv_json json;
    SV_TRY(sv_front_json(body, &request->arena, &json));
    json.allow_non_finite = true;
    switch (sv_json_peek(&json)) {
    case SV_JSON_ARRAY:
        SV_TRY(sv_values_read_rows(request, &json));
        break;
    case SV_JSON_OBJECT:
        SV_TRY(read_object(request, &json));
        break;
    default:
        return sv_json_error(&json, "expected an array or an object with \"instances\", found %s",
                             sv_json_kind_name(sv_json_peek(&json)));
    }
    return sv_json_end(&json);
}

sv_status sv_plain_decode(sv_call *call, sv_string body)
{
    sv_request *request;
    SV_TRY(sv_call_begin(call, (sv_string){0}, &request));
    SV_TRY(read_body(request, body));
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
