/* Management: who may change what is served or share memory, and how a call waits for the keeper.
 *
 * Browsers are why this is more than one switch: any page that a person on the operator's network
 * looks at can send requests to addresses that the page's server cannot reach. So a call must be
 * addressed to a host that is ours (else it is a page whose name was bound to our address), and
 * must not come from a page of another origin. */
#ifndef SV_SERVE_MANAGE_H
#define SV_SERVE_MANAGE_H

#include "serve/service.h"

/* PERMISSION_DENIED, saying what would open it. `front` is the call's. */
SV_MUST_USE sv_status sv_manage_admit(const sv_service_options *options, const sv_front *front,
                                      const sv_exchange *x);

/* The same for clients that share memory, with what registers it and with what uses it: they must
 * be on this machine, or come in where management is let in. */
SV_MUST_USE sv_status sv_manage_admit_sharing(const sv_service_options *options,
                                              const sv_exchange *x);

/* What the keeper is asked for; what its verb does not need is left out. All of it is copied. */
typedef struct sv_manage_request {
    sv_keeper_verb verb;
    sv_string name;       /* of the model */
    sv_string repository; /* that it must be of; empty: any */
    sv_string
        description; /* of SV_KEEPER_LOAD: JSON in place of its config.pbtxt; data NULL: none */
    const sv_traffic *traffic;
    const sv_tuning *tuning;
    int64_t version;
    sv_string path;
    int http_no_memory; /* the HTTP code when memory is out; 0: as always */
} sv_manage_request;

/* Asks the keeper; `done` is called on the call's loop when it is through, and answers by
 * sv_call_reply or returns an error, which becomes the answer. */
typedef sv_status (*sv_manage_done)(sv_call *call);
SV_MUST_USE sv_status sv_call_ask_keeper(sv_call *call, const sv_manage_request *request,
                                         sv_manage_done done);
/* The same, where a name and traffic (NULL: none) are all that is needed. */
SV_MUST_USE sv_status sv_call_manage(sv_call *call, sv_keeper_verb verb, sv_string name,
                                     const sv_traffic *traffic, sv_manage_done done);

/* Serves just these models (SV_KEEPER_CHOOSE); takes `chosen`, also on an error. */
SV_MUST_USE sv_status sv_call_choose(sv_call *call, sv_model_configs *chosen, sv_manage_done done);

/* Appends loads, failures and versions in service. */
void sv_manage_metrics(const sv_model_status *models, size_t count, sv_text *out);

/* Whether models are brought by path, by calls of the front end whose management is open. */
bool sv_call_brings_models(const sv_call *call);

/* Of the service. */
sv_keeper *sv_service_keeper(const sv_service *service);

#endif
