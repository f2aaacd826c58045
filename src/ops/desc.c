/* The table of descriptors, by operator. A descriptor lives in its family's file; here it only gets
 * its place. */
#include "base/status.h"
#include "ops/op.h"

#define DESC(name) extern const sv_op_desc sv_op_desc_##name;
#include "ops/descriptors.inc"
#undef DESC

static const sv_op_desc *const table[SV_OP_COUNT] = {
#define DESC(name) [SV_OP_##name] = &sv_op_desc_##name,
#include "ops/descriptors.inc"
#undef DESC
};

const sv_op_desc *sv_op_desc_get(sv_op op)
{
    return (unsigned)op < SV_OP_COUNT ? table[op] : NULL;
}

static sv_status check_count(const sv_node *node, const char *what, uint32_t found, uint8_t low,
                             uint8_t high)
{
    if (found >= low && (found <= high || high == 255)) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT, "expected %u to %u %s, found %u", low,
                         high, what, found);
}

static uint32_t used_outputs(const sv_node *node)
{
    uint32_t n = node->n_out;
    while (n > 0 && node->out[n - 1] == SV_NO_VALUE)
        n--;
    return n;
}

static sv_status check_required(const sv_node *node, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (node->in[i] == SV_NO_VALUE)
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "input %u: expected a value, found none", i);
    }
    return SV_OK;
}

sv_status sv_op_check(const sv_node *node)
{
    const sv_op_desc *desc = sv_op_desc_get(node->op);
    if (!desc) {
        return sv_node_error(
            node, SV_CODE_UNIMPLEMENTED, "operator %s.%s version %d is not supported",
            node->domain[0] ? node->domain : "ai.onnx", node->op_name, node->version);
    }
    uint32_t tail = 0;
    for (uint32_t i = 0; i < node->n_fused; i++)
        tail += node->fused[i].operand >= 0;
    SV_TRY(check_count(node, "inputs", node->n_in - tail, desc->min_in, desc->max_in));
    SV_TRY(check_required(node, desc->min_in));
    return check_count(node, "outputs", used_outputs(node), desc->min_out, desc->max_out);
}
