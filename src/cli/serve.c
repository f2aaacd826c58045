/* serval serve: puts store, service and server together, and says how to talk to them. */
#include "base/cpu.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/config.h"
#include "cli/load.h"
#include "front/fronts.h"
#include "front/profile.h"
#include "net/server.h"
#include "serve/metric_names.h"
#include "serve/service.h"
#include "store/keeper.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPT_ACCESS_LOG,
    OPT_ADMIN_LISTEN,
    OPT_ALL_VERSIONS,
    OPT_ALLOW_MANAGEMENT,
    OPT_ALLOW_SHARED_MEMORY,
    OPT_BODY_LIMIT,
    OPT_CONFIG,
    OPT_DRAIN_GRACE,
    OPT_DRAIN_LIMIT,
    OPT_EXACT,
    OPT_LATENCY_TARGET,
    OPT_LISTEN,
    OPT_LOOPS,
    OPT_MANAGEMENT_HOST,
    OPT_MAX_CONNECTIONS,
    OPT_MAX_QUEUE,
    OPT_MAX_REQUESTS,
    OPT_MEMORY,
    OPT_MEMORY_LIMIT,
    OPT_METRICS_LISTEN,
    OPT_METRICS_NAMES,
    OPT_NO_BATCHING,
    OPT_PLAN_CACHE,
    OPT_POLL,
    OPT_PROFILE,
    OPT_QUIET,
    OPT_REPOSITORY,
    OPT_RUN_THREADS,
    OPT_SPIN,
    OPT_THREADS,
    OPT_TIMEOUT,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_TRACE_LOG,
    OPT_WORKERS,
};

static const sv_option options[] = {
    [OPT_ACCESS_LOG] = {"access-log", "FILE", false,
                        "Append a JSON line for each request; - is standard output"},
    [OPT_ADMIN_LISTEN] = {"admin-listen", "HOST:PORT", true,
                          "Address on which models may be loaded and unloaded by request"},
    [OPT_ALL_VERSIONS] = {"all-versions", NULL, false,
                          "Serve every version of a folder, not only the highest"},
    [OPT_ALLOW_MANAGEMENT] = {"allow-management", NULL, false,
                              "Let models be loaded and unloaded by request on every address"},
    [OPT_ALLOW_SHARED_MEMORY] = {"allow-shared-memory", NULL, false,
                                 "Let clients on this machine pass tensors by shared memory"},
    [OPT_BODY_LIMIT] = {"body-limit", "BYTES", false,
                        "Largest body, also unpacked; 64M unless given"},
    [OPT_CONFIG] = {SV_CONFIG_OPTION, "FILE", false, "Read options and models from a YAML file"},
    [OPT_DRAIN_GRACE] = {"drain-grace", "SECONDS", false,
                         "On SIGTERM, wait this long before new connections are refused; 0"},
    [OPT_DRAIN_LIMIT] =
        {"drain-limit", "SECONDS", false,
         "Then wait this long for running requests before they are broken off; 30, or "
         "25 with the profile of a cloud"},
    [OPT_EXACT] = {"exact", NULL, false, SV_EXACT_TEXT},
    [OPT_LATENCY_TARGET] = {"latency-target", "MS", false,
                            "Join requests as far as 99 % of them are answered within this time"},
    [OPT_LISTEN] = {"listen", "HOST:PORT", true,
                    "Address to listen on, or unix:PATH; 127.0.0.1:8080 unless given"},
    [OPT_LOOPS] = {"loops", "N", false,
                   "Threads that read requests, run small models and answer; --threads, but at "
                   "most 8, unless given"},
    [OPT_MANAGEMENT_HOST] = {"management-host", "NAME", true,
                             "Name under which management may be asked, besides addresses"},
    [OPT_MAX_CONNECTIONS] = {"max-connections", "N", false,
                             "Connections open at once; 10000 unless given"},
    [OPT_MAX_QUEUE] = {"max-queue", "N", false,
                       "Requests of one model waiting at once, 503 beyond; 256 unless given"},
    [OPT_MAX_REQUESTS] = {"max-requests", "N", false,
                          "Requests running or waiting at once, 503 beyond; 1024 unless given"},
    [OPT_MEMORY] = {"memory", NULL, false, SV_MEMORY_TEXT},
    [OPT_MEMORY_LIMIT] = {"memory-limit", "BYTES", false,
                          "Memory of all bodies and inputs together; 1G unless given"},
    [OPT_METRICS_LISTEN] = {"metrics-listen", "HOST:PORT", true,
                            "Address of its own for /metrics, or unix:PATH; no other has it then"},
    [OPT_METRICS_NAMES] = {"metrics-names", "SET", true,
                           "Have metrics under other servers' names too: triton, torchserve"},
    [OPT_NO_BATCHING] = {"no-batching", NULL, false, "Never join requests that arrive together"},
    [OPT_PLAN_CACHE] = {"plan-cache", "DIR", false, SV_PLAN_CACHE_TEXT},
    [OPT_POLL] = {"poll", "SECONDS", false,
                  "Look at the models' files this often and serve what is new; never unless given"},
    [OPT_PROFILE] = {"profile", "NAME", false,
                     "Be a container for azure, mlflow, sagemaker, torchserve or vertex"},
    [OPT_QUIET] = {"quiet", NULL, false, "Print nothing but errors"},
    [OPT_REPOSITORY] = {"repository", "DIR", true, "Serve all models of a folder of folders"},
    [OPT_RUN_THREADS] = {"run-threads", "N", false,
                         "Threads that one run of a large model may use; --threads unless given"},
    [OPT_SPIN] = {"spin", "MICROSECONDS", false,
                  "Stay awake this long for the next request while they come that often; 100 "
                  "unless given, 0 under a CPU quota"},
    [OPT_THREADS] =
        {"threads", "N", false,
         "Threads for connections, and for large models; all granted cores unless given"},
    [OPT_TIMEOUT] = {"timeout", "SECONDS", false, "Time limit of a request; 60 unless given"},
    [OPT_TLS_CERT] = {"tls-cert", "FILE", false,
                      "PEM certificate with its chain: connections over TCP speak TLS"},
    [OPT_TLS_KEY] = {"tls-key", "FILE", false, "PEM key of the certificate"},
    [OPT_TRACE_LOG] =
        {"trace-log", "FILE", false,
         "Append the times of requests that trace settings choose; - is standard output"},
    [OPT_WORKERS] = {"workers", "N", false, "Runs of large models at once; --threads unless given"},
};

#define MAX_LISTEN 16
/* What it takes to wake both ends of a connection, on a virtual machine too. */
#define SPIN_US 100
#define MAX_FRONTS 32
#define MAX_THREADS 1024
#define MAX_LOOPS 64

typedef struct serve_state {
    const sv_args *line; /* the command line */
    const sv_args *args; /* with those of the configuration file */
    sv_arena arena;      /* of the configuration */
    sv_args merged;
    sv_config config;
    /* The same as the file is now, for what may change while it runs: the keeper's thread only. */
    sv_arena models_arena;
    sv_args models_args;
    sv_config models_config;
    sv_runtime *runtime;
    sv_store *store;
    sv_keeper *keeper;
    sv_access_log *log, *trace_log;
    sv_regions *regions; /* NULL: memory is not shared */
    sv_service *service;
    sv_server *server;
    uint64_t threads, loops, workers, run_threads;
    uint64_t max_connections, max_requests, body_limit, memory_limit, timeout;
    uint64_t drain_grace, drain_limit;
    uint64_t spin;                      /* in microseconds */
    uint64_t max_queue, latency_target; /* in milliseconds; 0: none */
    uint64_t poll;                      /* seconds; 0: never */
    const char *listen[MAX_LISTEN];
    /* The last are for metrics; those before them for management. */
    uint32_t listen_count, admin_count, metrics_count;
    const char *host[MAX_LISTEN];
    uint32_t host_count;
    const sv_profile *profile; /* NULL: none */
    const char *profile_model; /* served where no other is named */
    const char *models_root;   /* beneath it lie models that requests load by path; NULL: none do */
    char profile_listen[64];
    const sv_front *fronts[MAX_FRONTS];
    sv_extra_route extra[SV_PROFILE_EXTRA];
    uint32_t metric_names;
} serve_state;

static sv_status read_config(serve_state *s)
{
    const char *path = sv_args_value(s->args, OPT_CONFIG);
    if (!path) return SV_OK;
    SV_TRY(sv_config_read(s->args->command, path, &s->arena, &s->config));
    SV_TRY(sv_config_merge(s->args, &s->config, &s->arena, &s->merged));
    s->args = &s->merged;
    return SV_OK;
}

/* What is to be served where nothing is named: one model, or several that come by request. */
static sv_status read_profile_models(serve_state *s)
{
    size_t at = 0;
    bool named = s->args->operand_count || s->config.models_count;
    const char *repository = sv_args_next(s->args, OPT_REPOSITORY, &at);
    s->models_root = sv_profile_models(s->profile);
    if (!s->models_root) {
        return named || repository ? SV_OK : sv_profile_model(s->profile, &s->profile_model);
    }
    if (!repository) return SV_OK;
    s->models_root = repository;
    if (!sv_args_next(s->args, OPT_REPOSITORY, &at)) return SV_OK;
    return sv_args_error(s->args, OPT_REPOSITORY, "expected one where %s is true, found several",
                         s->profile->models_variable);
}

/* A place that starts containers as "serve" alone names its profile in the environment. */
static sv_status read_profile(serve_state *s)
{
    const char *name = sv_args_value(s->args, OPT_PROFILE);
    bool given = false;
    if (!name) name = getenv("SERVAL_PROFILE");
    if (name && name[0]) {
        SV_TRY(sv_profile_find(name, &s->profile));
        SV_TRY(sv_profile_listen(s->profile, s->profile_listen, &given));
        SV_TRY(read_profile_models(s));
    }
    if (!given) strcpy(s->profile_listen, "127.0.0.1:8080");
    sv_profile_order(s->profile, s->fronts);
    return SV_OK;
}

static sv_status read_metric_names(serve_state *s)
{
    size_t at = 0;
    const char *name;
    while ((name = sv_args_next(s->args, OPT_METRICS_NAMES, &at))) {
        uint32_t set = sv_metric_names_find(name);
        if (!set) {
            return sv_args_error(s->args, OPT_METRICS_NAMES,
                                 "expected triton or torchserve, found '%s'", name);
        }
        s->metric_names |= set;
    }
    return SV_OK;
}

/* The values of an option behind those that `list` holds. */
static sv_status read_list(const sv_args *args, size_t option, const char **list, uint32_t *count)
{
    size_t at = 0;
    const char *value;
    while ((value = sv_args_next(args, option, &at))) {
        if (*count == MAX_LISTEN) {
            return sv_args_error(args, option, "expected at most %d addresses, found more",
                                 MAX_LISTEN);
        }
        list[(*count)++] = value;
    }
    return SV_OK;
}

static sv_status read_addresses(serve_state *s)
{
    SV_TRY(read_list(s->args, OPT_MANAGEMENT_HOST, s->host, &s->host_count));
    SV_TRY(read_list(s->args, OPT_LISTEN, s->listen, &s->listen_count));
    if (!s->listen_count) s->listen[s->listen_count++] = s->profile_listen;
    uint32_t before = s->listen_count;
    SV_TRY(read_list(s->args, OPT_ADMIN_LISTEN, s->listen, &s->listen_count));
    s->admin_count = s->listen_count - before;
    before = s->listen_count;
    SV_TRY(read_list(s->args, OPT_METRICS_LISTEN, s->listen, &s->listen_count));
    s->metrics_count = s->listen_count - before;
    return SV_OK;
}

static uint64_t default_spin(void)
{
    return sv_cpu_has_quota() ? 0 : SPIN_US;
}

static sv_status read_threads(serve_state *s)
{
    const sv_args *args = s->args;
    SV_TRY(sv_args_u64(args, OPT_THREADS, 1, MAX_THREADS, sv_cpu_granted(), &s->threads));
    const uint32_t loops = sv_server_usual_loops((uint32_t)s->threads);
    SV_TRY(sv_args_u64(args, OPT_LOOPS, 1, MAX_LOOPS, loops, &s->loops));
    SV_TRY(sv_args_u64(args, OPT_WORKERS, 1, MAX_THREADS, s->threads, &s->workers));
    return sv_args_u64(args, OPT_RUN_THREADS, 1, s->threads, s->threads, &s->run_threads);
}

static sv_status read_options(serve_state *s)
{
    const sv_args *args = s->args;
    SV_TRY(read_profile(s));
    SV_TRY(read_metric_names(s));
    if (!args->operand_count && !s->config.models_count && !sv_args_has(args, OPT_REPOSITORY) &&
        !s->profile_model && !s->models_root) {
        return sv_error_invalid("serve: expected a model or --repository, found neither");
    }
    uint32_t drain_limit = s->profile ? s->profile->drain_limit : 0;
    SV_TRY(read_threads(s));
    SV_TRY(sv_args_u64(args, OPT_SPIN, 0, 1000, default_spin(), &s->spin));
    SV_TRY(sv_args_u64(args, OPT_DRAIN_GRACE, 0, 3600, 0, &s->drain_grace));
    SV_TRY(sv_args_u64(args, OPT_DRAIN_LIMIT, 1, 3600, drain_limit, &s->drain_limit));
    SV_TRY(sv_args_u64(args, OPT_MAX_CONNECTIONS, 1, 1000000, 0, &s->max_connections));
    SV_TRY(sv_args_u64(args, OPT_LATENCY_TARGET, 1, 3600000, 0, &s->latency_target));
    SV_TRY(sv_args_u64(args, OPT_MAX_QUEUE, 1, 1000000, 0, &s->max_queue));
    SV_TRY(sv_args_u64(args, OPT_MAX_REQUESTS, 1, 1000000, 0, &s->max_requests));
    SV_TRY(sv_args_bytes(args, OPT_BODY_LIMIT, 1, (uint64_t)1 << 40, 0, &s->body_limit));
    SV_TRY(sv_args_bytes(args, OPT_MEMORY_LIMIT, 1, (uint64_t)1 << 50, 0, &s->memory_limit));
    SV_TRY(sv_args_u64(args, OPT_POLL, 1, 86400, 0, &s->poll));
    SV_TRY(sv_args_u64(args, OPT_TIMEOUT, 1, 86400, 60, &s->timeout));
    if (sv_args_has(args, OPT_TLS_CERT) != sv_args_has(args, OPT_TLS_KEY)) {
        return sv_error_invalid("serve: expected --tls-cert and --tls-key together, found one");
    }
    return read_addresses(s);
}

/* Each connection is a descriptor: take what the system grants. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Splits "NAME=PATH"; a path that exists as it stands has no name in it. Returns the name, owned.
 */
static char *split_operand(const char *operand, const char **path)
{
    const char *equal = strchr(operand, '=');
    struct stat st;
    *path = operand;
    if (!equal || !sv_model_name_valid(operand, (size_t)(equal - operand)) ||
        stat(operand, &st) == 0) {
        return sv_model_config_name(operand);
    }
    *path = equal + 1;
    return strndup(operand, (size_t)(equal - operand));
}

/* What the command line says about versions, for all models that do not say it themselves. */
static sv_model_config config_like(const serve_state *s)
{
    sv_model_config like = {.name = NULL};
    if (sv_args_has(s->args, OPT_ALL_VERSIONS)) {
        like.policy.kind = SV_POLICY_ALL;
        like.policy_given = true;
    }
    if (s->latency_target) {
        like.tuning.latency_target_us = s->latency_target * 1000;
        like.tuning.given = 1u << SV_TUNING_TARGET;
    }
    return like;
}

static sv_status list_operand(const serve_state *s, const char *operand, sv_model_configs *out)
{
    const char *path;
    char *name = split_operand(operand, &path);
    if (!name) return sv_error_memory("a model's name", strlen(operand));
    sv_model_config config = config_like(s);
    config.name = name;
    config.path = path;
    sv_status status = sv_model_configs_add(out, &config);
    free(name);
    return status;
}

static sv_status list_file_model(const serve_state *s, const sv_config_model *model,
                                 sv_model_configs *out)
{
    sv_model_config config = model->config, like = config_like(s);
    config.tuning = like.tuning;
    sv_tuning_override(&config.tuning, &model->config.tuning);
    if (!config.policy_given) {
        config.policy = like.policy;
        config.policy_given = like.policy_given;
    }
    return sv_model_configs_add(out, &config);
}

static sv_status list_repository(const serve_state *s, const char *path, sv_model_configs *out)
{
    sv_model_config like = config_like(s);
    uint32_t before = out->count;
    SV_TRY(sv_repository_read(path, &like, out));
    if (out->count > before || s->poll) return SV_OK;
    return sv_error(SV_CODE_NOT_FOUND, "repository '%s': expected folders with models, found none",
                    path);
}

/* Reads the configuration file again; on an error the old one stays. */
static sv_status reread_config(serve_state *s)
{
    const char *path = sv_args_value(s->line, OPT_CONFIG);
    if (!path) return SV_OK;
    serve_state fresh = {.line = s->line, .args = s->line};
    sv_arena_init(&fresh.arena, NULL);
    sv_status status = read_config(&fresh);
    if (status != SV_OK) {
        sv_arena_release(&fresh.arena);
        return status;
    }
    sv_arena_release(&s->models_arena);
    s->models_arena = fresh.arena;
    s->models_config = fresh.config;
    s->models_args = fresh.merged;
    return SV_OK;
}

/* Everything that is to be served: for the keeper, which asks again and again. */
static sv_status list_models(void *self, bool again, sv_model_configs *out)
{
    serve_state *s = self;
    if (again) SV_TRY(reread_config(s));
    for (size_t i = 0; i < s->line->operand_count; i++)
        SV_TRY(list_operand(s, s->line->operands[i], out));
    if (s->profile_model) SV_TRY(list_operand(s, s->profile_model, out));
    for (uint32_t i = 0; !s->line->operand_count && i < s->models_config.models_count; i++)
        SV_TRY(list_file_model(s, &s->models_config.models[i], out));
    size_t at = 0;
    const char *path;
    while (!s->models_root && (path = sv_args_next(&s->models_args, OPT_REPOSITORY, &at)))
        SV_TRY(list_repository(s, path, out));
    return SV_OK;
}

static sv_status load_models(serve_state *s)
{
    sv_runtime_options wanted = SV_RUNTIME_OPTIONS_INIT;
    sv_keeper_options keeper = {.store = NULL,
                                .read = list_models,
                                .self = s,
                                .root = s->models_root,
                                .poll_ms = (uint32_t)(s->poll * 1000)};
    const uint64_t most = s->workers * s->run_threads;
    wanted.threads = (uint32_t)(most < s->threads ? most : s->threads);
    wanted.exact = sv_args_has(s->args, OPT_EXACT);
    wanted.memory = sv_args_has(s->args, OPT_MEMORY);
    wanted.plan_cache = sv_args_value(s->args, OPT_PLAN_CACHE);
    SV_TRY(sv_runtime_create(&wanted, &s->runtime));
    SV_TRY(sv_store_create(s->runtime, &s->store));
    keeper.store = s->store;
    sv_progress *progress = sv_progress_start("loading");
    sv_status status = sv_keeper_create(&keeper, &s->keeper);
    sv_progress_stop(progress);
    return status;
}

static void on_drain(void *self)
{
    sv_service_set_ready(self, false);
}

static void on_limit(void *self)
{
    sv_service_close(self);
}

static void on_hangup(void *self)
{
    sv_keeper_reread(self);
}

static sv_status share_memory(serve_state *s)
{
    s->regions = sv_regions_create();
    return s->regions ? SV_OK : sv_error_memory("regions", sizeof s->regions);
}

static sv_status create_server(serve_state *s)
{
    const uint32_t loops = (uint32_t)s->loops;
    const char *log = sv_args_value(s->args, OPT_ACCESS_LOG);
    const char *traces = sv_args_value(s->args, OPT_TRACE_LOG);
    if (log) SV_TRY(sv_access_log_create(log, loops, &s->log));
    if (traces) SV_TRY(sv_access_log_create_as("trace log", traces, loops, &s->trace_log));
    if (sv_args_has(s->args, OPT_ALLOW_SHARED_MEMORY)) SV_TRY(share_memory(s));
    sv_service_options service = {
        .store = s->store,
        .keeper = s->keeper,
        .allow_management = sv_args_has(s->args, OPT_ALLOW_MANAGEMENT),
        .open_front = s->models_root ? s->profile->front : NULL,
        .regions = s->regions,
        .hosts = s->host,
        .host_count = s->host_count,
        .fronts = s->fronts,
        .front_count = sv_front_count,
        .extra = s->extra,
        .extra_count = sv_profile_routes(s->profile, s->extra),
        .loops = loops,
        .workers = (uint32_t)s->workers,
        .run_threads = (uint32_t)s->run_threads,
        .max_running = (uint32_t)s->max_requests,
        .max_queued = (uint32_t)s->max_queue,
        .timeout_ms = (uint32_t)(s->timeout * 1000),
        .metrics_apart = s->metrics_count > 0,
        .no_batching = sv_args_has(s->args, OPT_NO_BATCHING),
        .metric_names = s->metric_names,
        .access_log = s->log,
        .trace_log = s->trace_log,
    };
    SV_TRY(sv_service_create(&service, &s->service));
    sv_server_options server = {
        .listen = s->listen,
        .listen_count = s->listen_count,
        .admin_count = s->admin_count,
        .metrics_count = s->metrics_count,
        .tls_cert = sv_args_value(s->args, OPT_TLS_CERT),
        .tls_key = sv_args_value(s->args, OPT_TLS_KEY),
        .loops = loops,
        .spin_us = (uint32_t)s->spin,
        .limits = {.body_bytes = s->body_limit,
                   .memory_bytes = s->memory_limit,
                   .connections = (uint32_t)s->max_connections},
        .signals = true,
        .drain_grace_ms = (uint32_t)(s->drain_grace * 1000),
        .on_drain = on_drain,
        .on_drain_self = s->service,
        .drain_limit_ms = (uint32_t)(s->drain_limit * 1000),
        .on_limit = on_limit,
        .on_limit_self = s->service,
        .on_hangup = on_hangup,
        .on_hangup_self = s->keeper,
    };
    SV_TRY(sv_server_create(&server, sv_service_handler(s->service), &s->server));
    sv_service_set_server(s->service, s->server);
    return SV_OK;
}

/* Nested zeros in the form of one row of an input; false when that is too long to read. */
static bool put_example(const sv_port *port, sv_text *out)
{
    int64_t count = 1;
    for (int32_t i = 1; i < port->rank; i++) {
        int64_t dim = port->dim[i] < 0 ? 1 : port->dim[i];
        if (dim == 0 || count > 64 / dim) return false;
        count *= dim;
    }
    if (port->kind != SV_KIND_TENSOR || port->rank < 1) return false;
    int64_t index[SV_MAX_RANK] = {0};
    for (int32_t i = 0; i < port->rank; i++)
        sv_text_putc(out, '[');
    for (int64_t n = 0; n < count; n++) {
        sv_text_puts(out, port->dtype == SV_STRING ? "\"\""
                          : port->dtype == SV_BOOL ? "false"
                                                   : "0");
        int32_t axis = port->rank - 1;
        int64_t last = port->dim[axis] < 0 ? 1 : port->dim[axis];
        while (axis > 0 && ++index[axis] == last) {
            index[axis--] = 0;
            sv_text_putc(out, ']');
            last = port->dim[axis] < 0 ? 1 : port->dim[axis];
        }
        if (n + 1 == count) break;
        sv_text_putc(out, ',');
        for (int32_t i = axis + 1; i < port->rank; i++)
            sv_text_putc(out, '[');
    }
    sv_text_putc(out, ']');
    return true;
}

static void put_curl(const sv_served *served, const char *url, bool only, sv_text *out)
{
    sv_text body;
    sv_text_init(&body, NULL);
    bool small = sv_model_input_count(served->model) == 1 &&
                 put_example(sv_model_input(served->model, 0), &body);
    sv_text_printf(out, "try:     curl %s/predict%s%s -d %s%s%s\n", url, only ? "" : "/",
                   only ? "" : served->name, small ? "'" : "@request.json", small ? body.data : "",
                   small ? "'" : "");
    sv_text_release(&body);
}

/* What a person wants to know first: what is served, where, and a line to try it. */
static void print_start(const serve_state *s)
{
    sv_text text;
    bool tls = sv_args_has(s->args, OPT_TLS_CERT);
    char url[16 + SV_SERVER_ADDRESS] = "";
    size_t count = sv_store_count(s->store);
    sv_text_init(&text, NULL);
    for (size_t i = 0; i < count; i++) {
        sv_served *served = sv_store_at(s->store, i);
        if (!served) continue;
        sv_text_printf(&text, "model:   %s, version %lld, %s, loaded in %.1f ms\n", served->name,
                       (long long)served->number, served->path, (double)served->load_ns / 1e6);
        sv_served_unref(served);
    }
    if (s->models_root) sv_text_printf(&text, "models:  by request, beneath %s\n", s->models_root);
    for (uint32_t i = s->listen_count; i-- > 0;) {
        char address[SV_SERVER_ADDRESS];
        sv_server_address(s->server, i, address);
        bool local = strncmp(address, "unix:", 5) == 0;
        bool metrics = i >= s->listen_count - s->metrics_count;
        bool admin = i >= s->listen_count - s->metrics_count - s->admin_count;
        const char *what = metrics ? "metrics:" : admin ? "admin:  " : "serving:";
        snprintf(url, sizeof url, "%s%s", local ? "" : tls ? "https://" : "http://", address);
        sv_text_printf(&text, "%s %s\n", what, url);
    }
    sv_served *first = sv_store_at(s->store, 0);
    if (first && url[0] == 'h') put_curl(first, url, count == 1, &text);
    sv_served_unref(first);
    if (!text.failed) (void)sv_write_all(STDERR_FILENO, text.data, text.size);
    sv_text_release(&text);
}

static sv_status serve(serve_state *s)
{
    SV_TRY(load_models(s));
    SV_TRY(create_server(s));
    sv_service_set_ready(s->service, true);
    if (!sv_args_has(s->args, OPT_QUIET)) print_start(s);
    return sv_server_run(s->server);
}

static int run_serve(const sv_args *args)
{
    serve_state s = {.line = args, .args = args};
    sv_arena_init(&s.arena, NULL);
    sv_arena_init(&s.models_arena, NULL);
    sv_status status = read_config(&s);
    if (status == SV_OK) status = read_options(&s);
    s.models_args = *s.args;
    s.models_config = s.config;
    if (status != SV_OK) {
        /* What a file says wrongly is as wrong as on the command line; that it cannot be read is
         * another matter. */
        bool usage = sv_status_code(status) == SV_CODE_INVALID_ARGUMENT;
        int result = usage ? sv_cli_usage(args, status) : sv_cli_fail(status);
        sv_arena_release(&s.arena);
        return result;
    }
    raise_descriptor_limit();
    /* From here on it means: read the configuration again. The server hears it once it is there. */
    (void)signal(SIGHUP, SIG_IGN);
    status = serve(&s);
    sv_keeper_destroy(s.keeper);
    sv_server_destroy(s.server);
    sv_service_destroy(s.service);
    sv_regions_destroy(s.regions);
    sv_access_log_destroy(s.log);
    sv_access_log_destroy(s.trace_log);
    sv_store_destroy(s.store);
    if (s.runtime) sv_runtime_destroy(s.runtime);
    sv_arena_release(&s.models_arena);
    sv_arena_release(&s.arena);
    return status == SV_OK ? SV_EXIT_DONE : sv_cli_fail(status);
}

const sv_command_page sv_page_serve = {
    .run = run_serve,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .max_operands = SV_MAX_MODELS,
    .text =
        "PATH is a model file, a folder with one, or a folder of versions named by whole numbers.\n"
        "Without NAME=, a model is named after its file, or after its folder if the file is\n"
        "model.onnx. A repository is a folder of such folders and files, also with Triton's\n"
        "config.pbtxt. Models are read into memory: what happens to the files later changes\n"
        "nothing until they are looked at again, which --poll, SIGHUP or a management call does.\n"
        "A version that is broken, or still being written, leaves the one before in service.\n"
        "\n"
        "A configuration is a YAML file whose keys are the options below without their dashes: a\n"
        "value, a list where an option may be repeated, true or false where it has no value; and\n"
        "'models', a mapping from names to paths, or to mappings with a path, versions, labels,\n"
        "aliases, and how runs are arranged. Its paths are relative to its own folder. What\n"
        "stands on the command line wins: an option over the same key, a PATH over 'models'.\n"
        "SIGHUP reads it again, for the models.\n"
        "\n"
        "Requests share a run where the rows of a model do not depend on each other. Runs that\n"
        "are too long for a loop wait in a queue of their model; models take turns by the time\n"
        "that they take. What has no room there, or could not be answered in time, is answered\n"
        "503 at once. A mapping of 'models' or Triton's config.pbtxt may say more:\n"
        "max_batch_size, preferred_batch_size, max_queue_delay_microseconds, latency_target_ms,\n"
        "max_queue_size, max_requests, instances, priority_levels, default_priority_level,\n"
        "default_timeout_microseconds, timeout_action, allow_timeout_override, preserve_ordering;\n"
        "a mapping of 'models' also pad_variable_length_inputs, pad_values and pad_bucket, so\n"
        "that requests of different lengths share a run.\n"
        "\n"
        "One port speaks HTTP/1.1, HTTP/2 and gRPC. Over HTTP: TensorFlow Serving's REST\n"
        "(/v1/models/NAME:predict), the Open Inference Protocol (/v2/models/NAME/infer),\n"
        "TorchServe's predictions (/predictions/NAME), MLflow's scoring (/invocations) and plain\n"
        "JSON (/predict, /predict/NAME); /docs is a page to try them by hand, /openapi.json\n"
        "describes them. Over gRPC: the first two's services, health and reflection. /healthz and\n"
        "/readyz are for probes, /metrics for Prometheus; with --metrics-listen these three are\n"
        "all that its address has, and /metrics is nowhere else.\n"
        "\n"
        "SIGTERM ends it in order: /readyz turns false, running requests finish. What still runs\n"
        "after --drain-limit, or at a second SIGTERM, is broken off between two steps of its\n"
        "model, and answered 503; a third ends the process whatever runs.\n"
        "\n"
        "With --tls-cert and --tls-key all TCP addresses speak TLS (1.2 and 1.3); sockets in the\n"
        "file system (unix:PATH) stay plain. The files are read again when they change: new\n"
        "connections get the new certificate. A change that cannot be used is logged, and the old\n"
        "certificate stays.\n"
        "\n"
        "With --allow-shared-memory clients on the same machine (by a loopback address or a\n"
        "socket in the file system) may register POSIX shared memory, by Triton's extension, and\n"
        "name it in place of a tensor's data. It is copied, never mapped. Whoever may do so can\n"
        "read and write every such object that the server's user can.\n"
        "\n"
        "A profile makes a container of it as SageMaker, Vertex AI or Azure ML start one: ports,\n"
        "paths and models come from their environment, and their routes go before others. The\n"
        "variable SERVAL_PROFILE stands for the option. With SAGEMAKER_MULTI_MODEL=true nothing\n"
        "is loaded at the start: SageMaker's calls, which are open then, bring models from\n"
        "beneath /opt/ml/models, or from beneath the one --repository.",
    .examples = "serval serve model.onnx\n"
                "serval serve digits=examples/digits/model.onnx --listen 0.0.0.0:8080\n"
                "serval serve --config examples/serve.yaml --threads 2\n"
                "serval serve --repository models --poll 5 --admin-listen 127.0.0.1:8081\n"
                "curl http://127.0.0.1:8080/predict -d '[[1, 2, 3]]'",
};
