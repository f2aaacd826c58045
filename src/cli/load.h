/* What every command that works on a model does first: a runtime, and the model in it, with a sign
 * of life on a terminal when that takes long. */
#ifndef SV_CLI_LOAD_H
#define SV_CLI_LOAD_H

#include "cli/cli.h"
#include <serval/serval.h>

typedef struct sv_loaded {
    sv_runtime *runtime;
    sv_model *model;
    uint64_t load_ns; /* reading, optimising and packing */
} sv_loaded;

/* What --exact does, for the options of all commands that load models to run them. */
#define SV_EXACT_TEXT "Use no algorithm that is faster but rounds more (Winograd, Strassen)"

/* The same for --memory and --plan-cache. */
#define SV_MEMORY_TEXT "Prefer small packed weights to fast algorithms that need larger ones"
#define SV_PLAN_CACHE_TEXT                                                                         \
    "Keep packed weights in files of this folder, and load them from there the next time"

/* How to load; see sv_runtime_options. */
typedef struct sv_load_options {
    uint32_t threads; /* 0: the cores granted */
    bool exact, memory;
    const char *plan_cache; /* NULL: none */
} sv_load_options;

/* Release it also after an error of a later step. */
SV_MUST_USE sv_status sv_loaded_init(sv_loaded *loaded, const char *path,
                                     const sv_load_options *options);
void sv_loaded_release(sv_loaded *loaded);

/* A line on stderr, "<what> ... 3 s", that appears after a second, counts, and goes away at the
 * end; nothing when stderr is no terminal. */
typedef struct sv_progress sv_progress;
/* NULL when there is nothing to show; `what` is borrowed. */
sv_progress *sv_progress_start(const char *what);
void sv_progress_stop(sv_progress *progress); /* NULL is allowed */

#endif
