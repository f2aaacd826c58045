/* Loading of one version, and what the store alone knows of it; for the store's own files. */
#ifndef SV_STORE_SERVED_H
#define SV_STORE_SERVED_H

#include "store/reaper.h"
#include "store/store.h"
#include <stdatomic.h>

/* Whether a version still lives, for those who do not keep it alive. Counted. */
typedef struct sv_life {
    _Atomic uint32_t references;
    atomic_bool over;
} sv_life;
void sv_life_unref(sv_life *life); /* NULL is allowed */

/* What a version is made from. */
typedef struct sv_served_source {
    sv_runtime *runtime;
    sv_reaper *reaper;
    const sv_model_config *config;
    const sv_layout *layout;
    const sv_version_file *file;
    uint32_t slot; /* as in sv_served */
} sv_served_source;

/* Reads the file, and holds the model to what the config.pbtxt says of it. One reference. ABORTED
 * when the files changed meanwhile. */
SV_MUST_USE sv_status sv_served_load(const sv_served_source *source, sv_served **out);
/* A reference to its life. */
sv_life *sv_served_life(const sv_served *served);

/* Small numbers that differ from element to element; whole numbers are 0 or 1, which are valid
 * indices nearly everywhere. */
void sv_sample_fill(sv_dtype dtype, char *at, size_t bytes, uint32_t *state);

/* Runs a version on made-up inputs: plans and memory are warm then, its speed is known, and whether
 * requests may be joined. Before anybody else has it. */
void sv_served_warm(sv_served *served);
/* Runs the samples that a config.pbtxt asks for; all must succeed. */
SV_MUST_USE sv_status sv_served_warm_up(sv_served *served, const sv_model_config *config,
                                        const sv_layout *layout);
/* Reads the files of labels that a config.pbtxt names for outputs. NOT_FOUND where one is not
 * there; those that the version's side file gives labels keep them. Before anybody else has it. */
SV_MUST_USE sv_status sv_served_read_labels(sv_served *served, const sv_model_config *config,
                                            const sv_layout *layout);
/* Checks inputs and outputs against what a config.pbtxt declares. */
SV_MUST_USE sv_status sv_served_check_ports(const sv_served *served, const sv_layout *layout);

#endif
