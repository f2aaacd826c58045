/* Triton's settings of logs
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_logging.md),
 * over HTTP and gRPC. Which lines are logged can be changed where management is open; where they go
 * is a matter of how the server is started. */
#ifndef SV_FRONT_OIP_SETTINGS_H
#define SV_FRONT_OIP_SETTINGS_H

#include "serve/front.h"
#include "wire/protobuf.h"

SV_MUST_USE sv_status sv_oip_logging(sv_call *call);
SV_MUST_USE sv_status sv_oip_set_logging(sv_call *call, sv_string body);
/* Asks, and with settings in the message changes. */
SV_MUST_USE sv_status sv_oip_logging_message(sv_call *call, sv_string message);

/* What settings of logs and traces share: the error for a name that is none; an entry's key and the
 * message of its value; an entry with a text. */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_oip_setting_unknown(sv_string name);
SV_MUST_USE sv_status sv_oip_setting_read(const sv_pb_field *entry, sv_string *key,
                                          sv_reader *value);
void sv_oip_setting_put(const char *key, uint32_t kind, const char *value, sv_text *out);

#endif
