/* The table of operators' names and versions. What they mean is in ops/. */
#include "ir/module.h"

#include <string.h>

static const sv_op_row rows[SV_OP_COUNT] = {
    [SV_OP_UNKNOWN] = {"", "", 0, 0},
#define OP(domain, name, since, newest) [SV_OP_##name] = {domain, #name, since, newest},
#include "ir/opset.inc"
#undef OP
};

const sv_op_row *sv_op_get(sv_op op)
{
    return (unsigned)op < SV_OP_COUNT ? &rows[op] : &rows[SV_OP_UNKNOWN];
}

sv_op sv_op_find(const char *domain, const char *name)
{
    if (!*domain) domain = "ai.onnx";
    unsigned low = SV_OP_UNKNOWN + 1, high = SV_OP_COUNT;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = strcmp(domain, rows[middle].domain);
        if (order == 0) order = strcmp(name, rows[middle].name);
        if (order == 0) return (sv_op)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SV_OP_UNKNOWN;
}
