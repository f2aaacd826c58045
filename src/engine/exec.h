/* Running: one caller's state over a compiled model. Externally synchronised; a run whose key is
 * cached allocates nothing. */
#ifndef SV_ENGINE_EXEC_H
#define SV_ENGINE_EXEC_H

#include "engine/compiled.h"

typedef struct sv_exec sv_exec;

/* `compiled` and `team` outlive it. `threads`: at most the team's. Returns owned. */
SV_MUST_USE sv_status sv_exec_create(sv_compiled *compiled, sv_team *team, uint32_t threads,
                                     sv_exec **out);
void sv_exec_destroy(sv_exec *exec);

/* A value of any kind, borrowed until rebound; tensors are dense, and their dtype and shape have
 * been checked by the caller. */
void sv_exec_bind_input(sv_exec *exec, uint32_t index, const sv_datum *value);
/* `data` NULL: the memory is the session's own. */
void sv_exec_bind_output(sv_exec *exec, uint32_t index, void *data, size_t size);

SV_MUST_USE sv_status sv_exec_run(sv_exec *exec);
/* Any thread, also during a run: with `on`, runs end with CANCELLED where the next step or
 * iteration would begin, until it is called without. */
void sv_exec_interrupt(sv_exec *exec, bool on);

/* Of the last successful run; valid until the next one. FAILED_PRECONDITION before that. */
SV_MUST_USE sv_status sv_exec_output(const sv_exec *exec, uint32_t index, sv_datum *out);

typedef struct sv_exec_step_time {
    const sv_program_node *node;
    const sv_kernel *kernel;
    uint64_t ns;
    double flops, bytes;
    const sv_desc *result; /* the first that it writes */
} sv_exec_step_time;
void sv_exec_profile(sv_exec *exec, bool on);
bool sv_exec_step(const sv_exec *exec, size_t index, sv_exec_step_time *out);

#endif
