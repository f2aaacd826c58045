/* What passes share: looking around in a graph. */
#ifndef SV_OPTIMIZE_PASS_H
#define SV_OPTIMIZE_PASS_H

#include "ir/module.h"

#define PASS(name) SV_MUST_USE sv_status sv_pass_##name(sv_graph *graph);
#include "optimize/passes.inc"
#undef PASS

/* The node that makes the value; NULL for inputs, constants and captures. */
sv_node *sv_pass_producer(const sv_graph *graph, sv_value_id value);
/* The same when it is a node of `op`. */
sv_node *sv_pass_producer_of(const sv_graph *graph, sv_value_id value, sv_op op);
/* The value is read exactly once (use counts are those of the last normalise). */
bool sv_pass_read_once(const sv_graph *graph, sv_value_id value);
/* The constant behind a value; NULL when it is none, or no tensor. */
sv_constant *sv_pass_constant(const sv_graph *graph, sv_value_id value);
/* A constant of one f32 element; false otherwise. */
bool sv_pass_scalar(const sv_graph *graph, sv_value_id value, float *out);
/* Of a commutative node's two inputs: `other` is the one that is not `value`; false: neither is. */
bool sv_pass_other(const sv_node *node, sv_value_id value, sv_value_id *other);
/* `node` makes output 0 of `other` from now on, in place of its own; `other` is dead. */
void sv_pass_take_over(sv_graph *graph, sv_node *node, sv_node *other);
/* The operand broadcasts to the result without changing its shape, whatever the symbols stand for.
 */
bool sv_pass_broadcasts_to(const sv_graph *graph, sv_value_id operand, sv_value_id result);

#endif
