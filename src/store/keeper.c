/* The keeper's thread: looks at the files from time to time, when the system says that they have
 * changed, and when it is asked to. */
#include "store/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread.h"
#include "store/watch.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS_NS UINT64_C(1000000)
/* Events come in swarms: one look answers them all. */
#define SWARM_NS (20 * MS_NS)
#define JUDGE_NS (250 * MS_NS) /* between two looks at versions that are judged */

/* What a call has put in place of a model's config.pbtxt. */
typedef struct description {
    char *model, *text; /* owned; a text of NULL: nothing any more */
} description;

struct sv_keeper {
    sv_keeper_options options;
    pthread_t thread;
    bool started;
    int wake_fd;
    sv_watch *watch;          /* NULL: the system does not tell */
    sv_model_configs configs; /* as last read, and as last chosen */
    sv_model_configs chosen;  /* by SV_KEEPER_CHOOSE; `configs` borrows from it */
    description *said;        /* [said_count], in place of files; `configs` borrows from it */
    size_t said_count;
    char **resting; /* [resting_count], names that were unloaded by hand */
    size_t resting_count;
    char *complaint; /* about the reading of configs, as last logged */

    pthread_mutex_t lock;
    sv_keeper_job *first, *last; /* guarded by the lock, as all that follows */
    bool stopping, reread;
};

/* ---- what was unloaded by hand -------------------------------------------------------------- */

static size_t find_resting(const sv_keeper *keeper, const char *name)
{
    size_t at = 0;
    while (at < keeper->resting_count && strcmp(keeper->resting[at], name) != 0)
        at++;
    return at;
}

static bool is_resting(const sv_keeper *keeper, const char *name)
{
    return find_resting(keeper, name) < keeper->resting_count;
}

static sv_status put_to_rest(sv_keeper *keeper, const char *name)
{
    if (is_resting(keeper, name)) return SV_OK;
    char **grown = realloc(keeper->resting, (keeper->resting_count + 1) * sizeof(char *));
    if (grown) keeper->resting = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) return sv_error_memory("a model's name", strlen(name));
    keeper->resting[keeper->resting_count++] = copy;
    return SV_OK;
}

static void rouse(sv_keeper *keeper, const char *name)
{
    size_t at = find_resting(keeper, name);
    if (at == keeper->resting_count) return;
    free(keeper->resting[at]);
    keeper->resting[at] = keeper->resting[--keeper->resting_count];
}

/* ---- looking -------------------------------------------------------------------------------- */

/* A name of the list itself, no alias. */
static sv_model_config *find_named(const sv_model_configs *configs, const char *name)
{
    for (uint32_t i = 0; i < configs->count; i++) {
        if (strcmp(configs->item[i].name, name) == 0) return &configs->item[i];
    }
    return NULL;
}

static void apply_choice(const sv_model_configs *chosen, sv_model_configs *configs)
{
    for (uint32_t i = 0; i < chosen->count; i++) {
        const sv_model_config *choice = &chosen->item[i];
        sv_model_config *config = find_named(configs, choice->name);
        if (!config) continue;
        if (choice->policy_given) {
            config->policy = choice->policy;
            config->policy_given = true;
        }
        if (!choice->label_count) continue;
        config->label = choice->label;
        config->label_count = choice->label_count;
    }
}

/* The place of a model's description, made where there is none; NULL when memory is out. */
static char **find_said(sv_keeper *keeper, const char *model)
{
    for (size_t i = 0; i < keeper->said_count; i++) {
        if (strcmp(keeper->said[i].model, model) == 0) return &keeper->said[i].text;
    }
    description *grown = realloc(keeper->said, (keeper->said_count + 1) * sizeof *grown);
    char *copy = grown ? strdup(model) : NULL;
    if (grown) keeper->said = grown;
    if (!copy) return NULL;
    keeper->said[keeper->said_count] = (description){.model = copy};
    return &keeper->said[keeper->said_count++].text;
}

static void forget_said(sv_keeper *keeper)
{
    for (size_t i = 0; i < keeper->said_count; i++) {
        free(keeper->said[i].model);
        free(keeper->said[i].text);
    }
    free(keeper->said);
    keeper->said = NULL;
    keeper->said_count = 0;
}

static void apply_said(const sv_keeper *keeper, sv_model_configs *configs)
{
    for (size_t i = 0; i < keeper->said_count; i++) {
        sv_model_config *config = find_named(configs, keeper->said[i].model);
        if (config) config->description = keeper->said[i].text;
    }
}

/* Reads what is to be served, with `chosen`, which it then borrows from. Nothing changes. */
static sv_status read_chosen(const sv_keeper *keeper, bool again, const sv_model_configs *chosen,
                             sv_model_configs *out)
{
    sv_model_configs_init(out);
    sv_status status = keeper->options.read(keeper->options.self, again, out);
    if (status != SV_OK) {
        sv_model_configs_release(out);
        return status;
    }
    apply_choice(chosen, out);
    apply_said(keeper, out);
    return SV_OK;
}

static void set_configs(sv_keeper *keeper, const sv_model_configs *fresh)
{
    sv_model_configs_release(&keeper->configs);
    keeper->configs = *fresh;
}

/* What cannot be read leaves everything as it was. */
static sv_status read_configs(sv_keeper *keeper)
{
    sv_model_configs fresh;
    SV_TRY(read_chosen(keeper, false, &keeper->chosen, &fresh));
    set_configs(keeper, &fresh);
    return SV_OK;
}

static void watch_all(const sv_keeper *keeper)
{
    if (!keeper->watch) return;
    sv_watch_begin(keeper->watch);
    for (uint32_t i = 0; i < keeper->configs.count; i++)
        sv_watch_model(keeper->watch, keeper->configs.item[i].path);
    sv_watch_end(keeper->watch);
}

/* Brings every model to what its files are; returns when to look again, 0: when something happens.
 * The store says itself what fails. */
static uint64_t sync_all(sv_keeper *keeper, bool now)
{
    sv_sync sync = {.now = now};
    for (uint32_t i = 0; i < keeper->configs.count; i++) {
        const sv_model_config *config = &keeper->configs.item[i];
        if (is_resting(keeper, config->name)) continue;
        sv_status_free(sv_store_sync(keeper->options.store, config, &sync));
    }
    sv_store_retain(keeper->options.store, &keeper->configs);
    return sync.wait_ns;
}

/* Logs why the configuration cannot be read, once. */
static void complain(sv_keeper *keeper, sv_status status)
{
    const char *message = sv_status_message(status);
    if (status != SV_OK && (!keeper->complaint || strcmp(keeper->complaint, message) != 0)) {
        sv_log(SV_LOG_WARN, "%s; what is served stays as it is", message);
    }
    free(keeper->complaint);
    keeper->complaint = status == SV_OK ? NULL : strdup(message);
}

static uint64_t look(sv_keeper *keeper)
{
    /* Watched first: what changes while it is looked at is looked at once more. */
    sv_status status = read_configs(keeper);
    complain(keeper, status);
    sv_status_free(status);
    watch_all(keeper);
    return sync_all(keeper, false);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static bool has_repository(const sv_model_configs *configs, const char *name)
{
    for (uint32_t i = 0; i < configs->count; i++) {
        if (sv_repository_is(configs->item[i].repository, name)) return true;
    }
    return false;
}

/* `repository`: "" for any. */
static sv_status find_config(sv_keeper *keeper, const char *name, const char *repository,
                             const sv_model_config **out)
{
    SV_TRY(read_configs(keeper));
    const sv_model_config *found = sv_model_configs_find(&keeper->configs, name, strlen(name));
    if (*repository && !has_repository(&keeper->configs, repository)) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "repository: expected one that models are served from, found '%s'",
                        repository);
    }
    if (!found || (*repository && !sv_repository_is(found->repository, repository))) {
        return sv_error(SV_CODE_NOT_FOUND,
                        "model: expected one of the configuration or %s%s%s, found '%s'",
                        *repository ? "the repository '" : "a repository", repository,
                        *repository ? "'" : "", name);
    }
    *out = found;
    return SV_OK;
}

static sv_status sync_model(sv_keeper *keeper, const sv_keeper_job *job)
{
    const sv_model_config *config;
    sv_sync sync = {.now = true, .pardon = true};
    SV_TRY(find_config(keeper, job->name, job->repository, &config));
    return sv_store_sync(keeper->options.store, config, &sync);
}

/* Puts a description in place, and takes the earlier one. Configs that borrow it are read anew. */
static void swap_said(sv_keeper *keeper, char **place, char **text)
{
    char *before = *place;
    *place = *text;
    *text = before;
    apply_said(keeper, &keeper->configs);
}

/* What cannot be loaded as it is described stays as it was described before. */
static sv_status load_model(sv_keeper *keeper, sv_keeper_job *job)
{
    const sv_model_config *config;
    SV_TRY(find_config(keeper, job->name, job->repository, &config));
    if (job->description) SV_TRY(sv_description_check(job->description));
    char **place = find_said(keeper, job->name);
    if (!place) return sv_error_memory("a model's configuration", strlen(job->name));
    swap_said(keeper, place, &job->description);
    sv_status status = sync_model(keeper, job);
    if (status == SV_OK) {
        rouse(keeper, job->name);
        return SV_OK;
    }
    bool served = !is_resting(keeper, job->name);
    if (!*place && !job->description) return status;
    swap_said(keeper, place, &job->description);
    if (served) sv_status_free(sync_model(keeper, job));
    return status;
}

static sv_status change_traffic(sv_keeper *keeper, const sv_keeper_job *job)
{
    const sv_model_config *config;
    SV_TRY(find_config(keeper, job->name, "", &config));
    sv_store *store = keeper->options.store;
    return job->verb == SV_KEEPER_ROLLBACK ? sv_store_rollback(store, config)
                                           : sv_store_set_traffic(store, config, &job->traffic);
}

static sv_status unload_model(sv_keeper *keeper, const char *name, const char *repository)
{
    const sv_model_config *config;
    if (*repository) SV_TRY(find_config(keeper, name, repository, &config));
    SV_TRY(sv_store_remove(keeper->options.store, name));
    sv_log(SV_LOG_INFO, "model '%s': unloaded on request", name);
    return put_to_rest(keeper, name);
}

static size_t path_size(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    return size;
}

/* Files come from where the operator said, whatever a call asks for. */
static sv_status check_choice(const sv_model_configs *configs, const sv_model_config *choice)
{
    const sv_model_config *config = find_named(configs, choice->name);
    if (!config)
        return sv_error(SV_CODE_NOT_FOUND,
                        "model: expected one of the configuration or a repository, found '%s'",
                        choice->name);
    size_t size = path_size(config->path);
    bool same = path_size(choice->path) == size && memcmp(choice->path, config->path, size) == 0;
    if (same || !choice->path[0]) return SV_OK;
    return sv_error(SV_CODE_PERMISSION_DENIED,
                    "model '%s': expected its own path '%s', or none, found '%s'", choice->name,
                    config->path, choice->path);
}

/* Puts `chosen` in place of the earlier choice, which it takes in exchange. */
static sv_status swap_choice(sv_keeper *keeper, sv_model_configs *chosen)
{
    sv_model_configs fresh, before = keeper->chosen;
    SV_TRY(read_chosen(keeper, false, chosen, &fresh));
    for (uint32_t i = 0; i < chosen->count; i++) {
        sv_status status = check_choice(&fresh, &chosen->item[i]);
        if (status == SV_OK) continue;
        sv_model_configs_release(&fresh);
        return status;
    }
    set_configs(keeper, &fresh);
    keeper->chosen = *chosen;
    *chosen = before;
    return SV_OK;
}

/* One model that fails holds up no other; the first reason is returned. */
static sv_status choose(sv_keeper *keeper, sv_model_configs *chosen)
{
    sv_status status = SV_OK;
    SV_TRY(swap_choice(keeper, chosen));
    for (uint32_t i = 0; i < keeper->configs.count; i++) {
        const sv_model_config *config = &keeper->configs.item[i];
        bool wanted = find_named(&keeper->chosen, config->name);
        sv_sync sync = {.now = true};
        sv_status one = SV_OK;
        if (wanted) {
            rouse(keeper, config->name);
            one = sv_store_sync(keeper->options.store, config, &sync);
        } else if (!is_resting(keeper, config->name)) {
            one = unload_model(keeper, config->name, "");
        }
        bool first = status == SV_OK && one != SV_OK;
        if (first) status = one;
        if (!first) sv_status_free(one);
    }
    return status;
}

/* The files say it all again: what was chosen by a call is forgotten. */
static sv_status reread(sv_keeper *keeper)
{
    sv_model_configs none, fresh;
    sv_model_configs_init(&none);
    sv_status status = read_chosen(keeper, true, &none, &fresh);
    complain(keeper, status);
    if (status != SV_OK) return status;
    for (uint32_t i = 0; i < fresh.count; i++)
        fresh.item[i].description = NULL;
    set_configs(keeper, &fresh);
    forget_said(keeper);
    sv_model_configs_release(&keeper->chosen);
    keeper->chosen = none;
    watch_all(keeper);
    sync_all(keeper, true);
    sv_log(SV_LOG_INFO, "configuration: read again, %u models", (unsigned)keeper->configs.count);
    return SV_OK;
}

static void run_job(sv_keeper *keeper, sv_keeper_job *job)
{
    sv_status status = SV_OK;
    switch (job->verb) {
    case SV_KEEPER_LOAD:
        status = load_model(keeper, job);
        break;
    case SV_KEEPER_UNLOAD:
        status = unload_model(keeper, job->name, job->repository);
        break;
    case SV_KEEPER_TRAFFIC:
    case SV_KEEPER_ROLLBACK:
        status = change_traffic(keeper, job);
        break;
    case SV_KEEPER_REREAD:
        status = reread(keeper);
        break;
    case SV_KEEPER_CHOOSE:
        status = choose(keeper, &job->chosen);
        break;
    }
    job->done(job, status);
}

static sv_keeper_job *take_job(sv_keeper *keeper, bool *again, bool *stop)
{
    pthread_mutex_lock(&keeper->lock);
    sv_keeper_job *job = keeper->first;
    *stop = keeper->stopping;
    *again = keeper->reread;
    keeper->reread = false;
    if (job && !*stop) {
        keeper->first = job->next;
        if (!keeper->first) keeper->last = NULL;
    }
    pthread_mutex_unlock(&keeper->lock);
    return job;
}

static void wake(const sv_keeper *keeper)
{
    uint64_t one = 1;
    while (write(keeper->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* Sleeps until a job comes, the files change, or `until` (0: for ever). True: the files changed. */
static bool sleep_until(const sv_keeper *keeper, uint64_t until)
{
    struct pollfd fds[2] = {{.fd = keeper->wake_fd, .events = POLLIN},
                            {.fd = sv_watch_fd(keeper->watch), .events = POLLIN}};
    uint64_t now = sv_clock_ns(), left = until > now ? until - now : 0;
    int timeout =
        until ? (int)((left + MS_NS - 1) / MS_NS < 1 << 30 ? (left + MS_NS - 1) / MS_NS : 1 << 30)
              : -1;
    if (poll(fds, keeper->watch ? 2 : 1, timeout) <= 0) return false;
    if (fds[0].revents) {
        uint64_t count;
        (void)!read(keeper->wake_fd, &count, sizeof count);
    }
    if (!keeper->watch || !fds[1].revents) return false;
    sv_watch_drain(keeper->watch);
    return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    if (!a || !b) return a ? a : b;
    return a < b ? a : b;
}

static uint64_t next_look(const sv_keeper *keeper, uint64_t wait_ns)
{
    uint64_t poll_ns = (uint64_t)keeper->options.poll_ms * MS_NS;
    /* Without polling, files are looked at when somebody asks, and at no other time. */
    if (!poll_ns) return 0;
    return sv_clock_ns() + sooner(poll_ns, wait_ns);
}

static void *run(void *argument)
{
    sv_keeper *keeper = argument;
    sv_thread_yield_to_others();
    uint64_t next = next_look(keeper, SWARM_NS);
    bool again, stop;
    for (;;) {
        sv_keeper_job *job = take_job(keeper, &again, &stop);
        if (stop) return NULL;
        if (again) sv_status_free(reread(keeper));
        if (job) run_job(keeper, job);
        if (job || again) continue;
        if (next && sv_clock_ns() >= next) next = next_look(keeper, look(keeper));
        uint64_t judgement = sv_store_judge(keeper->options.store) ? sv_clock_ns() + JUDGE_NS : 0;
        bool changed = sleep_until(keeper, sooner(next, judgement));
        if (changed) next = sooner(next, sv_clock_ns() + SWARM_NS);
    }
}

/* ---- life ----------------------------------------------------------------------------------- */

static sv_status load_strictly(sv_keeper *keeper)
{
    for (uint32_t i = 0; i < keeper->configs.count; i++)
        SV_TRY(sv_store_load(keeper->options.store, &keeper->configs.item[i]));
    return SV_OK;
}

static sv_status first_load(sv_keeper *keeper)
{
    SV_TRY(read_configs(keeper));
    if (!keeper->options.poll_ms) return load_strictly(keeper);
    sv_status_free(sv_watch_create(&keeper->watch));
    watch_all(keeper);
    sync_all(keeper, true);
    return SV_OK;
}

static sv_status start(sv_keeper *keeper)
{
    char text[SV_ERRNO_TEXT];
    keeper->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (keeper->wake_fd < 0) {
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "keeper: cannot make an eventfd: %s",
                        sv_errno_text(errno, text));
    }
    SV_TRY(first_load(keeper));
    SV_TRY(sv_thread_start(&keeper->thread, "sv-keeper", run, keeper));
    keeper->started = true;
    return SV_OK;
}

sv_status sv_keeper_create(const sv_keeper_options *options, sv_keeper **out)
{
    sv_keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper) return sv_error_memory("the keeper", sizeof *keeper);
    keeper->options = *options;
    sv_model_configs_init(&keeper->configs);
    sv_model_configs_init(&keeper->chosen);
    pthread_mutex_init(&keeper->lock, NULL);
    sv_status status = start(keeper);
    if (status != SV_OK) {
        sv_keeper_destroy(keeper);
        return status;
    }
    *out = keeper;
    return SV_OK;
}

static void stop_thread(sv_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_mutex_unlock(&keeper->lock);
    if (!keeper->started) return;
    wake(keeper);
    pthread_join(keeper->thread, NULL);
}

static void cancel(sv_keeper_job *job)
{
    job->done(job, sv_error(SV_CODE_CANCELLED, "keeper: expected to run, found the server ending"));
}

void sv_keeper_destroy(sv_keeper *keeper)
{
    if (!keeper) return;
    stop_thread(keeper);
    for (sv_keeper_job *job = keeper->first, *next; job; job = next) {
        next = job->next;
        cancel(job);
    }
    for (size_t i = 0; i < keeper->resting_count; i++)
        free(keeper->resting[i]);
    free(keeper->resting);
    forget_said(keeper);
    free(keeper->complaint);
    sv_watch_destroy(keeper->watch);
    if (keeper->wake_fd >= 0) close(keeper->wake_fd);
    sv_model_configs_release(&keeper->configs);
    sv_model_configs_release(&keeper->chosen);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

void sv_keeper_post(sv_keeper *keeper, sv_keeper_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&keeper->lock);
    bool late = keeper->stopping;
    if (!late) {
        *(keeper->last ? &keeper->last->next : &keeper->first) = job;
        keeper->last = job;
    }
    pthread_mutex_unlock(&keeper->lock);
    if (late) {
        cancel(job);
    } else {
        wake(keeper);
    }
}

void sv_keeper_reread(sv_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->reread = true;
    pthread_mutex_unlock(&keeper->lock);
    wake(keeper);
}
