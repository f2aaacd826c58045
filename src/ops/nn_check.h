/* Checks of shapes and dtypes that the neural-network operators share, beside those of support.h.
 */
#ifndef SV_OPS_NN_CHECK_H
#define SV_OPS_NN_CHECK_H

#include "ops/emit.h"

/* The dtypes of inputs 0..n-1 agree where they are known. */
SV_MUST_USE sv_status sv_infer_one_dtype(const sv_infer *x, uint32_t n);
/* Input `i` is absent, unknown, or a vector of `size` elements (negative: any number). */
SV_MUST_USE sv_status sv_infer_vector(const sv_infer *x, uint32_t i, int64_t size);
/* Input `i` is absent, unknown, or of these dims; negative ones on either side fit anything. */
SV_MUST_USE sv_status sv_infer_dims(const sv_infer *x, uint32_t i, int32_t rank,
                                    const int64_t *want);
/* The same once shapes are known: input `i` is absent or of these dims. */
SV_MUST_USE sv_status sv_emit_dims(const sv_emit *e, uint32_t i, int32_t rank, const int64_t *want);

#endif
