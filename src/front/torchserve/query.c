/* Numbers in the query. */
#include "front/torchserve/query.h"

#include "base/status.h"

#define MAX_DIGITS 9

sv_status sv_torchserve_number(const sv_call *call, const char *name, uint64_t fallback,
                               uint64_t *out, bool *given)
{
    sv_string text;
    bool there = sv_exchange_query(call->x, name, &text);
    if (given) *given = there;
    *out = fallback;
    if (!there) return SV_OK;
    uint64_t value = 0;
    bool good = text.size > 0 && text.size <= MAX_DIGITS;
    for (size_t i = 0; good && i < text.size; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9';
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (!good) {
        return sv_error_invalid("%s: expected a whole number of at most %d digits, found '%.*s'",
                                name, MAX_DIGITS, (int)(text.size < 32 ? text.size : 32),
                                text.data);
    }
    *out = value;
    return SV_OK;
}
