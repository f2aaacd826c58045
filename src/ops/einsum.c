/* Einsum: sums of products over named dimensions. Two operands whose names form a batched matrix
 * product become one; everything else is a plain loop over all names. */
#include "base/status.h"
#include "kernels/gemm.h"
#include "ops/support.h"

enum {
    MAX_TERMS = SV_OPERAND_MAX - 1,
    MAX_LABELS = 2 * SV_MAX_RANK, /* of the result, and summed over */
    LETTERS = 52,                 /* then one label for each dimension of an ellipsis */
    ALL_LABELS = LETTERS + SV_MAX_RANK,
};

/* A term: labels of its dimensions; `rank` -1 while the ellipsis' rank is not known. */
typedef struct sv_term {
    int32_t rank;
    uint8_t label[SV_MAX_RANK];
} sv_term;

typedef struct sv_equation {
    uint32_t n;
    sv_term in[MAX_TERMS], out;
    int64_t dim[ALL_LABELS]; /* of labels that occur; 0 labels do not */
    bool used[ALL_LABELS];
} sv_equation;

/* ---- reading the equation ---------------------------------------------------------------- */

static sv_status equation_error(const sv_node *node, const char *what)
{
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "attribute 'equation': expected %s, found '%s'", what,
                         sv_node_text(node, "equation", ""));
}

static int letter(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    return c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}

/* Reads labels up to a comma, an arrow or the end. An ellipsis stands for `dots` dimensions;
 * `*dotted` says whether there was one. */
static sv_status read_term(const sv_node *node, const char **at, int32_t dots, sv_term *term,
                           bool *dotted)
{
    *term = (sv_term){.rank = 0};
    *dotted = false;
    for (const char *c = *at;; c++) {
        int label = letter(*c);
        bool ellipsis = strncmp(c, "...", 3) == 0;
        *at = c;
        if (*c == ' ') continue;
        if (!ellipsis && label < 0) return SV_OK;
        if (ellipsis && *dotted) return equation_error(node, "one ellipsis a term");
        int32_t more = ellipsis ? dots : 1;
        if (term->rank + more > SV_MAX_RANK)
            return equation_error(node, "terms of at most 8 dimensions");
        for (int32_t i = 0; i < more; i++)
            term->label[term->rank++] = (uint8_t)(ellipsis ? LETTERS + i : label);
        *dotted = *dotted || ellipsis;
        if (ellipsis) c += 2;
    }
}

/* Letters in a term, without its ellipsis: what tells the ellipsis' rank. */
static int32_t letters_of(const char *at, bool *dotted)
{
    int32_t n = 0;
    *dotted = false;
    for (; *at && *at != ',' && strncmp(at, "->", 2) != 0; at++) {
        if (letter(*at) >= 0) n++;
        if (*at == '.') *dotted = true;
    }
    return n;
}

/* The dimensions an ellipsis stands for, the most of all terms; -1 while a rank is not known. */
static int32_t ellipsis_rank(const char *text, uint32_t n, const sv_type *in)
{
    int32_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool dotted;
        int32_t letters = letters_of(text, &dotted);
        if (in[i].shape.rank < 0 && dotted) return -1;
        if (dotted && in[i].shape.rank - letters > most) most = in[i].shape.rank - letters;
        const char *comma = strchr(text, ',');
        if (!comma) break;
        text = comma + 1;
    }
    return most;
}

/* Without an arrow: the ellipsis, then the letters that occur once, sorted. */
static void implicit_output(sv_equation *q, int32_t dots)
{
    uint32_t times[ALL_LABELS] = {0};
    for (uint32_t i = 0; i < q->n; i++) {
        for (int32_t d = 0; d < q->in[i].rank; d++)
            times[q->in[i].label[d]]++;
    }
    q->out.rank = 0;
    for (int32_t i = 0; i < dots; i++)
        q->out.label[q->out.rank++] = (uint8_t)(LETTERS + i);
    for (int label = 0; label < LETTERS; label++) {
        if (times[label] == 1 && q->out.rank < SV_MAX_RANK)
            q->out.label[q->out.rank++] = (uint8_t)label;
    }
}

/* A term whose ellipsis is shorter than the longest keeps its last dimensions. */
static void shorten(sv_term *term, int32_t rank)
{
    int32_t excess = term->rank - rank, kept = 0;
    for (int32_t d = 0; d < term->rank; d++) {
        bool drop = excess > 0 && term->label[d] >= LETTERS && term->label[d] - LETTERS < excess;
        if (!drop) term->label[kept++] = term->label[d];
    }
    term->rank = kept;
}

/* Dims of labels: known sizes must agree, 1 is repeated. */
static sv_status unify(const sv_node *node, sv_equation *q, uint8_t label, int64_t dim)
{
    int64_t *have = &q->dim[label];
    if (!q->used[label] || *have == 1 || (*have < 0 && dim > 1)) {
        *have = dim;
    } else if (dim >= 0 && *have >= 0 && dim != 1 && dim != *have) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "expected one size for each label of '%s', found %lld and %lld",
                             sv_node_text(node, "equation", ""), (long long)*have, (long long)dim);
    }
    q->used[label] = true;
    return SV_OK;
}

static sv_status check_output(const sv_node *node, const sv_equation *q)
{
    bool seen[ALL_LABELS] = {false};
    for (int32_t d = 0; d < q->out.rank; d++) {
        uint8_t label = q->out.label[d];
        if (seen[label] || !q->used[label])
            return equation_error(node, "labels of the inputs, each once, in the result");
        seen[label] = true;
    }
    uint32_t labels = 0;
    for (uint32_t label = 0; label < ALL_LABELS; label++)
        labels += q->used[label];
    if (labels > MAX_LABELS) return equation_error(node, "at most 16 labels");
    return SV_OK;
}

/* false in *known: some rank that the equation needs is not known yet. */
static sv_status read_equation(const sv_node *node, const sv_type *in, sv_equation *q, bool *known)
{
    const char *text = sv_node_text(node, "equation", "");
    *q = (sv_equation){.n = node->n_in};
    *known = false;
    for (uint32_t i = 0; i < q->n; i++) {
        if (in[i].shape.rank < 0) return SV_OK;
    }
    int32_t dots = ellipsis_rank(text, q->n, in);
    bool dotted;
    for (uint32_t i = 0; i < q->n; i++) {
        SV_TRY(read_term(node, &text, dots, &q->in[i], &dotted));
        if (dotted) shorten(&q->in[i], in[i].shape.rank);
        if (q->in[i].rank != in[i].shape.rank)
            return equation_error(node, "as many labels as each input has dimensions");
        if (i + 1 < q->n && *text++ != ',') return equation_error(node, "a term for each input");
        for (int32_t d = 0; d < q->in[i].rank; d++)
            SV_TRY(unify(node, q, q->in[i].label[d], in[i].shape.dim[d]));
    }
    if (strncmp(text, "->", 2) == 0) {
        text += 2;
        SV_TRY(read_term(node, &text, dots, &q->out, &dotted));
    } else {
        implicit_output(q, dots);
    }
    if (*text) return equation_error(node, "terms of letters, a comma between, an arrow");
    *known = true;
    return check_output(node, q);
}

static sv_status einsum_infer(sv_infer *x)
{
    sv_equation q;
    bool known;
    x->out[0].dtype = x->in[0].dtype;
    for (uint32_t i = 1; i < x->n_in; i++)
        SV_TRY(sv_infer_same_dtype(x, 0, i));
    if (x->n_in > MAX_TERMS)
        return sv_node_error(x->node, SV_CODE_UNIMPLEMENTED, "expected at most %d inputs, found %u",
                             (int)MAX_TERMS, x->n_in);
    SV_TRY(read_equation(x->node, x->in, &q, &known));
    if (!known) return SV_OK;
    x->out[0].shape.rank = q.out.rank;
    for (int32_t d = 0; d < q.out.rank; d++)
        x->out[0].shape.dim[d] = q.dim[q.out.label[d]];
    return SV_OK;
}

/* ---- as a matrix product ----------------------------------------------------------------- */

/* Labels by where they occur: both sides and the result, one side and the result, both sides only.
 */
typedef struct sv_groups {
    uint8_t label[4][SV_MAX_RANK]; /* batch, rows, columns, sum */
    int32_t n[4];
} sv_groups;
enum { BATCH, ROWS, COLUMNS, SUM };

static int32_t find_label(const sv_term *term, uint8_t label)
{
    for (int32_t d = 0; d < term->rank; d++) {
        if (term->label[d] == label) return d;
    }
    return -1;
}

/* false: a label is repeated, repeated in size, or summed in one operand alone. */
static bool group_labels(const sv_equation *q, const sv_type *in, sv_groups *g)
{
    *g = (sv_groups){.n = {0}};
    if (q->n != 2) return false;
    for (uint32_t i = 0; i < 2; i++) {
        for (int32_t d = 0; d < q->in[i].rank; d++) {
            uint8_t label = q->in[i].label[d];
            bool other = find_label(&q->in[1 - i], label) >= 0,
                 out = find_label(&q->out, label) >= 0;
            if (find_label(&q->in[i], label) != d || in[i].shape.dim[d] != q->dim[label])
                return false;
            if (!other && !out) return false;
            if (other && i == 1) continue;
            int group = other ? out ? BATCH : SUM : i == 0 ? ROWS : COLUMNS;
            g->label[group][g->n[group]++] = label;
        }
    }
    return g->n[BATCH] + 2 <= SV_MAX_RANK;
}

/* `term`'s operand with its dimensions in the order of three groups, seen as [batch.., a, b]. */
static sv_status as_matrices(sv_emit *e, const sv_equation *q, const sv_groups *g,
                             const sv_term *term, sv_slot from, int a, int b, sv_slot *out)
{
    const int group[3] = {BATCH, a, b};
    uint8_t perm[SV_MAX_RANK];
    sv_dtype dtype = sv_emit_type(e, from)->dtype;
    sv_shape moved = {.rank = 0}, matrices = {.rank = 0};
    bool same = true;
    for (int k = 0; k < 3; k++) {
        int64_t product = 1;
        for (int32_t i = 0; i < g->n[group[k]]; i++) {
            uint8_t label = g->label[group[k]][i];
            int32_t d = find_label(term, label);
            same = same && d == moved.rank;
            perm[moved.rank] = (uint8_t)d;
            moved.dim[moved.rank++] = q->dim[label];
            product *= q->dim[label];
            if (k == 0) matrices.dim[matrices.rank++] = q->dim[label];
        }
        if (k > 0) matrices.dim[matrices.rank++] = product;
    }
    if (!same) {
        sv_slot permuted;
        SV_TRY(sv_emit_temp(e, dtype, &moved, &permuted));
        SV_TRY(sv_emit_permute(e, permuted, from, perm));
        from = permuted;
    }
    SV_TRY(sv_emit_temp(e, dtype, &matrices, out));
    return sv_emit_reshape(e, *out, from);
}

/* y's dimensions in the order that the product gives them, then in y's own. */
static sv_status from_matrices(sv_emit *e, const sv_equation *q, const sv_groups *g,
                               sv_slot product)
{
    const int group[3] = {BATCH, ROWS, COLUMNS};
    sv_term order = {.rank = 0};
    sv_shape split = {.rank = 0};
    uint8_t perm[SV_MAX_RANK];
    sv_slot y = sv_emit_out(e, 0), parts;
    for (int k = 0; k < 3; k++) {
        for (int32_t i = 0; i < g->n[group[k]]; i++) {
            order.label[order.rank++] = g->label[group[k]][i];
            split.dim[split.rank++] = q->dim[g->label[group[k]][i]];
        }
    }
    for (int32_t d = 0; d < q->out.rank; d++)
        perm[d] = (uint8_t)find_label(&order, q->out.label[d]);
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, y)->dtype, &split, &parts));
    SV_TRY(sv_emit_reshape(e, parts, product));
    return sv_emit_permute(e, y, parts, perm);
}

static bool gemm_type(sv_dtype dtype)
{
    return dtype == SV_F32 || dtype == SV_F64 || dtype == SV_F16 || dtype == SV_BF16 ||
           dtype == SV_I32 || dtype == SV_I64 || dtype == SV_U32 || dtype == SV_U64;
}

static sv_status emit_product(sv_emit *e, const sv_equation *q, const sv_groups *g)
{
    sv_slot a, b, y;
    SV_TRY(as_matrices(e, q, g, &q->in[0], 0, ROWS, SUM, &a));
    SV_TRY(as_matrices(e, q, g, &q->in[1], 1, SUM, COLUMNS, &b));
    sv_shape shape = sv_emit_type(e, a)->shape;
    shape.dim[shape.rank - 1] = sv_emit_type(e, b)->shape.dim[shape.rank - 1];
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, a)->dtype, &shape, &y));
    SV_TRY(sv_emit_matmul(e, a, b, y));
    return from_matrices(e, q, g, y);
}

/* ---- as a loop --------------------------------------------------------------------------- */

/* Labels of the result come first, in its order. */
typedef struct sv_einsum_param {
    int32_t n_out, n_label;
    int64_t dim[MAX_LABELS];
    sv_term term[MAX_TERMS]; /* labels renumbered */
} sv_einsum_param;

static sv_rows einsum_rows(const sv_problem *problem)
{
    const sv_einsum_param *p = problem->param;
    int64_t work = 8;
    for (int32_t i = p->n_out; i < p->n_label; i++)
        work *= p->dim[i];
    return sv_rows_make(sv_desc_count(&problem->desc[problem->n_operand - 1]), work);
}

static uint32_t einsum_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(einsum_rows(problem));
}

/* Bytes from one index of a label to the next; a label that occurs twice walks the diagonal. */
static void label_steps(const sv_desc *desc, const sv_term *term, int64_t step[MAX_LABELS])
{
    int64_t size = (int64_t)sv_desc_size(desc);
    memset(step, 0, MAX_LABELS * sizeof(*step));
    for (int32_t d = 0; d < term->rank; d++) {
        if (desc->dim[d] != 1) step[term->label[d]] += desc->stride[d] * size;
    }
}

/* The operands of a running sum. */
typedef struct sv_sum {
    uint32_t n;
    sv_dtype dtype;
    const char *at[MAX_TERMS];
    int64_t step[MAX_TERMS][MAX_LABELS];
} sv_sum;

/* Products are summed in the widest type of their class. */
static void add_product(const sv_sum *s, double *real, uint64_t *whole, bool floats)
{
    if (s->dtype == SV_F32) {
        double product = 1;
        for (uint32_t i = 0; i < s->n; i++)
            product *= (double)*(const float *)s->at[i];
        *real += product;
    } else if (floats) {
        double product = 1;
        for (uint32_t i = 0; i < s->n; i++)
            product *= sv_scalar_get_f64(s->dtype, s->at[i]);
        *real += product;
    } else {
        uint64_t product = 1;
        for (uint32_t i = 0; i < s->n; i++)
            product *= (uint64_t)sv_scalar_get_i64(s->dtype, s->at[i]);
        *whole += product;
    }
}

/* Steps the labels [first, last) and all operands with them; false after the last. */
static bool next_index(const sv_einsum_param *p, sv_sum *s, int64_t *index, int32_t first,
                       int32_t last)
{
    for (int32_t l = last - 1; l >= first; l--) {
        bool more = ++index[l] < p->dim[l];
        int64_t by = more ? 1 : 1 - p->dim[l];
        for (uint32_t i = 0; i < s->n; i++)
            s->at[i] += by * s->step[i][l];
        if (more) return true;
        index[l] = 0;
    }
    return false;
}

/* Operands: the terms, y. */
static void einsum_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_einsum_param *p = call->param;
    uint32_t n = 0;
    while (p->term[n].rank >= 0 && n < MAX_TERMS)
        n++;
    const sv_desc *y = &call->desc[n];
    sv_problem problem = {
        .param = (void *)p, .desc = (sv_desc *)call->desc, .n_operand = (uint8_t)(n + 1)};
    sv_rows rows = einsum_rows(&problem);
    bool floats = sv_dtype_is_float(y->dtype), empty = false;
    size_t size = sv_desc_size(y);
    sv_sum s = {.n = n, .dtype = y->dtype};
    for (uint32_t i = 0; i < n; i++)
        label_steps(&call->desc[i], &p->term[i], s.step[i]);
    for (int32_t l = p->n_out; l < p->n_label; l++)
        empty = empty || p->dim[l] == 0;
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t index[MAX_LABELS] = {0}, rest = r;
        for (uint32_t i = 0; i < n; i++)
            s.at[i] = call->ptr[i];
        for (int32_t l = p->n_out - 1; l >= 0; rest /= p->dim[l], l--) {
            for (uint32_t i = 0; i < n; i++)
                s.at[i] += rest % p->dim[l] * s.step[i][l];
        }
        double real = 0;
        uint64_t whole = 0;
        if (!empty) {
            do
                add_product(&s, &real, &whole, floats);
            while (next_index(p, &s, index, p->n_out, p->n_label));
        }
        char *to = (char *)call->ptr[n] + (size_t)r * size;
        if (floats) {
            sv_scalar_set_f64(y->dtype, to, real);
        } else {
            sv_scalar_set_i64(y->dtype, to, (int64_t)whole);
        }
    }
}

static const sv_kernel einsum_kernel = {
    .name = "custom_einsum", .family = SV_FAMILY_custom, .units = einsum_units, .run = einsum_run};

static sv_status emit_loop(sv_emit *e, const sv_equation *q)
{
    sv_einsum_param param = {.n_out = q->out.rank};
    uint8_t number[ALL_LABELS];
    bool out[ALL_LABELS] = {false};
    for (int32_t d = 0; d < q->out.rank; d++) {
        out[q->out.label[d]] = true;
        number[q->out.label[d]] = (uint8_t)d;
        param.dim[d] = q->dim[q->out.label[d]];
    }
    param.n_label = param.n_out;
    for (uint32_t label = 0; label < ALL_LABELS; label++) {
        if (!q->used[label] || out[label]) continue;
        number[label] = (uint8_t)param.n_label;
        param.dim[param.n_label++] = q->dim[label];
    }
    sv_ref ref[SV_OPERAND_MAX];
    for (uint32_t i = 0; i < MAX_TERMS; i++) {
        param.term[i].rank = i < q->n ? q->in[i].rank : -1;
        if (i < q->n) ref[i] = sv_ref_any(i);
        for (int32_t d = 0; d < param.term[i].rank; d++)
            param.term[i].label[d] = number[q->in[i].label[d]];
    }
    ref[q->n] = sv_ref_dense(sv_emit_out(e, 0));
    return sv_emit_custom(e, &einsum_kernel, &param, sizeof(param), q->n + 1, ref, 1u << q->n);
}

static sv_status einsum_emit(sv_emit *e)
{
    sv_equation q;
    sv_groups groups;
    bool known;
    if (e->symbolic) return SV_OK;
    SV_TRY(read_equation(e->node, e->slot, &q, &known));
    if (gemm_type(sv_emit_type(e, 0)->dtype) && group_labels(&q, e->slot, &groups))
        return emit_product(e, &q, &groups);
    return emit_loop(e, &q);
}

const sv_op_desc sv_op_desc_Einsum = {.op = SV_OP_Einsum,
                                      .min_in = 1,
                                      .max_in = 255,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = einsum_infer,
                                      .emit = einsum_emit};
