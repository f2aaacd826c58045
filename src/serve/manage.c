/* Admission of management calls, and their way to the keeper and back. */
#include "serve/manage.h"

#include "base/status.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- who may -------------------------------------------------------------------------------- */

static bool same_text(sv_string a, const char *b)
{
    return strlen(b) == a.size && strncasecmp(a.data, b, a.size) == 0;
}

/* The host of "host", "host:port" or "[address]:port", without brackets. */
static sv_string host_of(sv_string authority)
{
    if (authority.size && authority.data[0] == '[') {
        const char *close = memchr(authority.data, ']', authority.size);
        if (!close) return (sv_string){0};
        return (sv_string){authority.data + 1, (size_t)(close - authority.data) - 1};
    }
    const char *colon = memchr(authority.data ? authority.data : "", ':', authority.size);
    if (colon) authority.size = (size_t)(colon - authority.data);
    return authority;
}

/* An address cannot be bound to another host by somebody's name server. */
static bool is_address(sv_string host)
{
    char text[64];
    uint8_t address[16];
    if (host.size == 0 || host.size >= sizeof text) return false;
    memcpy(text, host.data, host.size);
    text[host.size] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static bool is_ours(const sv_service_options *options, sv_string host)
{
    if (is_address(host) || same_text(host, "localhost")) return true;
    for (size_t i = 0; i < options->host_count; i++) {
        if (same_text(host, options->hosts[i])) return true;
    }
    return false;
}

/* A page's own server is the only origin that it may manage. */
static bool same_origin(sv_string origin, sv_string authority)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);
        if (origin.size < size || strncasecmp(origin.data, schemes[i], size) != 0) continue;
        return origin.size - size == authority.size &&
               strncasecmp(origin.data + size, authority.data, authority.size) == 0;
    }
    return false;
}

static int shown(sv_string text)
{
    return (int)(text.size < 128 ? text.size : 128);
}

/* Addressed to us, and by no page of others. */
static sv_status check_page(const sv_service_options *options, const sv_exchange *x)
{
    sv_string origin, site;
    sv_string host = host_of(x->head.authority);
    if (!is_ours(options, host)) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "Host: expected an address, localhost or a name of --management-host, "
                        "found '%.*s'",
                        shown(host), host.data ? host.data : "");
    }
    if (sv_exchange_header(x, "Origin", &origin) && !same_origin(origin, x->head.authority)) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "Origin: expected none, or the address that is asked, found '%.*s'",
                        shown(origin), origin.data);
    }
    if (sv_exchange_header(x, "Sec-Fetch-Site", &site) && !same_text(site, "same-origin") &&
        !same_text(site, "none")) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "Sec-Fetch-Site: expected same-origin or none, found '%.*s'", shown(site),
                        site.data);
    }
    return SV_OK;
}

/* Where the place that started the server is the only client, it is known by no name; a browser is
 * none of its. */
static sv_status check_no_page(const sv_exchange *x)
{
    static const char *const headers[] = {"Origin", "Sec-Fetch-Site"};
    for (size_t i = 0; i < 2; i++) {
        sv_string value;
        if (!sv_exchange_header(x, headers[i], &value)) continue;
        return sv_error(SV_CODE_PERMISSION_DENIED, "%s: expected none, found '%.*s'", headers[i],
                        shown(value), value.data);
    }
    return SV_OK;
}

sv_status sv_manage_admit(const sv_service_options *options, const sv_front *front,
                          const sv_exchange *x)
{
    if (options->keeper && options->open_front && options->open_front == front) {
        return check_no_page(x);
    }
    if (!options->keeper || !(options->allow_management || x->peer.admin)) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "management: expected a call on an --admin-listen address, or a server "
                        "with --allow-management, found neither");
    }
    return check_page(options, x);
}

/* 127.0.0.0/8, ::1, or the former written as the latter. */
static bool is_loopback(const sv_peer *peer)
{
    static const uint8_t one[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (!peer->v6) return peer->address[0] == 127;
    return memcmp(peer->address, one, sizeof one) == 0 ||
           (memcmp(peer->address, mapped, sizeof mapped) == 0 && peer->address[12] == 127);
}

sv_status sv_manage_admit_sharing(const sv_service_options *options, const sv_exchange *x)
{
    if (!options->regions) {
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "shared memory: expected a server with --allow-shared-memory, found one "
                        "without");
    }
    if (!x->peer.local && !x->peer.admin && !is_loopback(&x->peer)) {
        char peer[64];
        sv_peer_format(&x->peer, peer);
        return sv_error(SV_CODE_PERMISSION_DENIED,
                        "shared memory: expected a client on this machine, found %s", peer);
    }
    return check_page(options, x);
}

/* ---- calls that wait ------------------------------------------------------------------------ */

typedef struct managed_call {
    sv_keeper_job job;
    sv_task task;
    sv_call *call;
    sv_manage_done done;
    sv_status status;
    int http_no_memory;
} managed_call;

static void finish(sv_task *task)
{
    managed_call *m = (managed_call *)((char *)task - offsetof(managed_call, task));
    sv_exchange *x = m->call->x;
    sv_status status = m->status;
    if (status == SV_OK && sv_exchange_is_waiting(x)) status = m->done(m->call);
    bool no_memory = sv_status_code(status) == SV_CODE_RESOURCE_EXHAUSTED;
    if (status != SV_OK) sv_exchange_fail(x, no_memory ? m->http_no_memory : 0, status);
    sv_model_configs_release(&m->job.chosen);
    free(m->job.description);
    sv_exchange_release(x);
}

/* On the keeper's thread. */
static void job_done(sv_keeper_job *job, sv_status status)
{
    managed_call *m = job->user;
    m->status = status;
    sv_loop_post(m->call->x->loop, &m->task);
}

/* A job of the call, in its arena. */
static sv_status make_job(sv_call *call, sv_keeper_verb verb, sv_manage_done done,
                          managed_call **out)
{
    managed_call *m = sv_arena_alloc_zero(&call->x->arena, sizeof *m);
    if (!m) return sv_error_memory("a management call", sizeof *m);
    sv_model_configs_init(&m->job.chosen);
    m->job.verb = verb;
    m->job.done = job_done;
    m->job.user = m;
    m->task.run = finish;
    m->call = call;
    m->done = done;
    *out = m;
    return SV_OK;
}

static void post(managed_call *m)
{
    sv_exchange_hold(m->call->x);
    sv_keeper_post(sv_service_keeper(m->call->service), &m->job);
}

static sv_status keep_repository(const sv_manage_request *request, managed_call *m)
{
    const sv_string name = request->repository;
    if (name.size >= sizeof m->job.repository) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "repository: expected a name of at most %zu bytes, found %zu",
                        sizeof m->job.repository - 1, name.size);
    }
    if (name.size) memcpy(m->job.repository, name.data, name.size);
    return SV_OK;
}

/* What the job borrows, made the exchange's. */
static sv_status keep_request(sv_call *call, const sv_manage_request *request, managed_call *m)
{
    sv_arena *arena = &call->x->arena;
    if (request->traffic) m->job.traffic = *request->traffic;
    m->job.version = request->version;
    m->http_no_memory = request->http_no_memory;
    SV_TRY(keep_repository(request, m));
    if (request->description.data) {
        const sv_string text = request->description;
        m->job.description = malloc(text.size + 1);
        if (!m->job.description) return sv_error_memory("a model's configuration", text.size);
        memcpy(m->job.description, text.data, text.size);
        m->job.description[text.size] = '\0';
    }
    if (request->path.data) {
        m->job.path = sv_arena_copy_text(arena, request->path.data, request->path.size);
        if (!m->job.path) return sv_error_memory("a path", request->path.size);
    }
    if (!request->tuning) return SV_OK;
    sv_tuning *tuning = sv_arena_alloc(arena, sizeof *tuning);
    if (!tuning) return sv_error_memory("a model's tuning", sizeof *tuning);
    *tuning = *request->tuning;
    m->job.tuning = tuning;
    return SV_OK;
}

sv_status sv_call_ask_keeper(sv_call *call, const sv_manage_request *request, sv_manage_done done)
{
    managed_call *m;
    sv_string name = request->name;
    if (request->verb != SV_KEEPER_REREAD && !sv_model_name_valid(name.data, name.size)) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model: expected letters, digits and '._-', at most 128, found '%.*s'",
                        shown(name), name.data ? name.data : "");
    }
    SV_TRY(make_job(call, request->verb, done, &m));
    if (name.size) memcpy(m->job.name, name.data, name.size);
    SV_TRY(keep_request(call, request, m));
    post(m);
    return SV_OK;
}

sv_status sv_call_manage(sv_call *call, sv_keeper_verb verb, sv_string name,
                         const sv_traffic *traffic, sv_manage_done done)
{
    const sv_manage_request request = {.verb = verb, .name = name, .traffic = traffic};
    return sv_call_ask_keeper(call, &request, done);
}

sv_status sv_call_choose(sv_call *call, sv_model_configs *chosen, sv_manage_done done)
{
    managed_call *m;
    sv_status status = make_job(call, SV_KEEPER_CHOOSE, done, &m);
    if (status != SV_OK) {
        sv_model_configs_release(chosen);
        return status;
    }
    m->job.chosen = *chosen;
    post(m);
    return SV_OK;
}

/* ---- metrics -------------------------------------------------------------------------------- */

static void put_head(sv_text *out, const char *name, const char *type, const char *help)
{
    sv_text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool is_served(const sv_version_status *version)
{
    return version->state == SV_VERSION_AVAILABLE;
}

/* Only of versions that were asked as shadows. */
static void put_shadow(const char *model, const sv_version_status *version, sv_text *out)
{
    static const char *const names[SV_SHADOW_VERDICTS] = {
        [SV_SHADOW_AGREES] = "agrees",
        [SV_SHADOW_DIFFERS] = "differs",
        [SV_SHADOW_FAILS] = "fails",
        [SV_SHADOW_SKIPPED] = "skipped",
    };
    uint64_t sum = 0;
    for (int i = 0; i < SV_SHADOW_VERDICTS; i++)
        sum += version->shadow[i];
    for (int i = 0; sum && i < SV_SHADOW_VERDICTS; i++) {
        sv_text_printf(
            out, "serval_shadow_total{model=\"%s\",version=\"%lld\",result=\"%s\"} %llu\n", model,
            (long long)version->number, names[i], (unsigned long long)version->shadow[i]);
    }
}

static void put_shadows(const sv_model_status *models, size_t count, sv_text *out)
{
    put_head(out, "serval_shadow_total", "counter",
             "Requests that a shadow version was asked as well, by how its answer compares.");
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < models[i].count; v++)
            put_shadow(models[i].name, &models[i].version[v], out);
    }
    put_head(out, "serval_model_rollbacks_total", "counter",
             "Versions that were taken out of the traffic by their guard.");
    for (size_t i = 0; i < count; i++) {
        sv_text_printf(out, "serval_model_rollbacks_total{model=\"%s\"} %llu\n", models[i].name,
                       (unsigned long long)models[i].rollbacks);
    }
}

/* The part of the requests that name no version which a version is to get. */
static double traffic_share(const sv_model_status *model, int64_t number)
{
    uint64_t weight = 0, all = 0;
    int64_t highest = 0;
    for (size_t v = 0; v < model->count; v++) {
        if (is_served(&model->version[v])) highest = model->version[v].number;
    }
    for (uint32_t i = 0; i < model->traffic.count; i++) {
        all += model->traffic.share[i].weight;
        if (model->traffic.share[i].number == number) weight = model->traffic.share[i].weight;
    }
    if (!all) return number == highest;
    return (double)weight / (double)all;
}

static void put_traffic(const sv_model_status *models, size_t count, sv_text *out)
{
    put_head(out, "serval_model_traffic_share", "gauge",
             "Part of the requests without a version that a version is to get.");
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < models[i].count; v++) {
            int64_t number = models[i].version[v].number;
            if (!is_served(&models[i].version[v])) continue;
            sv_text_printf(out, "serval_model_traffic_share{model=\"%s\",version=\"%lld\"} ",
                           models[i].name, (long long)number);
            sv_text_put_f64(out, traffic_share(&models[i], number));
            sv_text_putc(out, '\n');
        }
    }
}

/* The reasons that most failures have: their rows are there from the start, so that the first
 * failure is seen as a change. */
static bool is_common(int code)
{
    return code == SV_CODE_INVALID_ARGUMENT || code == SV_CODE_NOT_FOUND ||
           code == SV_CODE_RESOURCE_EXHAUSTED || code == SV_CODE_UNIMPLEMENTED;
}

static void put_reason(const char *name, const char *model, int code, uint64_t value, sv_text *out)
{
    char reason[32];
    size_t size = 0;
    for (const char *c = sv_code_name((sv_code)code); *c && size + 1 < sizeof reason; c++)
        reason[size++] = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
    sv_text_printf(out, "%s{model=\"%s\",reason=\"%.*s\"} %llu\n", name, model, (int)size, reason,
                   (unsigned long long)value);
}

static void put_failures(const sv_model_status *models, size_t count, sv_text *out)
{
    static const char name[] = "serval_model_load_failures_total";
    put_head(out, name, "counter", "Versions or configurations that could not be loaded.");
    for (size_t i = 0; i < count; i++) {
        for (int code = 1; code < SV_STORE_CODES; code++) {
            uint64_t failures = models[i].failures[code];
            if (failures || is_common(code)) put_reason(name, models[i].name, code, failures, out);
        }
    }
}

static void put_broken(const sv_model_status *models, size_t count, sv_text *out)
{
    static const char name[] = "serval_model_broken";
    put_head(out, name, "gauge", "Versions that are not served as their files are.");
    for (size_t i = 0; i < count; i++) {
        const sv_model_status *model = &models[i];
        uint64_t broken[SV_STORE_CODES] = {0};
        if (model->problem[0]) broken[model->code]++;
        for (size_t v = 0; v < model->count; v++) {
            if (model->version[v].message[0]) broken[model->version[v].code]++;
        }
        for (int code = 1; code < SV_STORE_CODES; code++) {
            if (broken[code] || model->failures[code] || is_common(code))
                put_reason(name, model->name, code, broken[code], out);
        }
    }
}

static void put_served(const sv_model_status *models, size_t count, sv_text *out)
{
    put_head(out, "serval_model_version_served", "gauge", "Versions in service.");
    for (size_t i = 0; i < count; i++) {
        for (size_t v = 0; v < models[i].count; v++) {
            if (!is_served(&models[i].version[v])) continue;
            sv_text_printf(out, "serval_model_version_served{model=\"%s\",version=\"%lld\"} 1\n",
                           models[i].name, (long long)models[i].version[v].number);
        }
    }
}

void sv_manage_metrics(const sv_model_status *models, size_t count, sv_text *out)
{
    put_head(out, "serval_model_loads_total", "counter", "Versions that were put in service.");
    for (size_t i = 0; i < count; i++) {
        sv_text_printf(out, "serval_model_loads_total{model=\"%s\"} %llu\n", models[i].name,
                       (unsigned long long)models[i].loads);
    }
    put_failures(models, count, out);
    put_broken(models, count, out);
    put_shadows(models, count, out);
    put_traffic(models, count, out);
    put_served(models, count, out);
}
