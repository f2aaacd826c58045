/* Random operators. A node with a seed draws the numbers that numpy's RandomState(seed) draws, one
 * without always those of a seed made of its name: results are the same in every run, whatever the
 * number of threads (loops here have one unit). Dropout is here because it draws when it trains;
 * otherwise it does nothing. */
#include "base/status.h"
#include "ops/support.h"

#include <math.h>

/* ---- numbers ----------------------------------------------------------------------------- */

enum { MT_SIZE = 624, MT_SHIFT = 397 };

/* MT19937 (Matsumoto, Nishimura: Mersenne Twister, 1998). */
typedef struct sv_twister {
    uint32_t key[MT_SIZE];
    uint32_t at;
    bool has_normal; /* normal numbers come in pairs */
    double normal;
} sv_twister;

static void twister_seed(sv_twister *t, uint32_t seed)
{
    for (uint32_t i = 0; i < MT_SIZE; i++) {
        t->key[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    t->at = MT_SIZE;
    t->has_normal = false;
}

static void twister_refill(sv_twister *t)
{
    for (uint32_t i = 0; i < MT_SIZE; i++) {
        uint32_t y = (t->key[i] & 0x80000000u) | (t->key[(i + 1) % MT_SIZE] & 0x7FFFFFFFu);
        t->key[i] = t->key[(i + MT_SHIFT) % MT_SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
    }
    t->at = 0;
}

static uint32_t next_bits(sv_twister *t)
{
    if (t->at == MT_SIZE) twister_refill(t);
    uint32_t y = t->key[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

/* In [0, 1), a multiple of 2^-53. */
static double next_uniform(sv_twister *t)
{
    uint32_t high = next_bits(t) >> 5, low = next_bits(t) >> 6;
    return ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;
}

/* Marsaglia's polar method, in numpy's order. */
static double next_normal(sv_twister *t)
{
    double a, b, square;
    if (t->has_normal) {
        t->has_normal = false;
        return t->normal;
    }
    do {
        a = 2 * next_uniform(t) - 1;
        b = 2 * next_uniform(t) - 1;
        square = a * a + b * b;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * log(square) / square);
    t->normal = factor * a;
    t->has_normal = true;
    return factor * b;
}

static uint32_t seed_of(const sv_node *node)
{
    const sv_attr *seed = sv_node_attr(node, "seed");
    if (seed && seed->kind == SV_ATTR_INT) return (uint32_t)seed->u.i;
    if (seed && seed->kind == SV_ATTR_FLOAT) {
        uint32_t bits;
        memcpy(&bits, &seed->u.f, sizeof(bits));
        return seed->u.f >= 0 && seed->u.f < 0x1p32f ? (uint32_t)seed->u.f : bits;
    }
    return (uint32_t)sv_hash_bytes(0, node->name, strlen(node->name));
}

/* ---- RandomNormal, RandomUniform, and as large as another -------------------------------- */

typedef struct sv_random_param {
    uint32_t seed;
    double a, b; /* mean and scale; low and high - low; Dropout: ratio */
    bool normal;
} sv_random_param;

static sv_status random_shape(const sv_infer *x, sv_shape *out)
{
    uint32_t n;
    const int64_t *dim = sv_node_ints(x->node, "shape", &n);
    if (!sv_node_attr(x->node, "shape") || n > SV_MAX_RANK) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "attribute 'shape': expected at most %d sizes, found %u", SV_MAX_RANK,
                             n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                                 "attribute 'shape': expected sizes, found %lld",
                                 (long long)dim[i]);
    }
    *out = sv_shape_make((int32_t)n, dim);
    return SV_OK;
}

static sv_status random_infer(sv_infer *x)
{
    bool like = x->n_in > 0;
    sv_dtype otherwise = like ? x->in[0].dtype : SV_F32;
    SV_TRY(sv_infer_dtype_attr(x, "dtype", otherwise, &x->out[0].dtype));
    if (x->out[0].dtype && !sv_dtype_is_float(x->out[0].dtype)) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT, "expected a float type, found %s",
                             sv_dtype_name(x->out[0].dtype));
    }
    if (!like) return random_shape(x, &x->out[0].shape);
    x->out[0].shape = x->in[0].shape;
    return SV_OK;
}

/* Operands: y. */
static void random_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_random_param *p = call->param;
    const sv_desc *y = &call->desc[0];
    int64_t count = sv_desc_count(y);
    size_t size = sv_desc_size(y);
    sv_twister twister;
    (void)begin, (void)end;
    twister_seed(&twister, p->seed);
    for (int64_t i = 0; i < count; i++) {
        double value = p->normal ? next_normal(&twister) : next_uniform(&twister);
        sv_scalar_set_f64(y->dtype, (char *)call->ptr[0] + (size_t)i * size, p->a + p->b * value);
    }
}

static const sv_kernel random_kernel = {
    .name = "custom_random", .family = SV_FAMILY_custom, .run = random_run};

static sv_status random_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_op op = e->node->op;
    sv_random_param param = {.seed = seed_of(e->node)};
    param.normal = op == SV_OP_RandomNormal || op == SV_OP_RandomNormalLike;
    if (param.normal) {
        param.a = (double)sv_node_float(e->node, "mean", 0.0f);
        param.b = (double)sv_node_float(e->node, "scale", 1.0f);
    } else {
        param.a = (double)sv_node_float(e->node, "low", 0.0f);
        param.b = (double)sv_node_float(e->node, "high", 1.0f) - param.a;
    }
    sv_ref ref = sv_ref_dense(sv_emit_out(e, 0));
    return sv_emit_custom(e, &random_kernel, &param, sizeof(param), 1, &ref, 1);
}

#define RANDOM_DESC(name, inputs)                                                                  \
    const sv_op_desc sv_op_desc_##name = {.op = SV_OP_##name,                                      \
                                          .min_in = inputs,                                        \
                                          .max_in = inputs,                                        \
                                          .min_out = 1,                                            \
                                          .max_out = 1,                                            \
                                          .traits = SV_TRAIT_RANDOM,                               \
                                          .infer = random_infer,                                   \
                                          .emit = random_emit}

RANDOM_DESC(RandomNormal, 0);
RANDOM_DESC(RandomNormalLike, 1);
RANDOM_DESC(RandomUniform, 0);
RANDOM_DESC(RandomUniformLike, 1);

/* ---- Bernoulli --------------------------------------------------------------------------- */

static sv_status bernoulli_infer(sv_infer *x)
{
    x->out[0].shape = x->in[0].shape;
    return sv_infer_dtype_attr(x, "dtype", x->in[0].dtype, &x->out[0].dtype);
}

/* Operands: probabilities, y. */
static void bernoulli_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_random_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    int64_t count = sv_desc_count(y);
    size_t from = sv_desc_size(x), to = sv_desc_size(y);
    sv_twister twister;
    (void)begin, (void)end;
    twister_seed(&twister, p->seed);
    for (int64_t i = 0; i < count; i++) {
        double chance = sv_scalar_get_f64(x->dtype, (const char *)call->ptr[0] + (size_t)i * from);
        bool hit = next_uniform(&twister) < chance;
        sv_scalar_set_f64(y->dtype, (char *)call->ptr[1] + (size_t)i * to, hit);
    }
}

static const sv_kernel bernoulli_kernel = {
    .name = "custom_bernoulli", .family = SV_FAMILY_custom, .run = bernoulli_run};

static sv_status bernoulli_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_random_param param = {.seed = seed_of(e->node)};
    return sv_emit_run(e, &bernoulli_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_Bernoulli = {.op = SV_OP_Bernoulli,
                                         .min_in = 1,
                                         .max_in = 1,
                                         .min_out = 1,
                                         .max_out = 1,
                                         .traits = SV_TRAIT_RANDOM,
                                         .infer = bernoulli_infer,
                                         .emit = bernoulli_emit};

/* ---- Multinomial ------------------------------------------------------------------------- */

static sv_status multinomial_infer(sv_infer *x)
{
    int64_t samples = sv_node_int(x->node, "sample_size", 1);
    SV_TRY(sv_infer_rank(x, 0, 2, 2));
    SV_TRY(sv_infer_dtype_attr(x, "dtype", SV_I32, &x->out[0].dtype));
    if (samples < 0 || (x->out[0].dtype != SV_I32 && x->out[0].dtype != SV_I64)) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "expected a number of samples as int32 or int64, found %lld as %s",
                             (long long)samples, sv_dtype_name(x->out[0].dtype));
    }
    if (x->in[0].shape.rank == 2 && x->in[0].shape.dim[1] == 0)
        return sv_infer_error(x, 0, "expected classes to choose from, found none");
    x->out[0].shape = sv_infer_symbols(x, 2);
    if (x->in[0].shape.rank == 2) x->out[0].shape.dim[0] = x->in[0].shape.dim[0];
    x->out[0].shape.dim[1] = samples;
    return SV_OK;
}

/* Operands: logarithms of the classes' weights, y. */
static void multinomial_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_random_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[1];
    int64_t classes = x->dim[1], count = sv_desc_count(y);
    size_t size = sv_desc_size(x), to = sv_desc_size(y);
    sv_twister twister;
    (void)begin, (void)end;
    twister_seed(&twister, p->seed);
    for (int64_t i = 0; i < count; i++) {
        const char *row = (const char *)call->ptr[0] + (size_t)(i / y->dim[1] * classes) * size;
        double top = -INFINITY, sum = 0;
        for (int64_t c = 0; c < classes; c++)
            top = fmax(top, sv_scalar_get_f64(x->dtype, row + (size_t)c * size));
        for (int64_t c = 0; c < classes; c++)
            sum += exp(sv_scalar_get_f64(x->dtype, row + (size_t)c * size) - top);
        double left = next_uniform(&twister) * sum;
        int64_t chosen = 0;
        for (; chosen < classes - 1; chosen++) {
            left -= exp(sv_scalar_get_f64(x->dtype, row + (size_t)chosen * size) - top);
            if (left < 0) break;
        }
        sv_scalar_set_i64(y->dtype, (char *)call->ptr[1] + (size_t)i * to, chosen);
    }
}

static const sv_kernel multinomial_kernel = {
    .name = "custom_multinomial", .family = SV_FAMILY_custom, .run = multinomial_run};

static sv_status multinomial_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_random_param param = {.seed = seed_of(e->node)};
    return sv_emit_run(e, &multinomial_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_Multinomial = {.op = SV_OP_Multinomial,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1,
                                           .max_out = 1,
                                           .traits = SV_TRAIT_RANDOM,
                                           .infer = multinomial_infer,
                                           .emit = multinomial_emit};

/* ---- Dropout ----------------------------------------------------------------------------- */

static sv_status dropout_infer(sv_infer *x)
{
    SV_TRY(sv_infer_scalar(x, 1, SV_DTYPE_NONE));
    SV_TRY(sv_infer_scalar(x, 2, SV_BOOL));
    const sv_tensor *training = sv_infer_value(x, 2);
    const sv_tensor *ratio =
        training && *(const bool *)training->data ? sv_infer_value(x, 1) : NULL;
    if (ratio) {
        double value = sv_tensor_get_f64(ratio, 0);
        if (!(value >= 0 && value < 1))
            return sv_infer_error(x, 1, "expected a ratio in [0, 1), found %g", value);
    }
    x->out[0] = x->in[0];
    if (x->n_out > 1) x->out[1] = (sv_type){SV_BOOL, x->in[0].shape};
    return SV_OK;
}

/* Operands: x, mask (may be absent), y. */
static void dropout_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_random_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    int64_t count = sv_desc_count(x);
    size_t size = sv_desc_size(x);
    sv_twister twister;
    (void)begin, (void)end;
    twister_seed(&twister, p->seed);
    for (int64_t i = 0; i < count; i++) {
        bool keep = next_uniform(&twister) >= p->a;
        double value = sv_scalar_get_f64(x->dtype, (const char *)call->ptr[0] + (size_t)i * size);
        sv_scalar_set_f64(x->dtype, (char *)call->ptr[2] + (size_t)i * size,
                          keep ? value / p->b : 0);
        if (call->ptr[1]) ((bool *)call->ptr[1])[i] = keep;
    }
}

static const sv_kernel dropout_kernel = {
    .name = "custom_dropout", .family = SV_FAMILY_custom, .run = dropout_run};

/* At inference: the input, and a mask of true. */
static sv_status dropout_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_tensor *training = sv_emit_value(e, 2), *ratio = sv_emit_value(e, 1);
    sv_slot y = sv_emit_out(e, 0), mask = sv_emit_out(e, 1);
    double share = 0.5;
    if (sv_emit_in(e, 1) != SV_NO_SLOT && ratio) share = sv_tensor_get_f64(ratio, 0);
    bool draws = sv_emit_in(e, 2) != SV_NO_SLOT && training && *(const bool *)training->data;
    if (draws && share > 0) {
        sv_random_param param = {.seed = seed_of(e->node), .a = share, .b = 1 - share};
        sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(mask), sv_ref_dense(y)};
        return sv_emit_custom(e, &dropout_kernel, &param, sizeof(param), 3, ref,
                              mask == SV_NO_SLOT ? 4 : 6);
    }
    SV_TRY(sv_emit_reshape(e, y, 0));
    if (mask == SV_NO_SLOT) return SV_OK;
    sv_slot all;
    SV_TRY(sv_emit_scalar(e, SV_BOOL, 1.0, &all));
    return sv_emit_expand(e, mask, all);
}

const sv_op_desc sv_op_desc_Dropout = {.op = SV_OP_Dropout,
                                       .min_in = 1,
                                       .max_in = 3,
                                       .min_out = 1,
                                       .max_out = 2,
                                       .traits = SV_TRAIT_RANDOM,
                                       .infer = dropout_infer,
                                       .emit = dropout_emit};
