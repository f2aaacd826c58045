/* The keeper: a thread that keeps the live set as the operator's files are. It loads aside from
 * everything that serves, so that a load never holds up a request.
 *
 * Thread-safe. What is to be served comes from a reader that the program gives, and models are
 * known by what it names. Nothing else is ever loaded, but for what a call brings from beneath the
 * one folder that the program opens for that. */
#ifndef SV_STORE_KEEPER_H
#define SV_STORE_KEEPER_H

#include "store/store.h"

typedef struct sv_keeper sv_keeper;

/* Lists everything that is to be served into `out`, which is initialised and empty. `again`: what
 * was read from configuration files is to be read anew. Called by one thread at a time. */
typedef sv_status (*sv_keeper_read)(void *self, bool again, sv_model_configs *out);

typedef struct sv_keeper_options {
    sv_store *store; /* borrowed */
    sv_keeper_read read;
    void *self;
    const char *root; /* borrowed: a folder beneath which calls may name models by their path; NULL:
                         nothing but what the reader lists is ever loaded */
    uint32_t poll_ms; /* look at the files this often, and as soon as the system says that something
                         changed; 0: only when asked */
} sv_keeper_options;

/* Reads and loads what is to be served, on the caller's thread, then starts the keeper's own. With
 * poll_ms a model that cannot be loaded, or none at all, is no error: it is looked at again.
 * Returns owned. */
SV_MUST_USE sv_status sv_keeper_create(const sv_keeper_options *options, sv_keeper **out);
/* Ends the thread; jobs that it has not begun end with CANCELLED. NULL is allowed. */
void sv_keeper_destroy(sv_keeper *keeper);

typedef enum sv_keeper_verb {
    /* Bring a model to what its files are, whether it is in service or not; a description goes in
     * place of its config.pbtxt, until the next load. */
    SV_KEEPER_LOAD,
    SV_KEEPER_REGISTER, /* the same; ALREADY_EXISTS where all of it is in service */
    SV_KEEPER_BRING,    /* load a model from a path beneath the keeper's root, under a new name */
    SV_KEEPER_TUNE,     /* arrange its runs in another way */
    SV_KEEPER_UNLOAD,   /* take it out of service until it is loaded again */
    SV_KEEPER_UNLOAD_VERSION, /* the same with one of its versions */
    SV_KEEPER_TRAFFIC,        /* give a model's requests to other versions */
    SV_KEEPER_ROLLBACK,       /* take that back */
    SV_KEEPER_REREAD,         /* read the configuration again and do as it says */
    SV_KEEPER_CHOOSE,         /* serve just these models of all that the reader lists */
} sv_keeper_verb;

/* Something that the keeper is asked to do. The caller's memory until `done`, which is called once,
 * on the keeper's thread (or the caller's, when the keeper has ended), and takes the status. */
typedef struct sv_keeper_job {
    sv_keeper_verb verb;
    char name[129];          /* of the model */
    char repository[1025];   /* of SV_KEEPER_LOAD and UNLOAD: must be the model's; "": any */
    char *description;       /* of SV_KEEPER_LOAD: owned; NULL: none. Exchanged for the earlier one
                                where it holds */
    sv_traffic traffic;      /* of SV_KEEPER_TRAFFIC */
    int64_t version;         /* of SV_KEEPER_UNLOAD_VERSION */
    const char *path;        /* of SV_KEEPER_BRING; borrowed */
    const sv_tuning *tuning; /* of SV_KEEPER_TUNE, LOAD and REGISTER, where it may be NULL;
                                borrowed. What it gives holds until the model is unloaded */
    /* Of SV_KEEPER_CHOOSE; moved out of the job once they hold. A policy or labels that are given
     * replace the model's own until the next choice or reading; a path must be the model's, or
     * empty. All others are unloaded. */
    sv_model_configs chosen;
    void (*done)(struct sv_keeper_job *job, sv_status status);
    void *user;
    struct sv_keeper_job *next; /* the keeper's */
} sv_keeper_job;
/* Any thread. NOT_FOUND for a name that the reader does not list; PERMISSION_DENIED for a path that
 * is not the model's, or not beneath the root. What fails leaves things as they were. */
void sv_keeper_post(sv_keeper *keeper, sv_keeper_job *job);
/* Any thread: SV_KEEPER_REREAD without an answer; what fails is logged. */
void sv_keeper_reread(sv_keeper *keeper);

#endif
