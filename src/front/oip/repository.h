/* The model repository extension
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/
 * extension_model_repository.md): what there is, and calls that change it. */
#ifndef SV_FRONT_OIP_REPOSITORY_H
#define SV_FRONT_OIP_REPOSITORY_H

#include "serve/front.h"
#include "store/keeper.h"

/* Every version that is known, with its state and the reason for it. {"ready":true}: only those
 * that are served. */
SV_MUST_USE sv_status sv_oip_index(sv_call *call, sv_string body);
/* Loads what is new or changed of a model. The parameter "config" goes in place of its
 * config.pbtxt; those that would bring in files are refused. */
SV_MUST_USE sv_status sv_oip_load(sv_call *call, sv_string body);
SV_MUST_USE sv_status sv_oip_unload(sv_call *call, sv_string body);

/* The same over gRPC; `verb` is SV_KEEPER_LOAD or SV_KEEPER_UNLOAD. */
SV_MUST_USE sv_status sv_oip_index_message(sv_call *call, sv_string message);
SV_MUST_USE sv_status sv_oip_change_message(sv_call *call, sv_keeper_verb verb, sv_string message);

#endif
