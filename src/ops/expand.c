/* Building the graph that stands for a function operator. */
#include "base/status.h"
#include "ops/op.h"

#include <string.h>

sv_status sv_expand_add(sv_expand *x, sv_op op, uint32_t n_in, const sv_value_id *in,
                        sv_node **node, sv_value_id *out)
{
    sv_node *added;
    SV_TRY(sv_graph_add_node(x->graph, op, x->node->name, n_in, 1, &added));
    if (n_in) memcpy(added->in, in, n_in * sizeof(*in));
    if (node) *node = added;
    *out = added->out[0];
    return SV_OK;
}

void sv_expand_output(sv_expand *x, uint32_t index, sv_value_id value)
{
    if (index < x->node->n_out && x->node->out[index] != SV_NO_VALUE)
        sv_graph_replace_uses(x->graph, x->node->out[index], value);
}
