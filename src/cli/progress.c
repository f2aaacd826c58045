/* The line that shows that something is still going on. */
#include "cli/load.h"

#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct sv_progress {
    const char *what;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, shown;
};

/* Waits until told to stop, or for `ms`. The lock is held. */
static void wait_ms(sv_progress *p, long ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += ms * 1000000L;
    at.tv_sec += at.tv_nsec / 1000000000L;
    at.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&p->wake, &p->lock, &at);
}

static void *progress_run(void *argument)
{
    sv_progress *p = argument;
    uint64_t start = sv_clock_ns();
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        wait_ms(p, 250);
        uint64_t seconds = (sv_clock_ns() - start) / 1000000000u;
        if (!p->stop && seconds >= 1) {
            fprintf(stderr, "\r%s ... %llu s", p->what, (unsigned long long)seconds);
            p->shown = true;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

sv_progress *sv_progress_start(const char *what)
{
    if (!isatty(STDERR_FILENO)) return NULL;
    sv_progress *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->what = what;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    sv_status status = sv_thread_start(&p->thread, "progress", progress_run, p);
    if (status == SV_OK) return p;
    /* Only the sign of life is lost. */
    sv_status_free(status);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

void sv_progress_stop(sv_progress *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    if (p->shown) fprintf(stderr, "\r\033[K");
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
