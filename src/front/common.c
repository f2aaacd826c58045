/* Shared pieces of the front ends. */
#include "front/common.h"

#include "base/status.h"
#include <string.h>

void sv_front_put_string(sv_text *out, const char *text)
{
    sv_text_put_json(out, text, strlen(text));
}

void sv_front_error(const sv_call *call, int http, sv_status status, sv_text *out)
{
    (void)call;
    (void)http;
    sv_text_puts(out, "{\"error\":");
    sv_front_put_string(out, sv_status_message(status));
    sv_text_putc(out, '}');
}

sv_status sv_front_reply(sv_call *call, int http, sv_text *out)
{
    sv_status status = sv_text_status(out, "the answer");
    if (status != SV_OK) {
        sv_text_release(out);
        call->http = 503;
        return status;
    }
    sv_call_reply(call, http, SV_FRONT_JSON, out);
    return SV_OK;
}

sv_status sv_front_reply_text(sv_call *call, int http, const char *content_type, const char *body)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, body);
    sv_status status = sv_text_status(&text, "the answer");
    if (status == SV_OK) sv_call_reply(call, http, content_type, &text);
    sv_text_release(&text);
    return status;
}

sv_status sv_front_json(sv_string body, sv_arena *arena, sv_json *out)
{
    if (body.size == 0) return sv_error_invalid("body: expected JSON, found nothing");
    sv_json_init(out, body.data, body.size, "body", arena, NULL);
    return SV_OK;
}

sv_status sv_front_members(const sv_call *call, sv_string body, const sv_json_member *members,
                           size_t count, const char *others, void *into, uint64_t *seen)
{
    sv_json json;
    SV_TRY(sv_front_json(body, call->arena, &json));
    SV_TRY(sv_json_members(&json, members, count, others, into, seen));
    return sv_json_end(&json);
}

sv_status sv_front_describe(const sv_call *call, sv_model_status *out)
{
    return sv_store_describe(sv_service_store(call->service), call->model.data, call->model.size,
                             call->arena, out);
}

sv_status sv_front_promote(sv_call *call, int64_t version, sv_manage_done done)
{
    sv_traffic traffic = {.share = {{version, 1}}, .count = 1};
    sv_model_status model;
    /* A model that is at rest has no guard. */
    sv_status known = sv_front_describe(call, &model);
    if (known == SV_OK) traffic.guard = model.traffic.guard;
    sv_status_free(known);
    return sv_call_manage(call, SV_KEEPER_TRAFFIC, call->model, &traffic, done);
}
