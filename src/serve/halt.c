/* The flags of a worker's run, and the session that is told of them. */
#include "serve/halt.h"

void sv_halt_init(sv_halt *halt)
{
    *halt = (sv_halt){.run = 0};
    pthread_mutex_init(&halt->lock, NULL);
}

void sv_halt_release(sv_halt *halt)
{
    pthread_mutex_destroy(&halt->lock);
}

uint64_t sv_halt_begin(sv_halt *halt, uint32_t parts)
{
    pthread_mutex_lock(&halt->lock);
    uint64_t run = ++halt->run;
    halt->wanted = parts;
    halt->off = halt->closed;
    pthread_mutex_unlock(&halt->lock);
    return run;
}

void sv_halt_enter(sv_halt *halt, sv_session *session)
{
    if (!halt) return;
    pthread_mutex_lock(&halt->lock);
    halt->session = session;
    if (halt->off) sv_session_interrupt(session, true);
    pthread_mutex_unlock(&halt->lock);
}

bool sv_halt_leave(sv_halt *halt)
{
    if (!halt) return false;
    pthread_mutex_lock(&halt->lock);
    bool off = halt->off;
    if (off) sv_session_interrupt(halt->session, false);
    halt->session = NULL;
    pthread_mutex_unlock(&halt->lock);
    return off;
}

/* With the lock. */
static void end_run(sv_halt *halt)
{
    halt->off = true;
    if (halt->session) sv_session_interrupt(halt->session, true);
}

void sv_halt_forgo(sv_halt *halt, uint64_t run)
{
    pthread_mutex_lock(&halt->lock);
    if (halt->run == run && --halt->wanted == 0) end_run(halt);
    pthread_mutex_unlock(&halt->lock);
}

void sv_halt_close(sv_halt *halt)
{
    pthread_mutex_lock(&halt->lock);
    halt->closed = true;
    end_run(halt);
    pthread_mutex_unlock(&halt->lock);
}
