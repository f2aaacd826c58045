/* Numbers in the query of TorchServe's calls. */
#ifndef SV_FRONT_TORCHSERVE_QUERY_H
#define SV_FRONT_TORCHSERVE_QUERY_H

#include "serve/front.h"

/* A whole number of the query; `fallback` where there is none. *given (may be NULL): there is one.
 */
SV_MUST_USE sv_status sv_torchserve_number(const sv_call *call, const char *name, uint64_t fallback,
                                           uint64_t *out, bool *given);

#endif
