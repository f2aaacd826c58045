/* Storage: where every value lies, in which layout, and which copies remain.
 *
 * Runs forward over the needed items and turns them into steps. Views share their source's storage
 * when strides allow it; the sources of copies are made in their destination when that is possible;
 * a kernel that needs another layout gets a copy, made once a value and layout. */
#include "engine/build.h"

#include "base/status.h"
#include "kernels/elementwise.h"

#include <string.h>

enum { NESTING_MAX = 256 };

static const sv_program *program_of(const sv_build *build)
{
    return build->compiled->program;
}

static sv_status no_memory(size_t size)
{
    return sv_error_memory("plan", size);
}

sv_status sv_build_add_base(sv_build *build, uint32_t space, uint32_t index, uint64_t bytes,
                            uint32_t *out)
{
    void *array = build->base;
    if (!sv_arena_grow(build->arena, &array, &build->base_capacity, build->n_base,
                       build->n_base + 1, sizeof(sv_base)))
        return no_memory(sizeof(sv_base));
    build->base = array;
    build->base[build->n_base] = (sv_base){.space = space,
                                           .index = index,
                                           .bytes = bytes,
                                           .first = UINT32_MAX,
                                           .merged = SV_NO_INDEX,
                                           .constant = SV_NO_INDEX};
    *out = build->n_base++;
    return SV_OK;
}

uint32_t sv_build_root(const sv_build *build, uint32_t base)
{
    while (build->base[base].merged != SV_NO_INDEX)
        base = build->base[base].merged;
    return base;
}

sv_status sv_build_add_step(sv_build *build, sv_build_step **out)
{
    void *array = build->step;
    if (!sv_arena_grow(build->arena, &array, &build->step_capacity, build->n_step,
                       build->n_step + 1, sizeof(sv_build_step)))
        return no_memory(sizeof(sv_build_step));
    build->step = array;
    *out = &build->step[build->n_step++];
    memset(*out, 0, sizeof(**out));
    return SV_OK;
}

/* ---- what is needed ---------------------------------------------------------------------- */

static void mark_item(sv_build *build, const sv_build_item *from, bool *needed)
{
    const sv_item *item = &from->item;
    if (from->kind != SV_BUILD_ITEM) {
        *needed = true;
        if (from->kind == SV_BUILD_BRANCH) build->value[item->from].needed = true;
        return;
    }
    if (item->kind != SV_ITEM_PROBLEM) {
        *needed = build->value[item->to].needed;
        if (*needed) build->value[item->from].needed = true;
        return;
    }
    for (uint32_t i = 0; i < item->problem.n_operand; i++) {
        if (item->problem.write_mask >> i & 1 && item->ref[i].slot != SV_NO_SLOT)
            *needed |= build->value[item->ref[i].slot].needed;
    }
    for (uint32_t i = 0; *needed && i < item->problem.n_operand; i++) {
        if (item->ref[i].slot != SV_NO_SLOT) build->value[item->ref[i].slot].needed = true;
    }
}

/* Values that outlive this segment, then everything they are made of. Drops items that nobody
 * needs. */
static void mark_needed(sv_build *build)
{
    const sv_program *program = program_of(build);
    bool ends = build->plan->break_kind == SV_BREAK_END;
    for (uint32_t p = 0; p < program->n_value; p++) {
        uint32_t v = build->program_value[p];
        if (v == SV_NO_INDEX) continue;
        uint32_t last = program->value[p].last_use;
        build->value[v].live_out = !ends && (last == SV_NO_INDEX || last >= build->plan->next);
        build->value[v].needed = build->value[v].live_out;
    }
    for (uint32_t i = 0; i < program->n_out; i++) {
        uint32_t v = build->program_value[program->out[i]];
        if (v == SV_NO_INDEX) continue;
        build->value[v].needed = true;
        if (build->value[v].output == SV_NO_INDEX) build->value[v].output = i;
    }
    for (uint32_t i = 0; i < build->plan->n_size; i++) {
        if (build->size_value[i] != SV_NO_INDEX) build->value[build->size_value[i]].needed = true;
    }
    for (uint32_t i = 0; i < build->plan->n_argument; i++) {
        uint32_t v = build->argument[i];
        if (v != SV_NO_INDEX) build->value[v].needed = build->value[v].live_out = true;
    }
    uint32_t kept = build->n_item;
    for (uint32_t i = build->n_item; i-- > 0;) {
        bool needed = false;
        mark_item(build, &build->item[i], &needed);
        if (needed) build->item[--kept] = build->item[i];
    }
    build->item += kept;
    build->n_item -= kept;
}

/* What is written by problems, and by copies; views as another shape may turn out to be copies. */
static void mark_written(sv_build *build)
{
    for (uint32_t i = 0; i < build->n_item; i++) {
        const sv_item *item = &build->item[i].item;
        if (build->item[i].kind != SV_BUILD_ITEM) continue;
        bool reshape = item->kind == SV_ITEM_VIEW && item->view == SV_VIEW_RESHAPE;
        if (item->kind == SV_ITEM_COPY || reshape) {
            build->value[item->to].produced = true;
            build->value[item->to].region = build->item[i].region;
        }
        for (uint32_t r = 0; item->kind == SV_ITEM_PROBLEM && r < item->problem.n_operand; r++) {
            if (!(item->problem.write_mask >> r & 1) || item->ref[r].slot == SV_NO_SLOT) continue;
            sv_build_value *value = &build->value[item->ref[r].slot];
            value->produced = value->overwritten = true;
            value->region = build->item[i].region;
            if (item->ref[r].layout != SV_LAYOUT_ANY) value->layout = item->ref[r].layout;
        }
    }
}

/* Destinations lie in destinations, and are assigned from the outermost in: not too deep. */
static void limit_nesting(sv_build *build)
{
    for (uint32_t i = build->n_item; i-- > 0;) {
        const sv_item *item = &build->item[i].item;
        if (build->item[i].kind != SV_BUILD_ITEM || item->kind != SV_ITEM_COPY) continue;
        sv_build_value *from = &build->value[item->from];
        if (from->into != item->to) continue;
        from->nesting = build->value[item->to].nesting + 1;
        if (from->nesting <= NESTING_MAX) continue;
        from->nesting = 0;
        from->into = SV_NO_INDEX;
    }
}

/* What is a model's output but for its name or its shape is made in the caller's memory too. */
static void hand_outputs_back(sv_build *build)
{
    for (uint32_t i = build->n_item; i-- > 0;) {
        const sv_item *item = &build->item[i].item;
        if (build->item[i].kind != SV_BUILD_ITEM || item->kind != SV_ITEM_VIEW ||
            item->view != SV_VIEW_RESHAPE)
            continue;
        sv_build_value *from = &build->value[item->from];
        if (from->output == SV_NO_INDEX && from->produced && from->region == build->item[i].region)
            from->output = build->value[item->to].output;
    }
}

/* Which sources of copies may be made in their destination. */
static void plan_elision(sv_build *build)
{
    mark_written(build);
    hand_outputs_back(build);
    for (uint32_t i = 0; i < build->n_item; i++) {
        const sv_item *item = &build->item[i].item;
        if (build->item[i].kind != SV_BUILD_ITEM || item->kind != SV_ITEM_COPY) continue;
        sv_build_value *from = &build->value[item->from], *to = &build->value[item->to];
        bool fits = from->produced && from->region == build->item[i].region &&
                    from->into == SV_NO_INDEX && from->output == SV_NO_INDEX && !to->overwritten &&
                    from->type.dtype == to->type.dtype &&
                    from->type.shape.rank == to->type.shape.rank;
        if (!fits) continue;
        from->into = item->to;
        memcpy(from->into_start, item->start, sizeof(item->start));
    }
    limit_nesting(build);
}

/* ---- assigning storage to what is written ------------------------------------------------ */

static sv_status own_base(sv_build *build, sv_build_value *value, const sv_desc *desc,
                          uint32_t space, uint32_t index)
{
    uint64_t bytes = sv_layout_extent(desc) * sv_dtype_get(desc->dtype)->size;
    uint32_t base;
    SV_TRY(sv_build_add_base(build, space, index, bytes, &base));
    value->storage = (sv_storage){.base = base, .desc = *desc};
    value->stored = true;
    return SV_OK;
}

static bool suits(sv_desc *desc, uint8_t layout)
{
    if (layout == SV_LAYOUT_DENSE) return sv_desc_dense(desc);
    if (layout == SV_LAYOUT_CLAST) return sv_layout_is_clast(desc);
    return true;
}

static sv_status assign(sv_build *build, uint32_t v, uint8_t layout);

/* Lays the value into the window of its destination, if that suits the layout. */
static sv_status assign_window(sv_build *build, uint32_t v, uint8_t layout, bool *done)
{
    uint32_t into = build->value[v].into;
    if (!build->value[into].stored) SV_TRY(assign(build, into, layout));
    sv_build_value *value = &build->value[v];
    sv_storage window = build->value[into].storage;
    memcpy(window.desc.dim, value->type.shape.dim, sizeof(window.desc.dim));
    for (int32_t i = 0; i < window.desc.rank; i++)
        window.offset += value->into_start[i] * window.desc.stride[i];
    if (!suits(&window.desc, layout)) {
        value->into = SV_NO_INDEX;
        return SV_OK;
    }
    value->storage = window;
    value->stored = *done = true;
    return SV_OK;
}

/* Storage for a value that is about to be written; a problem that writes it later has the last word
 * on its layout. */
static sv_status assign(sv_build *build, uint32_t v, uint8_t layout)
{
    bool done = false;
    if (build->value[v].layout != SV_LAYOUT_ANY) layout = build->value[v].layout;
    if (build->value[v].into != SV_NO_INDEX) SV_TRY(assign_window(build, v, layout, &done));
    if (done) return SV_OK;
    sv_build_value *value = &build->value[v];
    sv_desc dense = sv_layout_dense(&value->type), desc = dense;
    if (layout == SV_LAYOUT_CLAST && !sv_layout_is_clast(&desc))
        desc = sv_layout_clast(&value->type);
    if (value->output != SV_NO_INDEX && suits(&dense, layout))
        return own_base(build, value, &dense, SV_SPACE_OUTPUT, value->output);
    return own_base(build, value, &desc, SV_SPACE_SLAB, build->plan->segment);
}

/* ---- storage of what is read ------------------------------------------------------------- */

static sv_status constant_base(sv_build *build, uint32_t v)
{
    sv_build_value *value = &build->value[v];
    sv_desc desc = sv_layout_dense(&value->type);
    uint32_t constant = SV_NO_INDEX;
    if (value->program != SV_NO_INDEX) constant = program_of(build)->value[value->program].constant;
    if (constant == SV_NO_INDEX) {
        SV_TRY(own_base(build, value, &desc, SV_SPACE_PLAN, build->plan->segment));
        build->base[value->storage.base].constant = v;
        return SV_OK;
    }
    uint32_t derived = build->compiled->derived[constant];
    if (derived != SV_NO_INDEX) return own_base(build, value, &desc, SV_SPACE_WEIGHT, derived);
    return own_base(build, value, &desc, SV_SPACE_CONSTANT, constant);
}

/* Where a value that this segment has not made lies. */
static sv_status outside_storage(sv_build *build, uint32_t v)
{
    sv_build_value *value = &build->value[v];
    uint32_t p = value->program;
    const sv_program_value *from = p == SV_NO_INDEX ? NULL : &program_of(build)->value[p];
    if (value->table != SV_NO_INDEX) {
        sv_desc desc = sv_layout_dense(&value->type);
        return own_base(build, value, &desc, SV_SPACE_WEIGHT, value->table);
    }
    if (from && from->input != SV_NO_INDEX) {
        sv_desc desc = sv_layout_dense(&value->type);
        return own_base(build, value, &desc, SV_SPACE_INPUT, from->input);
    }
    if (value->known || (from && from->constant != SV_NO_INDEX)) return constant_base(build, v);
    if (from && from->held != SV_NO_INDEX) {
        sv_desc desc = sv_layout_dense(&value->type);
        return own_base(build, value, &desc, SV_SPACE_HELD, from->held);
    }
    const sv_plan *parent = build->plan->parent;
    if (!parent || parent->place[p].type.dtype == SV_DTYPE_NONE) {
        sv_desc empty = sv_layout_dense(&value->type);
        /* Operators need not write what has no elements. */
        if (sv_desc_count(&empty) == 0)
            return own_base(build, value, &empty, SV_SPACE_SLAB, build->plan->segment);
        return sv_error_internal("value '%s' is read before it is made", from ? from->name : "");
    }
    const sv_place *place = &parent->place[p];
    SV_TRY(own_base(build, value, &place->desc, place->at.space, place->at.index));
    build->base[value->storage.base].offset = place->at.offset;
    return SV_OK;
}

static sv_status stored(sv_build *build, uint32_t v, sv_storage *out)
{
    if (!build->value[v].stored) SV_TRY(outside_storage(build, v));
    *out = build->value[v].storage;
    return SV_OK;
}

/* ---- steps ------------------------------------------------------------------------------- */

static sv_status step_arrays(sv_build *build, sv_build_step *step, uint32_t n)
{
    step->problem.desc = sv_arena_array(&build->plan->arena, n + SV_EPILOGUE_MAX, sizeof(sv_desc));
    step->operand = sv_arena_array(build->arena, n + SV_EPILOGUE_MAX, sizeof(sv_storage));
    step->value = sv_arena_array(build->arena, n + SV_EPILOGUE_MAX, sizeof(uint32_t));
    if (!step->problem.desc || !step->operand || !step->value)
        return no_memory(n * sizeof(sv_desc));
    return SV_OK;
}

/* Copies elements from one storage to another of equal dims. */
static sv_status copy_step(sv_build *build, uint32_t node, uint32_t from_value,
                           const sv_storage *from, uint32_t to_value, const sv_storage *to,
                           bool window)
{
    sv_build_step *step;
    SV_TRY(sv_build_add_step(build, &step));
    SV_TRY(step_arrays(build, step, 2));
    step->node = node;
    step->window = window;
    sv_desc *desc = step->problem.desc;
    step->problem = (sv_problem){.family = SV_FAMILY_copy,
                                 .n_operand = 2,
                                 .write_mask = 2,
                                 .prices = build->compiled->options.prices,
                                 .desc = desc};
    step->operand[0] = *from;
    step->operand[1] = *to;
    step->value[0] = from_value;
    step->value[1] = to_value;
    step->problem.desc[0] = from->desc;
    step->problem.desc[1] = to->desc;
    return SV_OK;
}

/* The value that holds a copy of `v` in the layout. Copies made in one branch do not exist in the
 * other, nor behind the join. */
static uint32_t *copy_of(sv_build *build, uint32_t v, uint8_t layout)
{
    sv_build_value *value = &build->value[v];
    if (value->copied_in != build->stretch) value->as_dense = value->as_clast = SV_NO_INDEX;
    value->copied_in = build->stretch;
    return layout == SV_LAYOUT_DENSE ? &value->as_dense : &value->as_clast;
}

/* A copy of the value in the layout, noted for later readers; `output`: of which model output it
 * has the elements, or SV_NO_INDEX. */
static sv_status make_copy(sv_build *build, uint32_t node, uint32_t v, uint8_t layout,
                           uint32_t output, uint32_t *out)
{
    const sv_type type = build->value[v].type;
    uint32_t copy;
    SV_TRY(sv_build_add_value(build, &type, SV_NO_INDEX, &copy));
    build->value[copy].output = output;
    SV_TRY(assign(build, copy, layout));
    const sv_storage from = build->value[v].storage;
    SV_TRY(copy_step(build, node, v, &from, copy, &build->value[copy].storage, false));
    *copy_of(build, v, layout) = *out = copy;
    return SV_OK;
}

/* The value's elements in the layout that a reader needs; copied once a layout. */
static sv_status laid_out_for(sv_build *build, uint32_t node, uint32_t v, uint8_t layout,
                              uint32_t output, uint32_t *value, sv_storage *out)
{
    *value = v;
    SV_TRY(stored(build, v, out));
    if (suits(&out->desc, layout)) return SV_OK;
    *value = *copy_of(build, v, layout);
    if (*value == SV_NO_INDEX) SV_TRY(make_copy(build, node, v, layout, output, value));
    return stored(build, *value, out);
}

static sv_status laid_out(sv_build *build, uint32_t node, uint32_t v, uint8_t layout,
                          uint32_t *value, sv_storage *out)
{
    return laid_out_for(build, node, v, layout, SV_NO_INDEX, value, out);
}

/* Whether a written operand follows the layout of an input: of the same dims, or of as many images
 * and channels where the operator says so. The latter's kernels write graph outputs as these are
 * wanted. */
static bool goes_with(const sv_ref *ref, const sv_build_value *value, const sv_shape *input)
{
    const sv_shape *shape = &value->type.shape;
    if (sv_shape_equal(shape, input)) return true;
    return ref->follows && value->output == SV_NO_INDEX && shape->rank == input->rank &&
           shape->rank >= 3 && shape->dim[0] == input->dim[0] && shape->dim[1] == input->dim[1];
}

/* A written operand of any layout follows a channels-last input that it goes with. */
static uint8_t follow_layout(sv_build *build, const sv_item *item, uint32_t operand)
{
    const sv_ref *ref = &item->ref[operand];
    if (ref->layout != SV_LAYOUT_ANY || ref->apart) return ref->layout;
    for (uint32_t i = 0; i < item->problem.n_operand; i++) {
        const sv_ref *other = &item->ref[i];
        if (item->problem.write_mask >> i & 1 || other->slot == SV_NO_SLOT || other->permuted)
            continue;
        const sv_build_value *value = &build->value[other->slot];
        if (!value->stored || !goes_with(ref, &build->value[ref->slot], &value->type.shape))
            continue;
        sv_desc desc = value->storage.desc;
        if (desc.rank >= 3 && !sv_desc_dense(&desc) && sv_layout_is_clast(&desc))
            return SV_LAYOUT_CLAST;
        return SV_LAYOUT_ANY;
    }
    return SV_LAYOUT_ANY;
}

static sv_status weight_storage(sv_build *build, uint32_t v, uint32_t entry, sv_storage *out)
{
    out->offset = 0;
    out->desc = sv_layout_dense(&build->value[v].type);
    return sv_build_add_base(build, SV_SPACE_WEIGHT, entry,
                             build->compiled->store->entry[entry].bytes, &out->base);
}

static sv_status bind_operand(sv_build *build, const sv_build_item *item, uint32_t i,
                              sv_storage *operand, uint32_t *value, sv_problem *problem)
{
    const sv_ref *ref = &item->item.ref[i];
    operand->base = SV_NO_INDEX;
    *value = SV_NO_INDEX;
    if (ref->slot == SV_NO_SLOT) return SV_OK;
    *value = ref->slot;
    if (item->item.problem.write_mask >> i & 1) {
        uint8_t layout = follow_layout(build, &item->item, i);
        if (!build->value[ref->slot].stored) SV_TRY(assign(build, ref->slot, layout));
        return stored(build, ref->slot, operand);
    }
    if (item->weight[i] != SV_NO_INDEX) {
        problem->b_format = build->compiled->store->entry[item->weight[i]].format;
        problem->b_dtype = build->value[ref->slot].type.dtype;
        return weight_storage(build, ref->slot, item->weight[i], operand);
    }
    return laid_out(build, item->node, ref->slot, ref->layout, value, operand);
}

static bool has_window(const sv_build *build, const sv_item *item)
{
    for (uint32_t i = 0; i < item->problem.n_operand; i++) {
        uint32_t slot = item->ref[i].slot;
        if (item->problem.write_mask >> i & 1 && slot != SV_NO_SLOT &&
            build->value[slot].into != SV_NO_INDEX)
            return true;
    }
    return false;
}

static sv_status problem_step(sv_build *build, const sv_build_item *item)
{
    sv_build_step made = {
        .node = item->node, .problem = item->item.problem, .kernel = item->item.kernel};
    made.problem.exact = build->compiled->options.exact;
    made.problem.compact = build->compiled->options.compact;
    made.problem.prices = build->compiled->options.prices;
    uint32_t n = made.problem.n_operand;
    SV_TRY(step_arrays(build, &made, n));
    /* Written operands last: they follow the layout of what is read. */
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < n; i++) {
            if ((made.problem.write_mask >> i & 1) != pass) continue;
            SV_TRY(bind_operand(build, item, i, &made.operand[i], &made.value[i], &made.problem));
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (made.operand[i].base == SV_NO_INDEX) continue;
        sv_desc desc = made.operand[i].desc;
        uint8_t layout = item->item.ref[i].layout;
        if (!suits(&desc, layout)) {
            return sv_error_internal("node '%s': operand %u does not lie as its kernel needs",
                                     program_of(build)->node[item->node].node->name, i);
        }
        made.problem.desc[i] = sv_ref_bind(&item->item.ref[i], &desc);
    }
    made.window = has_window(build, &item->item);
    sv_build_step *step;
    SV_TRY(sv_build_add_step(build, &step));
    *step = made;
    return SV_OK;
}

/* ---- views and copies -------------------------------------------------------------------- */

static void seen_as(const sv_item *item, const sv_shape *to, sv_storage *storage)
{
    sv_desc from = storage->desc;
    if (item->view == SV_VIEW_EXPAND) {
        storage->desc = sv_desc_expand(&from, to);
        return;
    }
    memcpy(storage->desc.dim, to->dim, sizeof(to->dim));
    for (int32_t i = 0; i < from.rank; i++) {
        if (item->view == SV_VIEW_PERMUTE) {
            storage->desc.stride[i] = from.stride[item->perm[i]];
        } else {
            storage->desc.stride[i] = from.stride[i] * item->step[i];
            if (to->dim[i] > 0) storage->offset += item->start[i] * from.stride[i];
        }
    }
}

/* Whether a value of type `to`, made of `from` by splitting and moving channels that lie side by
 * side, is better made channels last too: as when channels are shuffled. Then each dimension of
 * `from` is a part of one of `to`. */
static bool stays_clast(const sv_desc *from, const sv_type *to)
{
    sv_desc apart = sv_layout_dense(to), clast = sv_layout_clast(to), split;
    const sv_shape shape = sv_shape_make(from->rank, from->dim);
    /* No two dimensions of these strides are one. */
    for (int32_t i = 0; i < apart.rank; i++)
        apart.stride[i] = 1;
    if (to->shape.rank < 3 || !sv_layout_reshape(&apart, &shape, &split) ||
        !sv_layout_reshape(&clast, &shape, &split))
        return false;
    for (int32_t i = 0; i < from->rank; i++)
        if (from->dim[i] > 1 && from->stride[i] == 1) return split.stride[i] < to->shape.dim[1];
    return false;
}

/* Copies the source, seen as it is, into memory of the destination seen alike. */
static sv_status shuffle_item(sv_build *build, const sv_build_item *item, const sv_storage *source)
{
    uint32_t v = item->item.to, into = build->value[v].into;
    uint8_t layout = SV_LAYOUT_CLAST;
    if (into != SV_NO_INDEX) {
        if (!build->value[into].stored) SV_TRY(assign(build, into, layout));
        layout = SV_LAYOUT_ANY; /* a window's, whose rows may lie apart */
    }
    SV_TRY(assign(build, v, layout));
    sv_storage target = build->value[v].storage;
    const sv_shape shape = sv_shape_make(source->desc.rank, source->desc.dim);
    if (!sv_layout_reshape(&build->value[v].storage.desc, &shape, &target.desc))
        return sv_error_internal("dimensions cannot be split");
    return copy_step(build, item->node, item->item.from, source, v, &target, true);
}

static sv_status view_item(sv_build *build, const sv_build_item *item)
{
    const sv_build_value *target = &build->value[item->item.to];
    const sv_shape to = target->type.shape;
    sv_storage storage;
    uint32_t value;
    SV_TRY(stored(build, item->item.from, &storage));
    if (item->item.view == SV_VIEW_RESHAPE) {
        sv_desc desc;
        if (!sv_layout_reshape(&storage.desc, &to, &desc)) {
            if (target->output == SV_NO_INDEX && stays_clast(&storage.desc, &target->type))
                return shuffle_item(build, item, &storage);
            SV_TRY(laid_out_for(build, item->node, item->item.from, SV_LAYOUT_DENSE, target->output,
                                &value, &storage));
            if (!sv_layout_reshape(&storage.desc, &to, &desc))
                return sv_error_internal("a dense value cannot be seen as another shape");
        }
        storage.desc = desc;
    } else {
        seen_as(&item->item, &to, &storage);
    }
    build->value[item->item.to].storage = storage;
    build->value[item->item.to].stored = true;
    build->value[item->item.to].into = SV_NO_INDEX; /* it lies where its source does */
    return SV_OK;
}

static sv_status copy_item(sv_build *build, const sv_build_item *item)
{
    uint32_t from = item->item.from, to = item->item.to;
    sv_storage source;
    SV_TRY(stored(build, from, &source));
    if (build->value[from].into == to &&
        memcmp(build->value[from].into_start, item->item.start, sizeof(item->item.start)) == 0)
        return SV_OK;
    if (!build->value[to].stored) {
        sv_desc desc = source.desc;
        bool clast = desc.rank >= 3 && !sv_desc_dense(&desc) && sv_layout_is_clast(&desc);
        SV_TRY(assign(build, to, clast ? SV_LAYOUT_CLAST : SV_LAYOUT_ANY));
    }
    sv_storage window = build->value[to].storage;
    memcpy(window.desc.dim, source.desc.dim, sizeof(window.desc.dim));
    for (int32_t i = 0; i < window.desc.rank; i++)
        window.offset += item->item.start[i] * window.desc.stride[i];
    return copy_step(build, item->node, from, &source, to, &window, true);
}

/* ---- branches ---------------------------------------------------------------------------- */

static sv_status control_step(sv_build *build, const sv_build_item *item)
{
    sv_build_step made = {.node = item->node, .kind = item->kind, .label = item->label};
    SV_TRY(step_arrays(build, &made, 1));
    if (item->kind == SV_BUILD_BRANCH) {
        SV_TRY(laid_out(build, item->node, item->item.from, SV_LAYOUT_DENSE, &made.value[0],
                        &made.operand[0]));
        made.problem.n_operand = 1;
        made.problem.desc[0] = made.operand[0].desc;
    }
    build->stretch++;
    sv_build_step *step;
    SV_TRY(sv_build_add_step(build, &step));
    *step = made;
    return SV_OK;
}

/* ---- the ends of a segment --------------------------------------------------------------- */

/* Model outputs that do not lie in the caller's memory yet are copied there. */
static sv_status store_outputs(sv_build *build)
{
    const sv_program *program = program_of(build);
    if (build->plan->break_kind != SV_BREAK_END) return SV_OK;
    for (uint32_t i = 0; i < program->n_out; i++) {
        uint32_t v = build->program_value[program->out[i]];
        if (v == SV_NO_INDEX)
            return sv_error_internal("output '%s' is never made",
                                     program->value[program->out[i]].name);
        if (build->value[v].type.dtype == SV_DTYPE_NONE) continue; /* no tensor: held */
        sv_storage from;
        SV_TRY(stored(build, v, &from));
        const sv_base *base = &build->base[from.base];
        if (base->space == SV_SPACE_OUTPUT && base->index == i && from.offset == 0 &&
            sv_desc_dense(&from.desc))
            continue;
        sv_build_value copy = {.type = build->value[v].type};
        sv_desc desc = sv_layout_dense(&copy.type);
        SV_TRY(own_base(build, &copy, &desc, SV_SPACE_OUTPUT, i));
        SV_TRY(copy_step(build, program->n_node - 1, v, &from, SV_NO_INDEX, &copy.storage, false));
    }
    return SV_OK;
}

/* The value that ends the segment is read by the session: dense. */
static sv_status store_break(sv_build *build)
{
    if (build->plan->break_kind != SV_BREAK_VALUE) return SV_OK;
    uint32_t v = build->program_value[build->plan->break_value], value;
    sv_storage dense;
    SV_TRY(laid_out(build, build->plan->next, v, SV_LAYOUT_DENSE, &value, &dense));
    build->value[v].storage = dense;
    return SV_OK;
}

/* What later segments need has a place even where nothing wrote it, for want of elements. */
static sv_status store_empty(sv_build *build)
{
    for (uint32_t v = 0; v < build->n_value; v++) {
        const sv_build_value *value = &build->value[v];
        sv_desc dense = sv_layout_dense(&value->type);
        if (!value->live_out || value->stored || value->known ||
            value->type.dtype == SV_DTYPE_NONE || sv_desc_count(&dense) > 0)
            continue;
        sv_storage storage;
        SV_TRY(stored(build, v, &storage));
    }
    return SV_OK;
}

sv_status sv_build_storage(sv_build *build)
{
    const sv_program *program = program_of(build);
    /* Outputs handed on from earlier segments are values of this one too. */
    for (uint32_t i = 0; i < program->n_out; i++) {
        uint32_t p = program->out[i], value;
        if (build->program_value[p] != SV_NO_INDEX || build->plan->break_kind != SV_BREAK_END)
            continue;
        SV_TRY(sv_build_program_value(build, p, &value));
    }
    mark_needed(build);
    plan_elision(build);
    for (uint32_t i = 0; i < build->n_item; i++) {
        const sv_build_item *item = &build->item[i];
        if (item->kind != SV_BUILD_ITEM) {
            SV_TRY(control_step(build, item));
            continue;
        }
        switch (item->item.kind) {
        case SV_ITEM_VIEW:
            SV_TRY(view_item(build, item));
            break;
        case SV_ITEM_COPY:
            SV_TRY(copy_item(build, item));
            break;
        default:
            SV_TRY(problem_step(build, item));
            break;
        }
    }
    SV_TRY(store_empty(build));
    SV_TRY(store_outputs(build));
    return store_break(build);
}
