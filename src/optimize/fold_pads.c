/* Puts zeros around pictures into the convolutions that read them: Pad with the constant 0, on
 * spatial dimensions alone, becomes pads of Conv. Other modes and values stay. */
#include "base/status.h"
#include "optimize/pass.h"

#include <string.h>

/* More than the ranks of convolutions. */
enum { DIMS_MAX = 8, PAD_MAX = 1 << 20 };

/* The values of a known list of integers; 0: it is none, or too long. */
static uint32_t list_of(const sv_graph *graph, sv_value_id value, int64_t *out)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    if (!constant || sv_constant_derived(constant)) return 0;
    int64_t n = sv_tensor_count(&constant->source);
    for (int64_t i = 0; n <= 2 * DIMS_MAX && i < n; i++)
        out[i] = sv_tensor_get_i64(&constant->source, i);
    return n <= 2 * DIMS_MAX ? (uint32_t)n : 0;
}

static bool pads_with_zeros(const sv_graph *graph, const sv_node *pad)
{
    float value = 0;
    bool given = pad->n_in > 2 && pad->in[2] != SV_NO_VALUE;
    return strcmp(sv_node_text(pad, "mode", "constant"), "constant") == 0 &&
           (!given || sv_pass_scalar(graph, pad->in[2], &value)) && value == 0;
}

/* Adds what `pad` puts around the spatial dimensions of a map of `rank` to pads[2 * (rank - 2)];
 * false: it does other things too, or it is not known. */
static bool add_pads(const sv_graph *graph, const sv_node *pad, int32_t rank, int64_t *pads)
{
    int64_t amount[2 * DIMS_MAX], axis[2 * DIMS_MAX];
    bool axes = pad->n_in > 3 && pad->in[3] != SV_NO_VALUE;
    uint32_t n = axes ? list_of(graph, pad->in[3], axis) : (uint32_t)rank;
    if (!n || n > DIMS_MAX || list_of(graph, pad->in[1], amount) != 2 * n) return false;
    for (uint32_t i = 0; i < 2 * n; i++) {
        int64_t at = axes ? axis[i % n] : i % n;
        if (at < 0) at += rank;
        if (amount[i] == 0) continue;
        if (at < 2 || at >= rank || amount[i] < 0 || amount[i] > PAD_MAX) return false;
        int64_t *to = &pads[at - 2 + (i < n ? 0 : rank - 2)];
        if (*to > PAD_MAX) return false;
        *to += amount[i];
    }
    return true;
}

/* The convolution's own pads, of `n` values; false: it finds them itself. */
static bool own_pads(const sv_node *conv, uint32_t n, int64_t *pads)
{
    const char *mode = sv_node_text(conv, "auto_pad", "NOTSET");
    uint32_t count;
    memset(pads, 0, n * sizeof(*pads));
    if (strcmp(mode, "VALID") == 0) return true;
    const int64_t *own = sv_node_ints(conv, "pads", &count);
    if (strcmp(mode, "NOTSET") != 0 || (own && count != n)) return false;
    if (own) memcpy(pads, own, n * sizeof(*pads));
    return true;
}

static sv_status fold(sv_graph *graph, sv_node *conv)
{
    const sv_node *pad = sv_pass_producer_of(graph, conv->in[0], SV_OP_Pad);
    int32_t rank = pad ? graph->value[pad->in[0]].type.tensor.shape.rank : -1;
    int64_t pads[2 * DIMS_MAX];
    if (rank < 3 || rank > DIMS_MAX) return SV_OK;
    uint32_t n = 2 * (uint32_t)(rank - 2);
    if (!pads_with_zeros(graph, pad) || !own_pads(conv, n, pads) ||
        !add_pads(graph, pad, rank, pads))
        return SV_OK;
    conv->in[0] = pad->in[0];
    SV_TRY(sv_node_set_text(graph->module, conv, "auto_pad", "NOTSET"));
    return sv_node_set_ints(graph->module, conv, "pads", pads, n);
}

sv_status sv_pass_fold_pads(sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        sv_node *node = graph->node[i];
        if (!node->dead && node->op == SV_OP_Conv) SV_TRY(fold(graph, node));
    }
    return SV_OK;
}
