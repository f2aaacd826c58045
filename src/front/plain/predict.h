/* The plain protocol's one call that runs a model. */
#ifndef SV_FRONT_PLAIN_PREDICT_H
#define SV_FRONT_PLAIN_PREDICT_H

#include "serve/front.h"

SV_MUST_USE sv_status sv_plain_decode(sv_call *call, sv_string body);
SV_MUST_USE sv_status sv_plain_encode(sv_call *call, const sv_request *request, sv_text *out);

#endif
