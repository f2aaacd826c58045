/* Rows that are named features, put together to inputs as a signature of the model's side file
 * says (store/signatures.h): how tf.Example requests and tables with named columns become tensors.
 *
 * Where features stand in a request is the protocols' matter. */
#ifndef SV_FRONT_FEATURES_H
#define SV_FRONT_FEATURES_H

#include "serve/request.h"
#include "store/signatures.h"
#include "base/reader.h"
#include "wire/json.h"

typedef enum sv_cell_kind {
    SV_CELL_JSON,    /* a number, a text, {"b64": text}, or an array */
    SV_CELL_TEXT,    /* as CSV has it */
    SV_CELL_FEATURE, /* tf.Example's message Feature */
} sv_cell_kind;

/* A feature's value in one row. */
typedef struct sv_cell {
    sv_cell_kind kind;
    sv_json json;      /* stands at the value */
    bool may_be_null;  /* JSON: null is a value that is missing, as data frames have them */
    sv_string text;    /* borrowed */
    sv_reader feature; /* the message */
} sv_cell;

/* Says where a row has a feature's value: by name, or by its number in the order of the signature's
 * inputs and their features. false: the row has none. */
typedef bool sv_cell_finder(const void *self, sv_string name, size_t number, sv_cell *out);

/* Rows on their way into a request's inputs. */
typedef struct sv_features {
    sv_request *request;
    const sv_signature *signature;
    int64_t rows;
    struct sv_feature_column *column; /* [signature->input_count] */
} sv_features;

/* `signature` has inputs. */
SV_MUST_USE sv_status sv_features_begin(sv_features *features, sv_request *request,
                                        const sv_signature *signature);
/* Appends a row. INVALID_ARGUMENT names the row and the feature. */
SV_MUST_USE sv_status sv_features_add(sv_features *features, sv_cell_finder *find,
                                      const void *self);
/* Seals all inputs of the signature. INVALID_ARGUMENT when a row's values do not fill the input. */
SV_MUST_USE sv_status sv_features_end(sv_features *features);

#endif
