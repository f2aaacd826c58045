/* Masks of attention scores, shared by the attention operators. */
#ifndef SV_OPS_NN_ATTENTION_H
#define SV_OPS_NN_ATTENTION_H

#include "ops/emit.h"

/* Which keys a query may look at, besides what a mask tensor says. */
typedef struct sv_attention_mask {
    bool causal; /* query i sees keys up to past + i */
    int64_t past;
    int64_t group; /* of the scores' third dimension */
} sv_attention_mask;

/* Masks `scores` (f32 or f64, [batch, kv_heads, group, queries, keys]) in place. `mask`
 * (SV_NO_SLOT: none): bool (true: may look) or float (added), broadcast to [batch, kv_heads *
 * group, queries, keys]; keys beyond its last dimension are masked. `nonpad` (SV_NO_SLOT: none):
 * i64 [batch], the number of keys that count. */
SV_MUST_USE sv_status sv_emit_attention_mask(sv_emit *e, const sv_attention_mask *param,
                                             sv_slot scores, sv_slot mask, sv_slot nonpad);

#endif
