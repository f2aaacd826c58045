/* Tensors as JSON arrays, both ways: the one place where JSON numbers become elements.
 *
 * The shape is found while reading, as TensorFlow Serving's clients never say it: nested arrays are
 * dimensions, a value that is no array has rank 0. Where a protocol says shape and data apart, the
 * caller compares. Sub-byte types take one byte an element, as everywhere in memory. */
#ifndef SV_CODEC_JSON_TENSOR_H
#define SV_CODEC_JSON_TENSOR_H

#include "base/text.h"
#include "tensor/tensor.h"
#include "wire/json.h"

/* Where elements go. `grow` makes room for `bytes` bytes in all, keeping what is there, and gives
 * the (possibly moved) memory, aligned for the elements. It is asked for more than the tensor takes
 * in the end. */
typedef struct sv_json_sink {
    sv_status (*grow)(void *self, size_t bytes, void **out);
    void *self;
} sv_json_sink;

typedef struct sv_json_tensor_options {
    size_t expected_count; /* elements that probably come: saves growing; 0: unknown */
    bool allow_base64;     /* strings may be {"b64": "..."}, as in TensorFlow Serving */
    bool copy_strings;     /* into the reader's arena; false: plain ones stay in the text */
} sv_json_tensor_options;

/* Reads the value where `json` stands. `dtype` is one that sv_json_tensor_infer gives or that the
 * model asks for: any but complex. Integers must be written as such and in range; bool takes true,
 * false, 0 and 1; floats beyond the type's range are refused, NaN and the like taken where the
 * reader allows them. Strings' bytes lie in the text or the reader's arena. `options` may be NULL.
 * Errors: INVALID_ARGUMENT with the byte (ragged arrays, too many dimensions, values that do not
 * fit), UNIMPLEMENTED (complex), and what the sink says. */
SV_MUST_USE sv_status sv_json_tensor_read(sv_json *json, sv_dtype dtype,
                                          const sv_json_tensor_options *options,
                                          const sv_json_sink *sink, sv_shape *out);

/* The type that the value where `json` stands asks for: bool, string, int64 when all numbers are
 * integers, else float32; float32 when there is no element. `json` stays where it is. */
SV_MUST_USE sv_status sv_json_tensor_infer(const sv_json *json, sv_dtype *out);

/* The same into an arena; `dtype` SV_DTYPE_NONE: inferred. */
SV_MUST_USE sv_status sv_json_tensor_read_arena(sv_json *json, sv_dtype dtype,
                                                const sv_json_tensor_options *options,
                                                sv_arena *arena, sv_tensor *out);

typedef struct sv_json_write_options {
    bool flat;   /* one array, whatever the rank */
    bool base64; /* strings as {"b64": "..."} */
} sv_json_write_options;

/* Appends the tensor as nested arrays, rank 0 as a bare value (also when flat). Non-finite numbers
 * become NaN, Infinity and -Infinity. Complex numbers are UNIMPLEMENTED. `options` may be NULL. */
SV_MUST_USE sv_status sv_json_tensor_write(sv_text *text, const sv_tensor *tensor,
                                           const sv_json_write_options *options);

#endif
