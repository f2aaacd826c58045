/* TorchServe's management of models, for those that the operator's repository has. */
#ifndef SV_FRONT_TORCHSERVE_MANAGE_H
#define SV_FRONT_TORCHSERVE_MANAGE_H

#include "serve/front.h"

/* POST /models?url=..&model_name=..&batch_size=..&max_batch_delay=..&initial_workers=..: loads the
 * model of that name, with its runs arranged so. A URL or path is refused: models are those of the
 * repository. ALREADY_EXISTS when all of it is in service. */
SV_MUST_USE sv_status sv_torchserve_register(sv_call *call);
/* A model, or one of its versions but the default one. */
SV_MUST_USE sv_status sv_torchserve_unregister(sv_call *call);
/* PUT /models/NAME?min_worker=..&max_worker=..: how many runs of the model there may be at once, of
 * all its versions. */
SV_MUST_USE sv_status sv_torchserve_scale(sv_call *call);
/* All requests without a version go to this one. */
SV_MUST_USE sv_status sv_torchserve_set_default(sv_call *call);

#endif
