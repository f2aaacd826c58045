/* What a model file holds, whether it can run or not: for `serval inspect` and other tools.
 * Beyond the stable API: may change between versions. */
#ifndef SV_API_INSPECT_H
#define SV_API_INSPECT_H

#include <serval/serval.h>

#include "base/arena.h"

typedef struct sv_inspect_op {
    const char *domain, *name;
    int32_t version;
    uint32_t count;
    bool supported; /* runs, or is expanded to what runs */
} sv_inspect_op;

typedef struct sv_inspect_opset {
    const char *domain;
    int64_t version;
} sv_inspect_opset;

typedef struct sv_inspection {
    const char *producer;
    int64_t ir_version;
    uint32_t n_opset, n_op, n_in, n_out, n_metadata, n_function;
    uint32_t n_unsupported; /* operators with supported == false */
    const sv_inspect_opset *opset;
    const sv_inspect_op *op;     /* by count, largest first; nested graphs included */
    const sv_port *in, *out;     /* as declared in the file */
    const char *const *metadata; /* key, value, key, value .. */
    uint64_t nodes, parameters, weight_bytes;
} sv_inspection;

/* Reads and verifies the file without compiling it. What `out` points at lies in the arena. */
SV_MUST_USE sv_status sv_inspect(sv_runtime *runtime, const char *path, sv_arena *arena,
                                 sv_inspection *out);

#endif
