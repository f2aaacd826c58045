/* The live set: which models are served, under which names and versions.
 *
 * A name has versions; each is loaded aside, then all are put in place at once. Whoever works on a
 * version holds a reference, so that a replaced one goes, and its memory with it, when its last
 * request ends. Files are read once, while loading: what happens to them later changes nothing here
 * until somebody asks to look again (store/keeper.h). Requests and protocols do not belong here. */
#ifndef SV_STORE_STORE_H
#define SV_STORE_STORE_H

#include "store/config.h"
#include <serval/serval.h>

typedef struct sv_store sv_store;
typedef struct sv_served sv_served;
struct sv_signatures;
struct sv_padding;
struct sv_terms;

/* ---- versions: immutable, thread-safe, counted -------------------------------------------- */

struct sv_served {
    const char *name; /* of the model */
    const char *path; /* the file it was read from */
    const char *base; /* what the model's config names: that file, or a folder above it */
    int64_t number;
    sv_model *model;
    uint64_t load_ns;
    uint32_t slot;     /* small and stable for a name, for tables indexed by model */
    int64_t loaded_us; /* wall clock */
    const struct sv_signatures *signatures; /* of the side file (store/signatures.h); NULL: none */
    const struct sv_terms *terms;           /* of a config.pbtxt (store/terms.h); NULL: none */
    const struct sv_padding *padding;       /* of inputs that differ in length; NULL: never */
    bool open_ended;                        /* as of sv_model_stats */
    bool batches; /* rows of the first dimension do not depend on each other (sv_served_warm) */
    sv_tuning tuning;
    uint64_t signature, config_signature; /* of its files, as of sv_version_file */
};

sv_served *sv_served_ref(sv_served *version);
void sv_served_unref(sv_served *version); /* NULL is allowed */

/* Sessions are kept with the version, so that they go with it. `given` tells which inputs will be
 * bound (bit i: input i); a session that was bound otherwise is never handed out, since an input
 * cannot be unbound. `threads` as of sv_session_create; 1 and others are kept apart. Any thread. */
SV_MUST_USE sv_status sv_served_take_session(sv_served *version, uint32_t threads, uint64_t given,
                                             sv_session **out);
void sv_served_give_session(sv_served *version, uint32_t threads, uint64_t given,
                            sv_session *session);

/* How long runs take, learned from those that ran: an estimate in nanoseconds for one with inputs
 * of `bytes` bytes in all; the model's own estimate until then, 0 when neither is known. */
uint64_t sv_served_estimate_ns(const sv_served *version, size_t bytes);
void sv_served_learn(sv_served *version, size_t bytes, uint64_t ns);

/* What is counted about a version's requests; times in nanoseconds. */
typedef enum sv_served_figure {
    SV_SERVED_SUCCESS, /* requests that were answered */
    SV_SERVED_SUCCESS_NS,
    SV_SERVED_FAIL, /* requests that found the version, and were answered by an error */
    SV_SERVED_FAIL_NS,
    SV_SERVED_SHED,     /* of these, those that were refused for want of room or time */
    SV_SERVED_QUEUE_NS, /* the phases of those that ran */
    SV_SERVED_INPUT_NS,
    SV_SERVED_INFER_NS,
    SV_SERVED_OUTPUT_NS,
    SV_SERVED_ROWS,    /* that runs have worked on: a run of a version that batches has several */
    SV_SERVED_RUNS,    /* requests that were joined are one */
    SV_SERVED_LAST_MS, /* when the last run ended, since 1970 */
    SV_SERVED_FIGURES
} sv_served_figure;

/* Any thread: adds to each figure; LAST_MS is replaced where it is not 0. */
void sv_served_count(sv_served *version, const uint64_t more[SV_SERVED_FIGURES]);
/* Any thread; each figure is right by itself. */
void sv_served_get_figures(const sv_served *version, uint64_t out[SV_SERVED_FIGURES]);

/* Something that another part keeps with a version, and that goes when the version does: NULL until
 * it is set. The first that is set stays, and is returned; another one is destroyed at once. Any
 * thread. */
void *sv_served_companion(const sv_served *version);
void *sv_served_set_companion(sv_served *version, void *companion, void (*destroy)(void *));

/* What became of a request that a version was asked as a shadow. */
typedef enum sv_shadow_verdict {
    SV_SHADOW_AGREES,
    SV_SHADOW_DIFFERS,
    SV_SHADOW_FAILS,   /* it could not be asked, or answered by an error */
    SV_SHADOW_SKIPPED, /* there was no time for it */
    SV_SHADOW_VERDICTS
} sv_shadow_verdict;
void sv_served_count_shadow(sv_served *version, sv_shadow_verdict verdict); /* any thread */
void sv_served_get_shadow(const sv_served *version, uint64_t out[SV_SHADOW_VERDICTS]);

/* ---- the set: thread-safe ------------------------------------------------------------------ */

/* `runtime` is borrowed and must outlive the store. Returns owned. */
SV_MUST_USE sv_status sv_store_create(sv_runtime *runtime, sv_store **out);
/* Versions that somebody still holds live on. NULL is allowed. */
void sv_store_destroy(sv_store *store);

/* Loads what `config` names and puts it in place of what had its name. On an error everything stays
 * as it was. Texts are copied. One caller at a time loads; readers are not held up. */
SV_MUST_USE sv_status sv_store_load(sv_store *store, const sv_model_config *config);

/* How to bring a model to what its files are now, and what came of it. */
typedef struct sv_sync {
    bool now;         /* somebody waits: neither files that have just changed nor those that have
                         failed before are left alone for a while */
    bool pardon;      /* versions that a guard has taken out of service are tried again */
    bool changed;     /* out: versions came or went */
    uint64_t wait_ns; /* out: look again after this time; 0: when something changes */
} sv_sync;

/* Loads versions that are wanted and new or changed, keeps those that are as they were, and lets go
 * of the others. Where a version cannot be loaded, an older one stays in its place; the reason
 * stands in the model's status, and is logged when it is new. Returns the reason, if any wanted
 * version is not served as its files are; UNAVAILABLE while it is still being written. */
SV_MUST_USE sv_status sv_store_sync(sv_store *store, const sv_model_config *config, sv_sync *sync);

/* Gives the traffic of a model's requests to these versions, loading what is not there; it stays so
 * until it is changed again, or the config's own traffic is. On an error nothing changes. */
SV_MUST_USE sv_status sv_store_set_traffic(sv_store *store, const sv_model_config *config,
                                           const sv_traffic *traffic);
/* Back to the traffic before the last change, by whomever. FAILED_PRECONDITION: there was none. */
SV_MUST_USE sv_status sv_store_rollback(sv_store *store, const sv_model_config *config);
/* Takes versions out of the traffic that their guard finds worse than the last good ones, and gives
 * it back to those. To be called now and then. Returns whether any version is being judged. */
bool sv_store_judge(sv_store *store);

/* Takes a name out of service; NOT_FOUND. Its status remains. */
SV_MUST_USE sv_status sv_store_remove(sv_store *store, const char *name);
/* Takes out of service, and forgets, every model that `configs` does not name. Returns how many
 * were in service. */
size_t sv_store_retain(sv_store *store, const sv_model_configs *configs);

/* The version of a name (or alias) that is asked for: `number` 0 is the highest. An empty name is
 * the only model, if there is one only. NOT_FOUND names it. Returns a reference. */
SV_MUST_USE sv_status sv_store_acquire(sv_store *store, const char *name, size_t name_size,
                                       int64_t number, sv_served **out);
/* The version that has a label. */
SV_MUST_USE sv_status sv_store_acquire_label(sv_store *store, const char *name, size_t name_size,
                                             sv_string label, sv_served **out);

/* The version that is to be asked as well as `version`, which was found without number or label: a
 * reference, or NULL. */
sv_served *sv_store_acquire_shadow(sv_store *store, const sv_served *version);

size_t sv_store_count(sv_store *store);
/* The highest version of the `index`-th name, in the order of loading; NULL past the last. Returns
 * a reference. */
sv_served *sv_store_at(sv_store *store, size_t index);
/* Writes up to `room` numbers of the versions of a name, rising; returns how many there are (0: no
 * such name). */
size_t sv_store_versions(sv_store *store, const char *name, size_t name_size, int64_t *numbers,
                         size_t room);

/* The version that is to answer requests which name none: that with the largest share of the
 * traffic, else the highest. 0: the name is not served. */
int64_t sv_store_default(sv_store *store, const char *name, size_t name_size);

#define SV_STORE_CODES (SV_CODE_UNAUTHENTICATED + 1) /* of sv_code */

/* ---- status -------------------------------------------------------------------------------- */

typedef enum sv_version_state {
    SV_VERSION_START, /* seen, not loaded yet */
    SV_VERSION_LOADING,
    SV_VERSION_AVAILABLE, /* with a message: its files have changed and cannot be loaded */
    SV_VERSION_UNLOADING, /* requests still hold it */
    SV_VERSION_END,       /* gone, or with a message: could not be loaded */
} sv_version_state;

typedef struct sv_version_status {
    int64_t number;
    sv_version_state state;
    sv_code code;                       /* of the message */
    const char *message;                /* why it is not as its files are; "": it is */
    uint64_t figure[SV_SERVED_FIGURES]; /* while it is served */
    uint64_t shadow[SV_SHADOW_VERDICTS];
} sv_version_status;

typedef struct sv_model_status {
    const char *name;
    const char *repository; /* the folder of models that it was found in; "": none */
    const char *problem;    /* of the model as a whole, such as an error in its config.pbtxt; "" */
    sv_code code;           /* of the problem */
    const sv_version_status *version; /* [count], rising numbers */
    size_t count;
    const sv_version_label *label; /* [label_count] */
    size_t label_count;
    uint64_t loads;                    /* of versions, ever */
    uint64_t failures[SV_STORE_CODES]; /* by sv_code, ever; of versions or the configuration */
    sv_traffic traffic;
    sv_version_policy policy;        /* while any version is served */
    const char *verdict;             /* why a version was last taken out of the traffic; "" */
    uint64_t rollbacks;              /* by judgement, ever */
    int64_t good[SV_TRAFFIC_SHARES]; /* [good_count], the last good versions, which are kept while
                                        others are watched */
    uint32_t good_count;
} sv_model_status;

/* What is known about a model, also of one that is not in service; everything lives in `arena`.
 * NOT_FOUND. */
SV_MUST_USE sv_status sv_store_describe(sv_store *store, const char *name, size_t name_size,
                                        sv_arena *arena, sv_model_status *out);
/* All models, in the order of their first loading. */
SV_MUST_USE sv_status sv_store_describe_all(sv_store *store, sv_arena *arena, sv_model_status **out,
                                            size_t *count);

#endif
