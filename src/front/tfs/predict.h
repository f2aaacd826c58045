/* TensorFlow Serving's predict call. */
#ifndef SV_FRONT_TFS_PREDICT_H
#define SV_FRONT_TFS_PREDICT_H

#include "serve/front.h"

SV_MUST_USE sv_status sv_tfs_decode_predict(sv_call *call, sv_string body);
SV_MUST_USE sv_status sv_tfs_encode_predict(sv_call *call, const sv_request *request, sv_text *out);

#endif
