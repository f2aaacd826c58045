/* Loading of one version; for the store's own files. */
#ifndef SV_STORE_SERVED_H
#define SV_STORE_SERVED_H

#include "store/store.h"

/* Loads a file as a version with one reference. `slot` as in sv_served. */
SV_MUST_USE sv_status sv_served_load(sv_runtime *runtime, const char *name,
                                     const sv_version_file *file, uint32_t slot, sv_served **out);

/* Runs a version on made-up inputs: plans and memory are warm then, its speed is known, and whether
 * requests may be joined. Before anybody else has it. */
void sv_served_warm(sv_served *served);

#endif
