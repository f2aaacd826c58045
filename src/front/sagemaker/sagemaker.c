/* SageMaker's containers
 * (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference- code.html; of several
 * models: mms-container-apis.html): its routes. Bodies are what they say of themselves
 * (front/any.h). */
#include "base/status.h"
#include "front/any.h"
#include "front/common.h"
#include "serve/manage.h"
#include <string.h>

enum { VERB_PING, VERB_LIST, VERB_MODEL, VERB_LOAD, VERB_UNLOAD, VERB_INVOKE };

static const sv_route routes[] = {
    {SV_METHOD_POST, "/invocations", VERB_INVOKE, SV_ROUTE_INFER},
    {SV_METHOD_GET, "/models", VERB_LIST, 0},
    {SV_METHOD_POST, "/models", VERB_LOAD, SV_ROUTE_MANAGE},
    {SV_METHOD_DELETE, "/models/{model}", VERB_UNLOAD, SV_ROUTE_MANAGE},
    {SV_METHOD_GET, "/models/{model}", VERB_MODEL, 0},
    {SV_METHOD_POST, "/models/{model}/invoke", VERB_INVOKE, SV_ROUTE_INFER},
    {SV_METHOD_GET, "/ping", VERB_PING, SV_ROUTE_HEALTH},
};

/* Of a model that a call has brought, where from: what SageMaker has said itself. */
static void put_model(const sv_call *call, const sv_served *served, sv_text *out)
{
    const char *slash = strrchr(served->path, '/');
    const char *file = slash ? slash + 1 : served->path;
    sv_text_puts(out, "{\"modelName\":");
    sv_front_put_string(out, served->name);
    sv_text_puts(out, ",\"modelUrl\":");
    sv_front_put_string(out, sv_call_brings_models(call) ? served->base : file);
    sv_text_putc(out, '}');
}

static sv_status reply_list(sv_call *call)
{
    sv_store *store = sv_service_store(call->service);
    sv_served *served;
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, "{\"models\":[");
    for (size_t i = 0; (served = sv_store_at(store, i)) != NULL; i++) {
        sv_text_puts(&text, i ? "," : "");
        put_model(call, served, &text);
        sv_served_unref(served);
    }
    sv_text_puts(&text, "]}");
    return sv_front_reply(call, 200, &text);
}

static sv_status reply_model(sv_call *call)
{
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_text text;
    sv_text_init(&text, NULL);
    put_model(call, served, &text);
    sv_served_unref(served);
    return sv_front_reply(call, 200, &text);
}

/* ---- models that come and go ------------------------------------------------------------- */

/* What a call says of a model to load. */
typedef struct wish {
    sv_string name, url;
} wish;

static sv_status read_name(sv_json *json, void *into)
{
    return sv_json_string(json, &((wish *)into)->name);
}

static sv_status read_url(sv_json *json, void *into)
{
    return sv_json_string(json, &((wish *)into)->url);
}

/* Elsewhere "url" is stepped over, whatever it is. */
static sv_status read_wish(sv_call *call, sv_string body, bool by_path, wish *out)
{
    static const sv_json_member members[] = {{"model_name", read_name}, {"url", read_url}};
    uint64_t seen, wanted = by_path ? 3 : 1;
    SV_TRY(sv_front_members(call, body, members, by_path ? 2 : 1, NULL, out, &seen));
    if ((seen & wanted) != wanted) {
        return sv_error_invalid("body: expected a key \"%s\", found none",
                                seen & 1 ? "url" : "model_name");
    }
    if (out->url.size && memchr(out->url.data, '\0', out->url.size)) {
        return sv_error_invalid("url: expected a path, found one with a NUL in it");
    }
    call->model.size = out->name.size;
    call->model.data = sv_arena_copy_text(call->arena, out->name.data, out->name.size);
    return call->model.data ? SV_OK : sv_error_memory("a name", out->name.size);
}

static sv_status done(sv_call *call)
{
    return sv_front_reply_text(call, 200, SV_FRONT_JSON, "{}");
}

static sv_status load_listed(sv_call *call)
{
    sv_served *served = NULL;
    sv_status status = sv_call_find(call, (sv_string){0}, &served);
    sv_served_unref(served);
    if (status == SV_OK) {
        return sv_error(SV_CODE_ALREADY_EXISTS,
                        "model '%.*s': expected one that is not loaded, "
                        "found it in service",
                        (int)call->model.size, call->model.data);
    }
    sv_status_free(status);
    return sv_call_manage(call, SV_KEEPER_LOAD, call->model, NULL, done);
}

/* Where SageMaker has several models come and go, "url" says where it has put one. Elsewhere that
 * is the repository's to say, whatever "url" is: nothing else is ever read. */
static sv_status load(sv_call *call, sv_string body)
{
    wish wish = {.url = {0}};
    bool by_path = sv_call_brings_models(call);
    SV_TRY(read_wish(call, body, by_path, &wish));
    if (!by_path) return load_listed(call);
    const sv_manage_request request = {.verb = SV_KEEPER_BRING,
                                       .name = call->model,
                                       .path = wish.url,
                                       /* SageMaker unloads others then, and tries again. */
                                       .http_no_memory = 507};
    return sv_call_ask_keeper(call, &request, done);
}

static sv_status unload(sv_call *call)
{
    sv_served *served;
    SV_TRY(sv_call_find(call, (sv_string){0}, &served));
    sv_served_unref(served);
    return sv_call_manage(call, SV_KEEPER_UNLOAD, call->model, NULL, done);
}

static sv_status decode(sv_call *call, sv_string body)
{
    switch (call->route->verb) {
    case VERB_PING:
        return sv_front_reply_text(call, sv_service_ready(call->service) ? 200 : 503, SV_FRONT_JSON,
                                   "{}");
    case VERB_LIST:
        return reply_list(call);
    case VERB_MODEL:
        return reply_model(call);
    case VERB_LOAD:
        return load(call, body);
    case VERB_UNLOAD:
        return unload(call);
    default:
        return sv_any_decode(call, body);
    }
}

const sv_front sv_front_sagemaker = {
    .name = "sagemaker",
    .routes = routes,
    .route_count = sizeof routes / sizeof routes[0],
    .decode = decode,
    .encode = sv_any_encode,
    .error = sv_front_error,
};
