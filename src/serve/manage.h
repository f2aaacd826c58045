/* Management: who may change what is served or share memory, and how a call waits for the keeper.
 *
 * Browsers are why this is more than one switch: any page that a person on the operator's network
 * looks at can send requests to addresses that the page's server cannot reach. So a call must be
 * addressed to a host that is ours (else it is a page whose name was bound to our address), and
 * must not come from a page of another origin. */
#ifndef SV_SERVE_MANAGE_H
#define SV_SERVE_MANAGE_H

#include "serve/service.h"

/* PERMISSION_DENIED, saying what would open it. */
SV_MUST_USE sv_status sv_manage_admit(const sv_service_options *options, const sv_exchange *x);

/* The same for clients that share memory, with what registers it and with what uses it: they must
 * be on this machine, or come in where management is let in. */
SV_MUST_USE sv_status sv_manage_admit_sharing(const sv_service_options *options,
                                              const sv_exchange *x);

/* Asks the keeper; `done` is called on the call's loop when it is through, and answers by
 * sv_call_reply or returns an error, which becomes the answer. `name` is the model's, empty where
 * the verb needs none; `traffic` is copied, NULL where the verb needs none. */
typedef sv_status (*sv_manage_done)(sv_call *call);
SV_MUST_USE sv_status sv_call_manage(sv_call *call, sv_keeper_verb verb, sv_string name,
                                     const sv_traffic *traffic, sv_manage_done done);

/* The model of the call (call->model) is loaded or unloaded. */
typedef struct sv_model_change {
    sv_string repository; /* that the model must be of; empty: any */
    sv_string
        description; /* of SV_KEEPER_LOAD: JSON in place of its config.pbtxt; data NULL: none */
} sv_model_change;
SV_MUST_USE sv_status sv_call_change(sv_call *call, sv_keeper_verb verb,
                                     const sv_model_change *change, sv_manage_done done);

/* Serves just these models (SV_KEEPER_CHOOSE); takes `chosen`, also on an error. */
SV_MUST_USE sv_status sv_call_choose(sv_call *call, sv_model_configs *chosen, sv_manage_done done);

/* Appends loads, failures and versions in service. */
void sv_manage_metrics(const sv_model_status *models, size_t count, sv_text *out);

/* Of the service. */
sv_keeper *sv_service_keeper(const sv_service *service);

#endif
