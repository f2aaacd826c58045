/* What front ends share: answers without a model, small pieces of JSON.
 *
 * Nothing here knows a protocol; what only one of them needs stands in its folder. */
#ifndef SV_FRONT_COMMON_H
#define SV_FRONT_COMMON_H

#include "serve/front.h"
#include "serve/manage.h"
#include "wire/json.h"

#define SV_FRONT_JSON "application/json"

/* A JSON string of a NUL-terminated text. */
void sv_front_put_string(sv_text *out, const char *text);
/* {"status":"ok"}-like answers without a model. */
SV_MUST_USE sv_status sv_front_reply_text(sv_call *call, int http, const char *content_type,
                                          const char *body);
/* {"error":"message"}: the error shape of all JSON protocols here. */
void sv_front_error(const sv_call *call, int http, sv_status status, sv_text *out);
/* Answers 200 (or `http`) with what `out` holds, which is taken. */
SV_MUST_USE sv_status sv_front_reply(sv_call *call, int http, sv_text *out);

/* What is known of the call's model, versions that failed included; in the call's arena. */
SV_MUST_USE sv_status sv_front_describe(const sv_call *call, sv_model_status *out);

/* Gives all requests of the call's model that name no version to this one: a management call, which
 * `done` answers. The model's guard stays: who is promoted is watched. */
SV_MUST_USE sv_status sv_front_promote(sv_call *call, int64_t version, sv_manage_done done);

/* Starts reading a body as JSON; texts with escapes go to `arena`. An empty body is an error that
 * says so. */
SV_MUST_USE sv_status sv_front_json(sv_string body, sv_arena *arena, sv_json *out);
/* A whole body that is an object, as sv_json_members. Texts are valid as long as the call. */
SV_MUST_USE sv_status sv_front_members(const sv_call *call, sv_string body,
                                       const sv_json_member *members, size_t count,
                                       const char *others, void *into, uint64_t *seen);

#endif
