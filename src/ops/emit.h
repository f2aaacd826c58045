/* Emission: how a node becomes work. `emit` appends items (problems for kernel families, views,
 * copies into place) over numbered slots, and knows nothing of storage: the engine (or the
 * evaluator of single nodes) assigns storage, binds strides, removes the copies that it can, and
 * chooses kernels.
 *
 * emit accepts symbolic shapes: at load it is called so that each use of a constant gets its packed
 * format. Then only the types of constants can be relied on; problems have negative dims. */
#ifndef SV_OPS_EMIT_H
#define SV_OPS_EMIT_H

#include "kernels/kernel.h"
#include "ops/op.h"

/* Slots: inputs 0 .. n_in - 1, outputs n_in .. n_in + n_out - 1, then temporaries and constants. */
typedef uint32_t sv_slot;
#define SV_NO_SLOT UINT32_MAX

typedef enum sv_layout {
    SV_LAYOUT_ANY,   /* any strides */
    SV_LAYOUT_DENSE, /* row-major without gaps */
    SV_LAYOUT_CLAST, /* channels-last: dimension 1 has stride 1, pixels follow in order */
} sv_layout;

/* An operand of a problem: a slot, how it must lie, and how it is seen. */
typedef struct sv_ref {
    sv_slot slot;   /* SV_NO_SLOT: absent */
    uint8_t layout; /* sv_layout the kernel needs (of the slot, before perm and expand) */
    bool weight;    /* may be packed when it is a constant */
    bool follows;   /* written: channels last where an input of as many images and channels is */
    bool apart;     /* written: an input of the same dims has them by chance, and is not followed */
    bool merged;    /* seen with its first two dimensions as one; the slot lies dense */
    bool permuted;  /* seen with dimension i = slot's dimension perm[i] */
    bool expanded;  /* then broadcast to `shape` (right-aligned, stride 0) */
    uint8_t perm[SV_MAX_RANK];
    sv_shape shape;
} sv_ref;

static inline sv_ref sv_ref_any(sv_slot slot)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_ANY};
}
static inline sv_ref sv_ref_dense(sv_slot slot)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_DENSE};
}
static inline sv_ref sv_ref_clast(sv_slot slot)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_CLAST};
}
static inline sv_ref sv_ref_follow(sv_slot slot)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_ANY, .follows = true};
}
static inline sv_ref sv_ref_apart(sv_slot slot)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_ANY, .apart = true};
}
static inline sv_ref sv_ref_expand(sv_slot slot, const sv_shape *to)
{
    return (sv_ref){.slot = slot, .layout = SV_LAYOUT_ANY, .expanded = true, .shape = *to};
}

typedef enum sv_item_kind {
    SV_ITEM_PROBLEM,
    SV_ITEM_VIEW, /* slot `to` is `from` seen otherwise; bytes may be shared */
    SV_ITEM_COPY, /* a window of `to` is filled from `from`; the source may live in the destination
                   */
} sv_item_kind;

typedef enum sv_view_kind {
    SV_VIEW_RESHAPE, /* same elements in row-major order, other dims */
    SV_VIEW_PERMUTE, /* to.dim[i] = from.dim[perm[i]] */
    SV_VIEW_WINDOW,  /* to[i] = from[start + i * step] (step not 0, may be negative) */
    SV_VIEW_EXPAND,  /* broadcast, right-aligned */
} sv_view_kind;

typedef struct sv_item {
    uint8_t kind, view;
    sv_slot from, to;          /* VIEW, COPY */
    uint8_t perm[SV_MAX_RANK]; /* PERMUTE */
    int64_t start[SV_MAX_RANK],
        step[SV_MAX_RANK];   /* WINDOW; start also for COPY (of the window in to) */
    sv_problem problem;      /* PROBLEM: desc is NULL, operands are refs */
    sv_ref *ref;             /* [problem.n_operand] */
    const sv_kernel *kernel; /* family custom: the operator's own loop */
} sv_item;

/* What emit sees and fills. Memory comes from `arena`, which the caller owns. */
struct sv_emit {
    const sv_module *module;
    const sv_node *node;
    uint32_t n_in, n_out;
    const sv_tensor *const *known; /* [n_in]; NULL: no value known */
    sv_arena *arena;
    uint32_t n_slot, slot_capacity;
    sv_type *slot;        /* [n_slot]: types of all slots; dtype NONE: absent */
    sv_tensor **constant; /* [n_slot]: value of slots made by sv_emit_constant, else NULL */
    uint32_t n_item, item_capacity;
    sv_item *item;
    bool symbolic;          /* shapes may be symbolic: only weights matter */
    const sv_tensor *table; /* what the descriptor's table has made; NULL: made when it is wanted */
    sv_slot table_slot;     /* where the items read it, or SV_NO_SLOT */
};

static inline sv_slot sv_emit_in(const sv_emit *e, uint32_t i)
{
    return i < e->n_in && e->slot[i].dtype != SV_DTYPE_NONE ? i : SV_NO_SLOT;
}
static inline sv_slot sv_emit_out(const sv_emit *e, uint32_t i)
{
    return i < e->n_out && e->slot[e->n_in + i].dtype != SV_DTYPE_NONE ? e->n_in + i : SV_NO_SLOT;
}
static inline const sv_type *sv_emit_type(const sv_emit *e, sv_slot slot)
{
    return &e->slot[slot];
}

/* The value of an input if it is known (constant, or asked by infer). NULL otherwise. */
const sv_tensor *sv_emit_value(const sv_emit *e, uint32_t input);
SV_MUST_USE sv_status sv_emit_temp(sv_emit *e, sv_dtype dtype, const sv_shape *shape, sv_slot *out);
/* A small constant that belongs to the plan; the bytes are copied. */
SV_MUST_USE sv_status sv_emit_constant(sv_emit *e, sv_dtype dtype, const sv_shape *shape,
                                       const void *data, sv_slot *out);
/* The node's table (sv_op_desc.table) as a slot, and as a value. */
SV_MUST_USE sv_status sv_emit_table(sv_emit *e, sv_slot *slot, const sv_tensor **value);

/* Appends a problem. `param` is copied; bit i of write_mask: operand i is written. Fusable problems
 * have exactly one written operand, the node's output 0. */
SV_MUST_USE sv_status sv_emit_problem(sv_emit *e, sv_family family, const void *param, size_t size,
                                      uint32_t n, const sv_ref *ref, uint32_t write_mask);
/* The same with an epilogue whose operands are among `ref`. */
SV_MUST_USE sv_status sv_emit_problem_epilogue(sv_emit *e, sv_family family, const void *param,
                                               size_t size, uint32_t n, const sv_ref *ref,
                                               uint32_t write_mask, const sv_epilogue *epilogue);
/* An operator's own loop over dense operands: all inputs, then all outputs, in order (absent ones
 * have dtype NONE and a NULL pointer). `kernel` is of family custom. */
SV_MUST_USE sv_status sv_emit_run(sv_emit *e, const sv_kernel *kernel, const void *param,
                                  size_t size);

SV_MUST_USE sv_status sv_emit_reshape(sv_emit *e, sv_slot to, sv_slot from);
SV_MUST_USE sv_status sv_emit_permute(sv_emit *e, sv_slot to, sv_slot from, const uint8_t *perm);
SV_MUST_USE sv_status sv_emit_window(sv_emit *e, sv_slot to, sv_slot from, const int64_t *start,
                                     const int64_t *step);
SV_MUST_USE sv_status sv_emit_expand(sv_emit *e, sv_slot to, sv_slot from);
/* Fills the window of `to` that begins at `start` and has from's dims. Several copies fill a whole.
 */
SV_MUST_USE sv_status sv_emit_copy(sv_emit *e, sv_slot to, sv_slot from, const int64_t *start);

/* Elementwise shorthands: operands are expanded to the output's shape. */
SV_MUST_USE sv_status sv_emit_unary(sv_emit *e, int unary, sv_slot from, sv_slot to, double a,
                                    double b);
SV_MUST_USE sv_status sv_emit_binary(sv_emit *e, int binary, sv_slot a, sv_slot b, sv_slot to);
SV_MUST_USE sv_status sv_emit_convert(sv_emit *e, sv_slot from, sv_slot to);

/* Runs the descriptor's emit, then appends the node's fused operators: as epilogues of its problem
 * while they fit, as elementwise items after that. The caller has filled types and known values. */
SV_MUST_USE sv_status sv_op_emit(sv_emit *e);
/* Prepares `e`: n_in + n_out slots with these types. */
SV_MUST_USE sv_status sv_emit_init(sv_emit *e, const sv_module *module, const sv_node *node,
                                   const sv_type *in, const sv_type *out,
                                   const sv_tensor *const *known, sv_arena *arena);

/* The operand of a dense tensor of this type; strides are 0 while the shape is symbolic. */
sv_desc sv_type_desc(const sv_type *type);
/* How a problem sees the operand that lies as `slot` says: merged, permuted, then expanded. */
sv_desc sv_ref_bind(const sv_ref *ref, const sv_desc *slot);
/* Broadcast, right-aligned: stride 0 where dimensions are repeated. */
sv_desc sv_desc_expand(const sv_desc *from, const sv_shape *to);
/* The types of the slots that a descriptor's measure fills, for outputs of these types. */
SV_MUST_USE sv_status sv_measure_types(const sv_type *out, uint32_t n, sv_type *dims);
/* The status of a data error that a step of `node` recorded. */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_fault_status(const sv_fault *fault, const char *node,
                                                        const char *op);

/* Translates an operator fused behind a node to a unary operation with its parameters (attributes
 * by `attr`); false: it is none. */
bool sv_fused_unary(sv_op op, const sv_attr *attr, uint32_t n_attr, sv_epilogue_item *out);

#endif
