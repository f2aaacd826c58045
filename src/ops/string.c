/* Operators on strings: StringConcat, StringSplit, StringNormalizer. Loops of one unit: new bytes
 * come from the step's arena, pieces of a string borrow its bytes. */
#define _GNU_SOURCE /* memmem */
#include "base/status.h"
#include "ops/support.h"

static sv_status check_strings(const sv_infer *x, uint32_t input)
{
    if (!x->in[input].dtype || x->in[input].dtype == SV_STRING) return SV_OK;
    return sv_infer_error(x, input, "expected string, found %s", sv_dtype_name(x->in[input].dtype));
}

/* Room for `size` bytes; without memory a fault, and NULL. */
static char *string_room(const sv_call *call, size_t size)
{
    char *room = sv_arena_alloc(call->arena, size + 1);
    if (!room) sv_call_fault(call, 0, "bytes of text", (int64_t)size, 0, 0);
    return room;
}

/* ---- StringConcat ------------------------------------------------------------------------ */

static sv_status concat_infer(sv_infer *x)
{
    SV_TRY(check_strings(x, 0));
    SV_TRY(check_strings(x, 1));
    SV_TRY(sv_infer_broadcast(x));
    x->out[0].dtype = SV_STRING;
    return SV_OK;
}

/* The element at an index of a strided operand. */
static sv_string string_at(const sv_call *call, uint32_t operand, const int64_t *index)
{
    const sv_desc *desc = &call->desc[operand];
    int64_t offset = 0;
    for (int32_t i = 0; i < desc->rank; i++)
        offset += index[i] * desc->stride[i];
    return ((const sv_string *)call->ptr[operand])[offset];
}

/* Operands: a, b (both expanded), y. */
static void concat_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *y = &call->desc[2];
    int64_t index[SV_MAX_RANK] = {0}, n = sv_desc_count(y);
    sv_string *to = call->ptr[2];
    (void)begin, (void)end;
    for (int64_t i = 0; i < n; i++, sv_index_next(y->rank, y->dim, index)) {
        sv_string a = string_at(call, 0, index), b = string_at(call, 1, index);
        char *bytes = string_room(call, a.size + b.size);
        to[i] = (sv_string){"", 0};
        if (!bytes) continue;
        if (a.size) memcpy(bytes, a.data, a.size);
        if (b.size) memcpy(bytes + a.size, b.data, b.size);
        to[i] = (sv_string){bytes, a.size + b.size};
    }
}

static const sv_kernel concat_kernel = {
    .name = "custom_string_concat", .family = SV_FAMILY_custom, .run = concat_run};

static sv_status concat_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot y = sv_emit_out(e, 0);
    const sv_shape *shape = &sv_emit_type(e, y)->shape;
    sv_ref ref[3] = {sv_ref_expand(0, shape), sv_ref_expand(1, shape), sv_ref_dense(y)};
    return sv_emit_custom(e, &concat_kernel, NULL, 0, 3, ref, 4);
}

const sv_op_desc sv_op_desc_StringConcat = {.op = SV_OP_StringConcat,
                                            .min_in = 2,
                                            .max_in = 2,
                                            .min_out = 1,
                                            .max_out = 1,
                                            .infer = concat_infer,
                                            .emit = concat_emit};

/* ---- StringSplit ------------------------------------------------------------------------- */

typedef struct sv_split_param {
    int64_t most; /* splits; negative: any number */
    bool measure;
} sv_split_param;

/* What is left to be split. */
typedef struct sv_splitter {
    sv_string rest, delimiter; /* of size 0: runs of blanks */
    int64_t left;              /* splits */
    bool done;
} sv_splitter;

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void advance(sv_string *s, size_t by)
{
    s->data += by;
    s->size -= by;
}

static void skip_blanks(sv_string *s)
{
    while (s->size > 0 && blank(s->data[0]))
        advance(s, 1);
}

/* The next piece that blanks delimit; blanks around it belong to nobody. */
static bool next_word(sv_splitter *x, sv_string *piece)
{
    skip_blanks(&x->rest);
    if (x->rest.size == 0) return false;
    *piece = x->rest;
    if (x->left == 0) {
        x->rest.size = 0;
        return true;
    }
    size_t n = 0;
    while (n < x->rest.size && !blank(x->rest.data[n]))
        n++;
    piece->size = n;
    advance(&x->rest, n);
    x->left--;
    return true;
}

/* The next piece; false when there is none. Python's str.split. */
static bool next_piece(sv_splitter *x, sv_string *piece)
{
    if (x->delimiter.size == 0) return next_word(x, piece);
    if (x->done) return false;
    *piece = x->rest;
    const char *at = NULL;
    if (x->left != 0 && x->rest.size > 0)
        at = memmem(x->rest.data, x->rest.size, x->delimiter.data, x->delimiter.size);
    x->done = !at;
    if (!at) return true;
    piece->size = (size_t)(at - x->rest.data);
    advance(&x->rest, piece->size + x->delimiter.size);
    x->left--;
    return true;
}

static sv_status split_infer(sv_infer *x)
{
    SV_TRY(check_strings(x, 0));
    SV_TRY(sv_infer_rank(x, 0, 0, SV_MAX_RANK - 1));
    x->out[0] = (sv_type){SV_STRING, x->in[0].shape};
    if (x->n_out > 1) x->out[1] = (sv_type){SV_I64, x->in[0].shape};
    if (x->in[0].shape.rank >= 0) x->out[0].shape.dim[x->out[0].shape.rank++] = sv_infer_symbol(x);
    sv_infer_dynamic(x, 0);
    return SV_OK;
}

/* Operands: x, delimiter, pieces (or the dims of the pieces), counts (or their dims). */
static void split_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_split_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[2];
    int64_t count = sv_desc_count(x), most = 0, room = p->measure ? 0 : y->dim[y->rank - 1];
    (void)begin, (void)end;
    for (int64_t i = 0; i < count; i++) {
        sv_splitter splitter = {((const sv_string *)call->ptr[0])[i],
                                *(const sv_string *)call->ptr[1], p->most, false};
        sv_string piece, *to = p->measure ? NULL : (sv_string *)call->ptr[2] + i * room;
        int64_t n = 0;
        for (; next_piece(&splitter, &piece); n++) {
            if (n < room) to[n] = piece;
        }
        for (int64_t k = n; k < room; k++)
            to[k] = (sv_string){"", 0};
        if (!p->measure && call->ptr[3]) ((int64_t *)call->ptr[3])[i] = n;
        most = n > most ? n : most;
    }
    if (!p->measure) return;
    int64_t *dims = call->ptr[2];
    memcpy(dims, x->dim, (size_t)x->rank * sizeof(*dims));
    dims[x->rank] = most;
    if (call->ptr[3]) memcpy(call->ptr[3], x->dim, (size_t)x->rank * sizeof(*dims));
}

static const sv_kernel split_kernel = {
    .name = "custom_string_split", .family = SV_FAMILY_custom, .run = split_run};

static sv_status split_items(sv_emit *e, bool measure)
{
    if (e->symbolic) return SV_OK;
    const sv_attr *attr = sv_node_attr(e->node, "delimiter");
    sv_string delimiter = attr && attr->kind == SV_ATTR_STRING ? attr->u.s : (sv_string){"", 0};
    sv_split_param param = {.most = sv_node_int(e->node, "maxsplit", -1), .measure = measure};
    sv_shape scalar = {.rank = 0};
    sv_slot slot;
    SV_TRY(sv_emit_constant(e, SV_STRING, &scalar, &delimiter, &slot));
    sv_ref ref[4] = {sv_ref_dense(0), sv_ref_dense(slot), sv_ref_dense(sv_emit_out(e, 0)),
                     sv_ref_dense(sv_emit_out(e, 1))};
    uint32_t mask = ref[3].slot == SV_NO_SLOT ? 4 : 12;
    return sv_emit_custom(e, &split_kernel, &param, sizeof(param), 4, ref, mask);
}

static sv_status split_measure(sv_emit *e)
{
    return split_items(e, true);
}
static sv_status split_emit(sv_emit *e)
{
    return split_items(e, false);
}

const sv_op_desc sv_op_desc_StringSplit = {.op = SV_OP_StringSplit,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1,
                                           .max_out = 2,
                                           .infer = split_infer,
                                           .emit = split_emit,
                                           .measure = split_measure};

/* ---- StringNormalizer -------------------------------------------------------------------- */

typedef enum sv_case { CASE_NONE, CASE_LOWER, CASE_UPPER } sv_case;

typedef struct sv_normalizer_param {
    uint8_t change; /* sv_case */
    bool sensitive, measure;
} sv_normalizer_param;

static sv_status case_of(const sv_node *node, uint8_t *out)
{
    const char *text = sv_node_text(node, "case_change_action", "NONE");
    static const char *const name[] = {"NONE", "LOWER", "UPPER"};
    for (uint8_t i = 0; i < 3; i++) {
        if (strcmp(text, name[i]) != 0) continue;
        *out = i;
        return SV_OK;
    }
    return sv_node_error(
        node, SV_CODE_INVALID_ARGUMENT,
        "attribute 'case_change_action': expected LOWER, UPPER or NONE, found '%s'", text);
}

static sv_status normalizer_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    uint8_t change;
    SV_TRY(case_of(x->node, &change));
    SV_TRY(check_strings(x, 0));
    SV_TRY(sv_infer_rank(x, 0, 1, 2));
    if (in->rank == 2 && in->dim[0] >= 0 && in->dim[0] != 1)
        return sv_infer_error(x, 0, "expected 1 row, found %lld", (long long)in->dim[0]);
    x->out[0] = (sv_type){SV_STRING, *in};
    if (in->rank > 0) x->out[0].shape.dim[in->rank - 1] = sv_infer_symbol(x);
    sv_infer_dynamic(x, 0);
    return SV_OK;
}

/* The other case of a code point below U+0800, where both take as many bytes: ASCII, Latin-1,
 * Greek, Cyrillic. */
static uint32_t change_case(uint32_t c, sv_case to)
{
    static const struct {
        uint16_t first, last, distance;
    } upper[] = {{'A', 'Z', 32},     {0xC0, 0xD6, 32},   {0xD8, 0xDE, 32},  {0x391, 0x3A1, 32},
                 {0x3A3, 0x3AB, 32}, {0x400, 0x40F, 80}, {0x410, 0x42F, 32}};
    for (size_t i = 0; to != CASE_NONE && i < sizeof(upper) / sizeof(upper[0]); i++) {
        uint32_t from = upper[i].first, last = upper[i].last;
        if (to == CASE_LOWER && c >= from && c <= last) return c + upper[i].distance;
        from += upper[i].distance;
        last += upper[i].distance;
        if (to == CASE_UPPER && c >= from && c <= last) return c - upper[i].distance;
    }
    return c;
}

/* Takes one code point of one or two bytes; other bytes are given as they are, one by one. */
static uint32_t next_code(sv_string *s, bool *two)
{
    uint32_t first = (uint8_t)s->data[0];
    *two = first >= 0xC2 && first < 0xE0 && s->size > 1 && ((uint8_t)s->data[1] & 0xC0) == 0x80;
    uint32_t code = *two ? (first & 0x1F) << 6 | ((uint8_t)s->data[1] & 0x3F) : first;
    advance(s, *two ? 2 : 1);
    return code;
}

static bool equal_text(sv_string a, sv_string b, sv_case as)
{
    if (a.size != b.size) return false;
    while (a.size > 0 && b.size > 0) {
        bool two_a, two_b;
        uint32_t x = next_code(&a, &two_a), y = next_code(&b, &two_b);
        bool letter = two_a || x < 0x80;
        if (two_a != two_b || (letter ? change_case(x, as) != change_case(y, as) : x != y))
            return false;
    }
    return true;
}

static sv_string changed_text(const sv_call *call, sv_string from, sv_case to)
{
    char *bytes = to == CASE_NONE ? NULL : string_room(call, from.size);
    if (!bytes) return from;
    size_t size = from.size, at = 0;
    while (from.size > 0) {
        bool two;
        uint32_t code = next_code(&from, &two);
        if (two || code < 0x80) code = change_case(code, to);
        if (two) bytes[at++] = (char)(0xC0 | code >> 6);
        bytes[at++] = (char)(two ? 0x80 | (code & 0x3F) : code);
    }
    return (sv_string){bytes, size};
}

/* Operands: x, stop words (may be absent), y or its dims. */
static void normalizer_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_normalizer_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    int64_t n = sv_desc_count(x), words = call->ptr[1] ? call->desc[1].dim[0] : 0, kept = 0;
    const sv_string *from = call->ptr[0], *stop = call->ptr[1];
    sv_string *to = p->measure ? NULL : call->ptr[2];
    int64_t room = p->measure ? INT64_MAX : sv_desc_count(&call->desc[2]);
    (void)begin, (void)end;
    for (int64_t i = 0; i < n && kept < room; i++) {
        bool keep = true;
        for (int64_t k = 0; k < words && keep; k++)
            keep = !equal_text(from[i], stop[k], p->sensitive ? CASE_NONE : CASE_LOWER);
        if (!keep) continue;
        if (to) to[kept] = changed_text(call, from[i], (sv_case)p->change);
        kept++;
    }
    if (to && kept == 0 && room > 0) to[0] = (sv_string){"", 0};
    if (!p->measure) return;
    int64_t *dims = call->ptr[2];
    memcpy(dims, x->dim, (size_t)x->rank * sizeof(*dims));
    dims[x->rank - 1] = kept > 0 ? kept : 1;
}

static const sv_kernel normalizer_kernel = {
    .name = "custom_string_normalizer", .family = SV_FAMILY_custom, .run = normalizer_run};

static sv_status normalizer_items(sv_emit *e, bool measure)
{
    if (e->symbolic) return SV_OK;
    const sv_attr *stop = sv_node_attr(e->node, "stopwords");
    sv_normalizer_param param = {.sensitive = sv_node_int(e->node, "is_case_sensitive", 0) != 0,
                                 .measure = measure};
    SV_TRY(case_of(e->node, &param.change));
    sv_slot words = SV_NO_SLOT;
    if (stop && stop->kind == SV_ATTR_STRINGS && stop->count > 0) {
        sv_shape shape = sv_shape_make(1, (int64_t[]){stop->count});
        SV_TRY(sv_emit_constant(e, SV_STRING, &shape, stop->u.strings, &words));
    }
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(words), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &normalizer_kernel, &param, sizeof(param), 3, ref, 4);
}

static sv_status normalizer_measure(sv_emit *e)
{
    return normalizer_items(e, true);
}
static sv_status normalizer_emit(sv_emit *e)
{
    return normalizer_items(e, false);
}

const sv_op_desc sv_op_desc_StringNormalizer = {.op = SV_OP_StringNormalizer,
                                                .min_in = 1,
                                                .max_in = 1,
                                                .min_out = 1,
                                                .max_out = 1,
                                                .infer = normalizer_infer,
                                                .emit = normalizer_emit,
                                                .measure = normalizer_measure};
