/* config.pbtxt: how Triton's repositories say what a model is and how it is to be run. For the
 * store's own files. */
#ifndef SV_STORE_TRITON_H
#define SV_STORE_TRITON_H

#include "store/config.h"

/* What is no matter of a layout. */
typedef struct sv_triton_config {
    uint64_t signature; /* of the text; 0: there is none */
    bool has_policy;
    sv_version_policy policy;
    const char *file_name; /* of the model in a version's folder; NULL: not said */
} sv_triton_config;

/* Reads the text of a config.pbtxt; `model` is how the model is asked for. What is read goes into
 * the layout and its arena; fields that are not heeded become warnings by name. INVALID_ARGUMENT
 * "<origin>:<line>:<column>: ...". */
SV_MUST_USE sv_status sv_triton_config_parse(const char *origin, const void *data, size_t size,
                                             const char *model, sv_layout *layout,
                                             sv_triton_config *out);
/* The same for a client's text in JSON, in place of a config.pbtxt: there, unknown fields are
 * errors. */
SV_MUST_USE sv_status sv_triton_config_json(sv_string json, const char *model, sv_layout *layout,
                                            sv_triton_config *out);
/* The same for a folder's file; leaves `out` zero when there is none. */
SV_MUST_USE sv_status sv_triton_config_read(const char *folder, const char *model,
                                            sv_layout *layout, sv_triton_config *out);

#endif
