/* What a model's file does not say: signatures for tf.Example requests, labels of classes, and
 * which axis is the batch. It stands in a side file beside the model, "model.signatures.json"
 * beside "model.onnx" (docs/protocols.md); labels may also come from a file that a config.pbtxt
 * names:
 *
 *   {"batch_axis": 0,
 *    "labels": {"probabilities": ["cat", "dog"]},
 *    "signatures": {
 *      "pets": {"method": "classify", "inputs": {"image": ["pixels"]},
 *               "outputs": {"scores": "probabilities"}},
 *      "cost": {"method": "regress", "inputs": {"X": ["age", "km"]}, "outputs": {"values": "y"}},
 *      "brief": {"method": "predict", "outputs": {"probabilities": "probabilities"}}}}
 *
 * Immutable once read; goes with the version that it belongs to. Requests do not belong here. */
#ifndef SV_STORE_SIGNATURES_H
#define SV_STORE_SIGNATURES_H

#include "base/arena.h"
#include <serval/serval.h>

typedef enum sv_signature_method {
    SV_SIGNATURE_PREDICT,
    SV_SIGNATURE_CLASSIFY,
    SV_SIGNATURE_REGRESS,
    SV_SIGNATURE_METHODS
} sv_signature_method;

/* Features whose values, one after the other, are a row of an input. */
typedef struct sv_signature_input {
    size_t input; /* of the model */
    const sv_string *feature;
    size_t count; /* at least 1 */
} sv_signature_input;

typedef struct sv_signature {
    const char *name;
    sv_signature_method method;
    const sv_signature_input *input; /* classify, regress */
    size_t input_count;
    int64_t scores, classes, values; /* outputs of the model; -1: none */
    const bool *wanted;              /* predict: [outputs of the model]; NULL: all */
} sv_signature;

typedef struct sv_labels {
    const sv_string *text;
    size_t count; /* 0: none */
} sv_labels;

typedef struct sv_signatures {
    sv_arena arena; /* of all below */
    int32_t batch_axis;
    const sv_signature *signature;
    size_t count;
    const sv_labels *labels; /* [outputs of the model] */
} sv_signatures;

/* Reads the side file of the model at `path` (whose name ends in ".onnx" or the like). *out is NULL
 * when there is none. INVALID_ARGUMENT names the file, and what in it is not as the model or the
 * form want it. Returns owned. */
SV_MUST_USE sv_status sv_signatures_load(const char *path, const sv_model *model,
                                         sv_signatures **out);
/* The same from text; `origin` names it in messages. */
SV_MUST_USE sv_status sv_signatures_read(sv_string text, const char *origin, const sv_model *model,
                                         sv_signatures **out);
/* Where the side file of the model at `path` is looked for. Returns owned (free); NULL when memory
 * is out. */
char *sv_signatures_path(const char *path);
#define SV_LABELS_MAX_BYTES ((size_t)16 << 20)

/* Takes the lines of a text as the labels of an output, unless it has some. *signatures is made
 * where it is NULL. INVALID_ARGUMENT for text that is not UTF-8; `origin` names it. */
SV_MUST_USE sv_status sv_signatures_add_labels(sv_signatures **signatures, sv_string text,
                                               const char *origin, const sv_model *model,
                                               size_t output);
void sv_signatures_destroy(sv_signatures *signatures); /* NULL is allowed */

/* The signature of that name and method. With an empty name: the only one of the method. NULL when
 * there is none; `signatures` may be NULL. */
const sv_signature *sv_signatures_find(const sv_signatures *signatures, sv_string name,
                                       sv_signature_method method);
/* "predict", "classify", "regress". */
const char *sv_signature_method_name(sv_signature_method method);
/* The label of class `index` of an output; false when there is none. `signatures` may be NULL. */
bool sv_signatures_label(const sv_signatures *signatures, size_t output, size_t index,
                         sv_string *out);

#endif
