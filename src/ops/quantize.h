/* Quantisation that other families end with. */
#ifndef SV_OPS_QUANTIZE_H
#define SV_OPS_QUANTIZE_H

#include "ops/emit.h"

/* y = saturate(round(x / scale) + zero) with one scale and zero point for all, or one for each
 * index of the last dimension. `zero` may be SV_NO_SLOT. */
SV_MUST_USE sv_status sv_emit_quantize(sv_emit *e, sv_slot x, sv_slot scale, sv_slot zero,
                                       sv_slot y);

/* What bytes become before they are multiplied, without their zero point, which broadcasts into x
 * right-aligned and may be SV_NO_SLOT: a temporary of type `wide`. */
SV_MUST_USE sv_status sv_emit_centered(sv_emit *e, sv_slot x, sv_slot zero, sv_dtype wide,
                                       sv_slot *out);

#endif
