/* Walking the graphs that hang on a node's attributes (bodies of If, Loop, Scan and so on). */
#ifndef SV_IR_NESTED_H
#define SV_IR_NESTED_H

#include "ir/module.h"

/* How deep graphs may hang in one another; walks over them may recurse. */
#define SV_MAX_NESTING 64
/* Attributes of one node: they are found by walking, and ONNX's richest operator has about 20. */
#define SV_MAX_ATTRS 256

typedef struct sv_nested {
    const sv_node *node;
    uint32_t attr, at;
} sv_nested;

static inline sv_nested sv_nested_of(const sv_node *node)
{
    return (sv_nested){node, 0, 0};
}

/* The next graph of the node; NULL after the last. */
static inline sv_graph *sv_nested_next(sv_nested *walk)
{
    for (; walk->attr < walk->node->n_attr; walk->attr++, walk->at = 0) {
        const sv_attr *attr = &walk->node->attr[walk->attr];
        uint32_t count = attr->kind == SV_ATTR_GRAPH    ? 1
                         : attr->kind == SV_ATTR_GRAPHS ? attr->count
                                                        : 0;
        if (attr->reference) count = 0;
        if (walk->at < count) return attr->u.graphs[walk->at++];
    }
    return NULL;
}

#endif
