/* The best classes of an output: what classifications ask for.
 *
 * A row's scores are one tensor; their labels come from the model's side file
 * (store/signatures.h). */
#ifndef SV_FRONT_TOP_H
#define SV_FRONT_TOP_H

#include "serve/request.h"

typedef struct sv_top {
    double score;
    size_t index;
    sv_string label; /* without one the index as text */
    bool labelled;
} sv_top;

/* The `most` (at most all) largest scores of a row of an output, falling, the first of equals
 * first, NaN last; in the arena. An output of one dimension is one row. INVALID_ARGUMENT for an
 * output that holds no numbers. */
SV_MUST_USE sv_status sv_top_find(const sv_request *request, size_t output, size_t row,
                                  uint64_t most, sv_arena *arena, sv_top **out, size_t *count);

/* The same for all rows as texts "score:index", with ":label" where there is one: strings of shape
 * [rows, count], or [count] for an output of one dimension. `scores` is the output, maybe in a
 * shape that only clients see. */
SV_MUST_USE sv_status sv_top_texts(const sv_request *request, size_t output,
                                   const sv_buffer *scores, uint64_t most, sv_arena *arena,
                                   sv_buffer *out);

#endif
