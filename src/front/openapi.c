/* The document: paths from the routes of the service, bodies from the models. */
#include "front/openapi.h"

#include "base/status.h"
#include "front/common.h"
#include "front/openapi_forms.h"
#include <serval/serval.h>
#include <string.h>

#define MAX_MODELS 32 /* in one document; ?model=NAME asks for one */
#define MAX_VERSIONS 64

/* Answers without a form. */
#define OBJECT "OBJECT"
#define ARRAY "ARRAY"
#define TEXT "TEXT"
#define HTML "HTML"
#define EMPTY "EMPTY"
#define REFUSED "REFUSED"

const sv_operation sv_operations[] = {
#define OPERATION(front, method, pattern, summary, takes, gives)                                   \
    {#front, SV_METHOD_##method, pattern, summary, takes, gives},
#include "front/openapi.inc"
#undef OPERATION
};
const size_t sv_operation_count = sizeof sv_operations / sizeof sv_operations[0];

static const char *const method_names[] = {
    [SV_METHOD_GET] = "get",       [SV_METHOD_POST] = "post",       [SV_METHOD_PUT] = "put",
    [SV_METHOD_DELETE] = "delete", [SV_METHOD_OPTIONS] = "options", [SV_METHOD_PATCH] = "patch",
};

/* What changes what is served, and takes a body. */
static const struct {
    const char *name;
    bool needed;
    const char *schema;
} changes[] = {
#define CHANGE(name, needed, schema) {"change." #name, needed, schema},
#include "front/openapi_changes.inc"
#undef CHANGE
};
#define CHANGES (sizeof changes / sizeof changes[0])

/* A document on its way. */
typedef struct document {
    sv_call *call;
    sv_served *model[MAX_MODELS];
    size_t count;
    bool one; /* only what runs this model */
    sv_text out;
} document;

static const sv_operation *find_operation(const sv_front *front, const sv_route *route)
{
    for (size_t i = 0; i < sv_operation_count; i++) {
        const sv_operation *o = &sv_operations[i];
        if (o->method == route->method && strcmp(o->front, front->name) == 0 &&
            strcmp(o->pattern, route->pattern) == 0) {
            return o;
        }
    }
    return NULL;
}

/* Of a route that the environment says: it runs the only model, or tells its health. */
static sv_operation extra_operation(const sv_front *front, const sv_route *route)
{
    bool runs = route->flags & SV_ROUTE_INFER;
    return (sv_operation){
        front->name,         route->method,
        route->pattern,      runs ? "Run the only model" : "Whether traffic is wanted",
        runs ? "any" : NULL, runs ? "any_answer" : OBJECT};
}

/* Whether it takes what a form of a model says: such operations run it. */
static bool takes_form(const sv_operation *o)
{
    return o->takes && *o->takes != '?' && strncmp(o->takes, "change.", 7) != 0;
}

/* ---- one operation ----------------------------------------------------------------------- */

static void put_ref(sv_text *out, const char *model, const char *form)
{
    sv_text_printf(out, "{\"$ref\":\"#/components/schemas/%s.%s\"}", model, form);
}

static void put_request(document *d, const sv_operation *o, const char *model)
{
    sv_text *out = &d->out;
    bool open = strcmp(o->takes, "any") == 0;
    sv_text_puts(out, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":"
                      "{\"schema\":");
    put_ref(out, model, o->takes);
    sv_text_putc(out, '}');
    if (open || strcmp(o->takes, "frame") == 0) {
        sv_text_puts(out, ",\"text/csv\":{\"schema\":{\"type\":\"string\"}}");
    }
    if (open) sv_text_puts(out, ",\"application/octet-stream\":{\"schema\":{}}");
    sv_text_puts(out, "}}");
}

/* A query parameter, or a body that has nothing to do with a model's inputs. */
static void put_change(const char *takes, sv_text *out)
{
    if (*takes == '?') {
        sv_text_printf(out,
                       ",\"parameters\":[{\"name\":\"%s\",\"in\":\"query\",\"required\":true,"
                       "\"schema\":{\"type\":\"string\",\"minLength\":1}}]",
                       takes + 1);
        return;
    }
    for (size_t i = 0; i < CHANGES; i++) {
        if (strcmp(changes[i].name, takes) != 0) continue;
        sv_text_printf(out,
                       ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":"
                       "{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
                       changes[i].needed ? "true" : "false", takes);
    }
}

static void put_success(document *d, const sv_operation *o, const char *model)
{
    static const struct {
        const char *name, *content;
    } plain[] = {
        {OBJECT, "application/json\":{\"schema\":{\"type\":\"object\"}}"},
        {ARRAY, "application/json\":{\"schema\":{\"type\":\"array\"}}"},
        {EMPTY, "application/json\":{}"},
        {TEXT, "text/plain\":{\"schema\":{\"type\":\"string\"}}"},
        {HTML, "text/html\":{\"schema\":{\"type\":\"string\"}}"},
    };
    sv_text *out = &d->out;
    sv_text_puts(out, "\"200\":{\"description\":\"Done\",\"content\":{\"");
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (strcmp(plain[i].name, o->gives) != 0) continue;
        sv_text_printf(out, "%s}},", plain[i].content);
        return;
    }
    sv_text_puts(out, "application/json\":{\"schema\":");
    put_ref(out, model, o->gives);
    sv_text_putc(out, '}');
    if (strcmp(o->gives, "inferred") == 0) {
        sv_text_puts(out, ",\"application/octet-stream\":{\"schema\":{}}");
    }
    sv_text_puts(out, "}},");
}

/* Paths that no route has answer in the plain form, also where a protocol has another. */
static void put_error_schema(const char *front, bool other_path, sv_text *out)
{
    bool own = strcmp(front, "torchserve") == 0 || strcmp(front, "mlflow") == 0;
    if (own && other_path) sv_text_puts(out, "{\"anyOf\":[");
    if (own) sv_text_printf(out, "{\"$ref\":\"#/components/schemas/error.%s\"}", front);
    if (own && other_path) sv_text_putc(out, ',');
    if (!own || other_path) sv_text_puts(out, "{\"$ref\":\"#/components/schemas/error.plain\"}");
    if (own && other_path) sv_text_puts(out, "]}");
}

static void put_errors(document *d, const sv_operation *o)
{
    static const struct {
        const char *code, *what;
        bool runs; /* only of what runs a model */
    } errors[] = {
        {"400", "The request is wrong: the message says where", false},
        {"403", "Refused", false},
        {"404", "No such model or version", false},
        {"405", "Another method is expected", false},
        {"408", "The request came too slowly", false},
        {"409", "It is so already, or is changing", false},
        {"413", "The body is too large", false},
        {"415", "Another content type or coding is expected", false},
        {"429", "Too much is asked for", false},
        {"431", "The head is too large", false},
        {"501", "The model, or the form of its values, is not supported", true},
        {"503", "Busy, or ending: try again later", false},
        {"504", "The time limit has passed", true},
    };
    bool runs = o->takes != NULL, first = true;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (errors[i].runs && !runs) continue;
        sv_text_printf(&d->out,
                       "%s\"%s\":{\"description\":\"%s\",\"content\":{\"application/json\":"
                       "{\"schema\":",
                       first ? "" : ",", errors[i].code, errors[i].what);
        put_error_schema(o->front, strcmp(errors[i].code, "404") == 0, &d->out);
        sv_text_puts(&d->out, "}}}");
        first = false;
    }
}

static void put_versions(document *d, const sv_served *served)
{
    int64_t numbers[MAX_VERSIONS];
    size_t count = sv_store_versions(sv_service_store(d->call->service), served->name,
                                     strlen(served->name), numbers, MAX_VERSIONS);
    sv_text_puts(&d->out,
                 ",\"parameters\":[{\"name\":\"version\",\"in\":\"path\",\"required\":true,"
                 "\"schema\":{\"type\":\"integer\",\"enum\":[");
    for (size_t i = 0; i < count && i < MAX_VERSIONS; i++)
        sv_text_printf(&d->out, "%s%lld", i ? "," : "", (long long)numbers[i]);
    sv_text_puts(&d->out, "]}}]");
}

/* A part of the path that is a name: a label is the operator's, a region the client's. */
static void put_name(document *d, const char *name)
{
    sv_text_printf(&d->out,
                   ",\"parameters\":[{\"name\":\"%s\",\"in\":\"path\",\"required\":true,"
                   "\"schema\":{\"type\":\"string\",\"minLength\":1}}]",
                   name);
}

static void put_operation(document *d, const sv_operation *o, const sv_served *served)
{
    sv_text *out = &d->out;
    sv_text_printf(out, "\"%s\":{\"tags\":[\"%s\"],\"summary\":\"%s\"", method_names[o->method],
                   o->front, o->summary);
    if (served && strstr(o->pattern, "{version}")) put_versions(d, served);
    if (strstr(o->pattern, "{label}")) put_name(d, "label");
    if (strstr(o->pattern, "{region}")) put_name(d, "region");
    if (strstr(o->pattern, "{repository}")) put_name(d, "repository");
    if (takes_form(o))
        put_request(d, o, served->name);
    else if (o->takes)
        put_change(o->takes, out);
    sv_text_puts(out, ",\"responses\":{");
    if (strcmp(o->gives, REFUSED) != 0) put_success(d, o, served ? served->name : "");
    put_errors(d, o);
    sv_text_puts(out, "}}");
}

/* ---- paths ------------------------------------------------------------------------------- */

/* The pattern with the model's name in it. */
static void put_path(const char *pattern, const char *model, sv_text *out)
{
    static const char capture[] = "{model}";
    const char *at = strstr(pattern, capture);
    sv_text_putc(out, '"');
    sv_text_append(out, pattern, at ? (size_t)(at - pattern) : strlen(pattern));
    if (at) {
        sv_text_puts(out, model);
        sv_text_puts(out, at + sizeof capture - 1);
    }
    sv_text_puts(out, "\":{");
}

/* The first route of the service with this pattern, and then this method. */
static bool is_first(document *d, size_t index, const sv_route *route, bool with_method)
{
    const sv_front *front;
    const sv_route *other;
    for (size_t i = 0; i < index; i++) {
        if (!sv_service_route(d->call->service, i, &front, &other)) break;
        if (strcmp(other->pattern, route->pattern) != 0) continue;
        if (!with_method || other->method == route->method) return false;
    }
    return true;
}

/* All methods of a pattern for a model; NULL: for the pattern as it stands. */
static void put_pattern(document *d, const char *pattern, const sv_served *served, bool *first_path)
{
    const sv_front *front;
    const sv_route *route;
    bool first = true;
    sv_text_puts(&d->out, *first_path ? "" : ",");
    *first_path = false;
    put_path(pattern, served ? served->name : "", &d->out);
    for (size_t i = 0; sv_service_route(d->call->service, i, &front, &route); i++) {
        if (strcmp(route->pattern, pattern) != 0 || !is_first(d, i, route, true)) continue;
        const sv_operation *known = find_operation(front, route);
        sv_operation operation = known ? *known : extra_operation(front, route);
        sv_text_puts(&d->out, first ? "" : ",");
        first = false;
        put_operation(d, &operation, served);
    }
    sv_text_putc(&d->out, '}');
}

/* Whether a pattern without a name runs a model, which must be the only one then. */
static bool runs_only_model(const sv_front *front, const sv_route *route)
{
    const sv_operation *operation = find_operation(front, route);
    return operation ? takes_form(operation) : route->flags & SV_ROUTE_INFER;
}

static void put_paths(document *d)
{
    const sv_front *front;
    const sv_route *route;
    bool first = true;
    for (size_t i = 0; sv_service_route(d->call->service, i, &front, &route); i++) {
        if (!is_first(d, i, route, false) || !sv_service_offers(d->call->service, route)) continue;
        bool named = strstr(route->pattern, "{model}") != NULL;
        for (size_t m = 0; named && m < d->count; m++)
            put_pattern(d, route->pattern, d->model[m], &first);
        if (named || d->one) continue;
        bool runs = runs_only_model(front, route);
        if (!runs) put_pattern(d, route->pattern, NULL, &first);
        if (runs && d->count == 1) put_pattern(d, route->pattern, d->model[0], &first);
    }
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void put_components(document *d)
{
    static const char fixed[] =
        "\"bytes\":{\"type\":\"object\",\"properties\":{\"b64\":{\"type\":\"string\","
        "\"contentEncoding\":\"base64\"}},\"required\":[\"b64\"],\"additionalProperties\":false},"
        "\"dataframe_split\":{\"type\":\"object\",\"properties\":{\"dataframe_split\":{\"type\":"
        "\"object\",\"properties\":{\"columns\":{\"type\":\"array\",\"items\":{\"type\":"
        "[\"string\",\"integer\"]}},\"index\":{\"type\":\"array\"},\"data\":{\"type\":\"array\","
        "\"items\":{\"type\":\"array\"}}},\"required\":[\"data\"]},\"params\":{\"type\":"
        "\"object\"}},\"required\":[\"dataframe_split\"]},"
        "\"dataframe_records\":{\"type\":\"object\",\"properties\":{\"dataframe_records\":"
        "{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"params\":{\"type\":\"object\"}},"
        "\"required\":[\"dataframe_records\"]},"
        "\"error.plain\":{\"type\":\"object\",\"properties\":{\"error\":{\"type\":\"string\"}},"
        "\"required\":[\"error\"]},"
        "\"error.torchserve\":{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"integer\"},"
        "\"type\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}},\"required\":[\"code\","
        "\"type\",\"message\"]},"
        "\"error.mlflow\":{\"type\":\"object\",\"properties\":{\"error_code\":{\"type\":"
        "\"string\"},\"message\":{\"type\":\"string\"}},\"required\":[\"error_code\","
        "\"message\"]}";
    sv_text_puts(&d->out, fixed);
    for (size_t i = 0; i < CHANGES; i++)
        sv_text_printf(&d->out, ",\"%s\":%s", changes[i].name, changes[i].schema);
    for (size_t i = 0; i < d->count; i++) {
        sv_text_putc(&d->out, ',');
        sv_openapi_put_forms(d->model[i], &d->out);
    }
}

static sv_status find_models(document *d)
{
    sv_store *store = sv_service_store(d->call->service);
    sv_string name = d->call->model;
    if (!name.size) (void)sv_exchange_query(d->call->x, "model", &name);
    d->one = name.size > 0;
    if (d->one) {
        SV_TRY(sv_call_find(d->call, name, &d->model[0]));
        d->count = 1;
        return SV_OK;
    }
    while (d->count < MAX_MODELS && (d->model[d->count] = sv_store_at(store, d->count)) != NULL)
        d->count++;
    return SV_OK;
}

static void put_head(document *d)
{
    size_t all = sv_store_count(sv_service_store(d->call->service));
    sv_text_printf(&d->out,
                   "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Serval\",\"version\":\"%s\","
                   "\"description\":\"Models and what can be asked of them.",
                   sv_version());
    if (!d->one && all > d->count) {
        sv_text_printf(&d->out, " Of %zu models the first %zu; ?model=NAME describes any.", all,
                       d->count);
    }
    sv_text_puts(&d->out, "\"},\"paths\":{");
}

sv_status sv_openapi_reply(sv_call *call)
{
    document d = {.call = call};
    SV_TRY(find_models(&d));
    sv_text_init(&d.out, NULL);
    put_head(&d);
    put_paths(&d);
    sv_text_puts(&d.out, "},\"components\":{\"schemas\":{");
    put_components(&d);
    sv_text_puts(&d.out, "}}}");
    for (size_t i = 0; i < d.count; i++)
        sv_served_unref(d.model[i]);
    return sv_front_reply(call, 200, &d.out);
}
