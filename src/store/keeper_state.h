/* What the keeper's own files share. Not for others. */
#ifndef SV_STORE_KEEPER_STATE_H
#define SV_STORE_KEEPER_STATE_H

#include "store/keeper.h"
#include "store/overrides.h"
#include "store/watch.h"
#include <pthread.h>

struct sv_keeper {
    sv_keeper_options options;
    pthread_t thread;
    bool started;
    int wake_fd;
    sv_watch *watch;          /* NULL: the system does not tell */
    sv_model_configs configs; /* as last read, with all that was chosen and said since */
    sv_model_configs chosen;  /* by SV_KEEPER_CHOOSE; `configs` borrows from it */
    sv_overrides overrides;
    bool dropped;    /* a model that a call had brought has gone: `configs` still has it */
    char *complaint; /* about the reading of configs, as last logged */

    pthread_mutex_t lock;
    sv_keeper_job *first, *last; /* guarded by the lock, as all that follows */
    bool stopping, reread;
};

/* Reads what is to be served, with `chosen`, which the result then borrows from, and with what
 * calls have said. Nothing changes. */
SV_MUST_USE sv_status sv_keeper_read_chosen(const sv_keeper *keeper, bool again,
                                            const sv_model_configs *chosen, sv_model_configs *out);
/* Takes `fresh` in place of the configs. */
void sv_keeper_set_configs(sv_keeper *keeper, const sv_model_configs *fresh);
/* Both; what cannot be read leaves everything as it was. */
SV_MUST_USE sv_status sv_keeper_read_configs(sv_keeper *keeper);
bool sv_keeper_is_resting(const sv_keeper *keeper, const char *name);
void sv_keeper_watch_all(const sv_keeper *keeper);
/* Brings every model to what its files are; returns when to look again, 0: when something happens.
 * The store says itself what fails. */
uint64_t sv_keeper_sync_all(sv_keeper *keeper, bool now);
/* Logs why the configuration cannot be read, once. */
void sv_keeper_complain(sv_keeper *keeper, sv_status status);

/* Does a job, and says so. */
void sv_keeper_run_job(sv_keeper *keeper, sv_keeper_job *job);
/* SV_KEEPER_REREAD. */
SV_MUST_USE sv_status sv_keeper_run_reread(sv_keeper *keeper);

#endif
