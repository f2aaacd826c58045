/* A model's configuration in JSON (protobuf's form of it), as clients send it, made into the text
 * of a config.pbtxt. For the reader of config.pbtxt. */
#ifndef SV_STORE_TRITON_JSON_H
#define SV_STORE_TRITON_JSON_H

#include "base/text.h"

/* Appends the text. Members that are null or empty lists say nothing, as in protobuf.
 * INVALID_ARGUMENT for what is no JSON, or has no form there; what fields mean is the reader's
 * matter. */
SV_MUST_USE sv_status sv_triton_json_write(sv_string json, sv_text *out);

#endif
