/* Whether an answer is the expected one, within a tolerance. */
#ifndef SV_CLI_COMPARE_H
#define SV_CLI_COMPARE_H

#include "tensor/datum.h"

typedef struct sv_comparison {
    double rtol, atol;
    /* Results, over all values compared. */
    uint64_t compared, differing;
    double max_abs; /* largest |found - expected| over finite values */
    double max_rel; /* largest |found - expected| / |expected| where expected is not 0 */
} sv_comparison;

/* Compares as numpy's assert_allclose does: |found - expected| <= atol + rtol * |expected|, NaN
 * equals NaN, infinities equal themselves; strings and bools exactly; kinds, dtypes and shapes must
 * be the same. An ABORTED status says the first difference (with its index); other codes are
 * failures of the comparison itself. The counts are kept up either way. */
SV_MUST_USE sv_status sv_compare(sv_comparison *comparison, const sv_datum *found,
                                 const sv_datum *expected);

#endif
