/* What the store keeps for each name. For the store's own files.
 *
 * An entry is made when its name is first loaded and stays, with its place, until the store goes.
 * What readers see is guarded by the store's `lock`, held for a few instructions only; who loads
 * holds `load_lock` as well, and takes it first. */
#ifndef SV_STORE_LIVE_H
#define SV_STORE_LIVE_H

#include "store/served.h"
#include <pthread.h>

/* What is known of a version. */
typedef struct sv_note {
    int64_t number;
    sv_version_state state;
    sv_code code;
    char *message;      /* owned; NULL: nothing is wrong */
    uint64_t signature; /* of the files that the message is about */
    uint32_t attempts;  /* that failed with this signature */
    uint64_t retry_ns;  /* monotonic: not before */
    uint64_t condemned; /* mark of the files that a guard has taken out of service; 0: none */
    sv_life *life;      /* UNLOADING until it is over */
} sv_note;

/* What readers pick from; replaced as a whole. */
typedef struct sv_live_set {
    sv_served **version; /* [count], rising numbers, each a reference */
    size_t count;
    sv_version_label *label; /* [label_count], with the names behind them in the same memory */
    size_t label_count;
    char **alias; /* [alias_count], likewise */
    size_t alias_count;
    sv_traffic traffic;
    sv_version_policy policy; /* its numbers are own memory */
} sv_live_set;

/* A version's figures when it was last decided who answers. */
typedef struct sv_judged {
    uint64_t figure[SV_SERVED_FIGURES];
} sv_judged;

/* The versions that answer requests without a version: of each share, or the highest. */
typedef struct sv_serving {
    sv_served *version[SV_TRAFFIC_SHARES]; /* [count], as the shares stand; NULL: not served */
    uint32_t count;
} sv_serving;

/* The last good versions, while others are watched by a guard. */
typedef struct sv_good {
    sv_traffic traffic; /* that they had */
    sv_serving serving; /* without holes, each a reference; none: nothing is watched */
    uint64_t since_ns;  /* monotonic: when it was last decided who answers */
    bool wanted;        /* none is known, and one on disk would do */
} sv_good;

typedef struct sv_live {
    char *name;
    size_t name_size;
    uint32_t slot;
    sv_live_set *set; /* NULL: not in service */
    bool forgotten;   /* not listed any more */
    sv_note *note;    /* [note_count], rising numbers */
    size_t note_count;
    char *repository; /* owned; NULL: none */
    char *problem;    /* owned; NULL: none */
    sv_code problem_code;
    uint64_t warned; /* signature of the config.pbtxt whose warnings were logged */
    uint64_t loads, rollbacks;
    uint64_t failures[SV_STORE_CODES]; /* by sv_code */
    int64_t due[SV_TRAFFIC_SHARES];    /* what each share of the traffic has gathered */
    sv_traffic configured;             /* as the config last said */
    sv_traffic traffic;                /* that is wanted */
    sv_traffic before;                 /* that `traffic` has replaced by hand or judgement */
    bool by_hand, has_before;
    char *verdict;                       /* owned; NULL: none */
    sv_judged judged[SV_TRAFFIC_SHARES]; /* as in sv_serving */
    sv_good good;
} sv_live;

struct sv_store {
    sv_runtime *runtime;
    sv_reaper *reaper;
    pthread_mutex_t load_lock; /* one load at a time; taken before `lock` */
    _Atomic uint32_t shadows;  /* sets that have one: nobody else need ask */
    pthread_mutex_t lock;      /* guards what is below */
    sv_live **live;            /* [count]; the place is the slot */
    size_t count;
};

/* Makes sure that a name has an entry. */
SV_MUST_USE sv_status sv_live_ensure(sv_store *store, const char *name, sv_live **out);
/* The entry of a name, in service or not. The lock is held. */
sv_live *sv_live_find(sv_store *store, const char *name, size_t size);
/* Puts `set` (NULL: none) in place; returns the old one, to be freed without the lock. The lock is
 * held. */
sv_live_set *sv_live_swap(sv_store *store, sv_live *live, sv_live_set *set);
void sv_live_set_free(sv_live_set *set); /* NULL is allowed */

/* sv_store_sync, for who holds the load lock. */
SV_MUST_USE sv_status sv_sync_locked(sv_store *store, const sv_model_config *config, sv_sync *sync,
                                     bool strict);

/* Traffic. */
bool sv_traffic_equal(const sv_traffic *a, const sv_traffic *b);
/* What a config says now, unless somebody has said otherwise since. The load lock is held. */
void sv_live_take_traffic(sv_live *live, const sv_traffic *configured);
/* The version whose turn it is, without a reference; NULL when none of the shares is served. The
 * lock is held. */
sv_served *sv_live_next(sv_live *live);
/* As sv_store_default. */
int64_t sv_live_set_default(const sv_live_set *set);
sv_served *sv_live_set_find(const sv_live_set *set, int64_t number); /* NULL: not there */

/* Guards (store/guard.c); the lock is held. */

/* A set has taken the place of `old`: begins a watch, goes on with it, or ends it. */
void sv_guard_swapped(sv_live *live, const sv_live_set *old);
/* Takes a version, of which nothing else is known, for the last good one; takes the reference. */
void sv_guard_take_good(sv_live *live, sv_served *version);
/* Versions that somebody asks for by name may be loaded again; `traffic` NULL: all. */
void sv_guard_pardon(sv_live *live, const sv_traffic *traffic);
/* What marks the files of a version, as of sv_note.signature. */
uint64_t sv_guard_mark(uint64_t signature, uint64_t config_signature);
void sv_guard_forget(sv_live *live); /* ends the watch */

/* Notes; the lock is held. */
sv_note *sv_note_find(const sv_live *live, int64_t number);
/* Finds or makes; NULL when memory is out. */
sv_note *sv_note_ensure(sv_live *live, int64_t number);
/* Sets state, and the message of `why` (SV_OK: none), which is borrowed. */
void sv_note_set(sv_note *note, sv_version_state state, sv_status why);
/* What has ended without a reason is listed for the last few versions only. */
void sv_notes_trim(sv_live *live);
void sv_notes_clear(sv_live *live);

#endif
