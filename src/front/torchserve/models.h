/* TorchServe's descriptions of models. */
#ifndef SV_FRONT_TORCHSERVE_MODELS_H
#define SV_FRONT_TORCHSERVE_MODELS_H

#include "serve/front.h"

/* The names that are served, `limit` at a time from `next_page_token` on (of the query). */
SV_MUST_USE sv_status sv_torchserve_list(sv_call *call);
/* One model: its default version, the version of the path, or all of them. */
SV_MUST_USE sv_status sv_torchserve_model(sv_call *call);

#endif
