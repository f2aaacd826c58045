/* The keeper's thread: looks at the files from time to time, when the system says that they have
 * changed, and when it is asked to. */
#include "store/keeper_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "base/thread.h"
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

/* ---- looking -------------------------------------------------------------------------------- */

bool sv_keeper_is_resting(const sv_keeper *keeper, const char *name)
{
    const sv_override *override = sv_overrides_find(&keeper->overrides, name);
    return override && override->unloaded;
}

static void apply_choice(const sv_model_configs *chosen, sv_model_configs *configs)
{
    for (uint32_t i = 0; i < chosen->count; i++) {
        const sv_model_config *choice = &chosen->item[i];
        sv_model_config *config = sv_model_configs_at(configs, choice->name);
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

sv_status sv_keeper_read_chosen(const sv_keeper *keeper, bool again, const sv_model_configs *chosen,
                                sv_model_configs *out)
{
    sv_model_configs_init(out);
    sv_status status = keeper->options.read(keeper->options.self, again, out);
    if (status == SV_OK) status = sv_overrides_apply(&keeper->overrides, out);
    if (status != SV_OK) {
        sv_model_configs_release(out);
        return status;
    }
    apply_choice(chosen, out);
    return SV_OK;
}

void sv_keeper_set_configs(sv_keeper *keeper, const sv_model_configs *fresh)
{
    sv_model_configs_release(&keeper->configs);
    keeper->configs = *fresh;
}

sv_status sv_keeper_read_configs(sv_keeper *keeper)
{
    sv_model_configs fresh;
    SV_TRY(sv_keeper_read_chosen(keeper, false, &keeper->chosen, &fresh));
    sv_keeper_set_configs(keeper, &fresh);
    return SV_OK;
}

void sv_keeper_watch_all(const sv_keeper *keeper)
{
    if (!keeper->watch) return;
    sv_watch_begin(keeper->watch);
    for (uint32_t i = 0; i < keeper->configs.count; i++)
        sv_watch_model(keeper->watch, keeper->configs.item[i].path);
    sv_watch_end(keeper->watch);
}

uint64_t sv_keeper_sync_all(sv_keeper *keeper, bool now)
{
    sv_sync sync = {.now = now};
    for (uint32_t i = 0; i < keeper->configs.count; i++) {
        const sv_model_config *config = &keeper->configs.item[i];
        if (sv_keeper_is_resting(keeper, config->name)) continue;
        sv_status_free(sv_store_sync(keeper->options.store, config, &sync));
    }
    sv_store_retain(keeper->options.store, &keeper->configs);
    return sync.wait_ns;
}

void sv_keeper_complain(sv_keeper *keeper, sv_status status)
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
    sv_status status = sv_keeper_read_configs(keeper);
    sv_keeper_complain(keeper, status);
    sv_status_free(status);
    sv_keeper_watch_all(keeper);
    return sv_keeper_sync_all(keeper, false);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

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
        if (again) sv_status_free(sv_keeper_run_reread(keeper));
        if (job) sv_keeper_run_job(keeper, job);
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
    SV_TRY(sv_keeper_read_configs(keeper));
    if (!keeper->options.poll_ms) return load_strictly(keeper);
    sv_status_free(sv_watch_create(&keeper->watch));
    sv_keeper_watch_all(keeper);
    sv_keeper_sync_all(keeper, true);
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
    sv_overrides_release(&keeper->overrides);
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
