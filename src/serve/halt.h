/* Breaking off what a worker runs: since nobody waits for it any more, or since time is up.
 *
 * A worker has one halt. It tells it when a run begins and ends; others, on any thread, tell it
 * that they no longer want a run, of which they know the number. For the core's own files. */
#ifndef SV_SERVE_HALT_H
#define SV_SERVE_HALT_H

#include <pthread.h>
#include <serval/serval.h>

typedef struct sv_halt {
    pthread_mutex_t lock;
    uint64_t run;        /* the number of the last that began */
    uint32_t wanted;     /* parts of it that somebody waits for */
    bool off;            /* it is to end */
    bool closed;         /* so are all that follow */
    sv_session *session; /* in which it runs; NULL: not yet, or no longer */
} sv_halt;

void sv_halt_init(sv_halt *halt);
void sv_halt_release(sv_halt *halt);

/* The worker: a run of so many parts is about to begin. Its number. */
uint64_t sv_halt_begin(sv_halt *halt, uint32_t parts);
/* The worker: the session will run, or has run. `halt` NULL: the run is nobody's to break off. The
 * session has been broken off if sv_halt_leave says true; it may run again afterwards. */
void sv_halt_enter(sv_halt *halt, sv_session *session);
bool sv_halt_leave(sv_halt *halt);

/* Any thread: nobody wants a part of that run, which may have ended. Once for each part. */
void sv_halt_forgo(sv_halt *halt, uint64_t run);
/* Any thread: this run and all that follow are to end. */
void sv_halt_close(sv_halt *halt);

#endif
