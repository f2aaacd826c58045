/* The Open Inference Protocol's infer call. */
#ifndef SV_FRONT_OIP_INFER_H
#define SV_FRONT_OIP_INFER_H

#include "front/oip/place.h"

#define SV_OIP_MAX_ID 1024 /* bytes */

/* What a request says about one output. */
typedef struct sv_oip_output {
    bool binary, said; /* raw behind the JSON; whether the request says so or the opposite */
    uint64_t classes;  /* the best so many, as texts; 0: the tensor itself */
    sv_oip_place place;
} sv_oip_output;

/* sv_call's state. */
typedef struct sv_oip_call {
    sv_string binary;      /* raw tensors that no input has taken yet */
    bool binary_output;    /* of outputs that do not say */
    bool typed;            /* inputs came as typed contents: so do outputs (messages only) */
    sv_oip_output *output; /* [the model's outputs] */
    sv_oip_sequence sequence;
} sv_oip_call;

/* What JSON and messages share. Makes a call's state for a request that was begun; from here on its
 * shapes are those that metadata say. */
SV_MUST_USE sv_status sv_oip_begin_state(sv_call *call, sv_request *request);
/* A parameter of a requested output; steps over unknown ones. */
SV_MUST_USE sv_status sv_oip_take_output_parameter(const sv_call *call, sv_oip_output *output,
                                                   const sv_oip_parameter *parameter);
/* Wants an output by name, as `said`. */
SV_MUST_USE sv_status sv_oip_want_output(const sv_call *call, sv_request *request, sv_string name,
                                         const sv_oip_output *said);
/* What an answer says for an output: its tensor, or its best classes. Where it goes to shared
 * memory, that is done. */
SV_MUST_USE sv_status sv_oip_take_output(sv_call *call, const sv_request *request, size_t index,
                                         sv_buffer *out);

SV_MUST_USE sv_status sv_oip_decode_infer(sv_call *call, sv_string body);
/* Has the first raw tensor lie where the request can use it without a copy. */
void sv_oip_open_infer(sv_call *call);
SV_MUST_USE sv_status sv_oip_encode_infer(sv_call *call, const sv_request *request, sv_text *out);

#endif
