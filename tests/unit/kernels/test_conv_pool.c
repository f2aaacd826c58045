/* A convolution and its pool by bands against the same two rows one after the other, bit for bit.
 * ctest: labels=cpu */
#include "support/check.h"

#include "kernels/conv_pool.h"
#include "kernels/elementwise.h"
#include "problem_rig.h"

#include <math.h>
#include <stdlib.h>

/* One axis of a convolution or a pool. */
typedef struct window {
    int64_t kernel, stride, dilation, pad, pad_end;
} window;

/* size: of x along every axis but the first; groups as ONNX counts them. */
typedef struct pool_case {
    int64_t n, in, out, groups, height, size;
    int32_t spatial;
    window conv;
    uint8_t kind; /* sv_pool_kind */
    window pool;
} pool_case;

enum { KEEPS = 1, POISON = 2 };

typedef struct pair {
    rig conv, pool;
    sv_conv_param conv_param;
    sv_pool_param pool_param;
} pair;

static int64_t outputs(int64_t size, const window *w)
{
    return (size + w->pad + w->pad_end - (w->kernel - 1) * w->dilation - 1) / w->stride + 1;
}

static void dims(const pool_case *k, int64_t channels, int64_t high, int64_t wide, int64_t *out)
{
    out[0] = k->n;
    out[1] = channels;
    for (int32_t i = 0; i < k->spatial; i++)
        out[2 + i] = i ? wide : high;
}

static void build(pair *p, const pool_case *k, uint64_t seed, int how)
{
    const int32_t rank = k->spatial + 2;
    const int64_t high = outputs(k->height, &k->conv), wide = outputs(k->size, &k->conv);
    int64_t x[5], w[5] = {k->out, k->in / k->groups}, map[5], y[5];
    dims(k, k->in, k->height, k->size, x);
    dims(k, k->out, high, wide, map);
    dims(k, k->out, outputs(high, &k->pool), outputs(wide, &k->pool), y);
    p->conv_param = (sv_conv_param){.spatial = k->spatial, .groups = k->groups};
    p->pool_param = (sv_pool_param){.kind = k->kind, .p = 2, .spatial = k->spatial};
    p->pool_param.count_include_pad = seed % 2;
    for (int32_t i = 0; i < k->spatial; i++) {
        w[2 + i] = p->conv_param.kernel[i] = k->conv.kernel;
        p->conv_param.stride[i] = k->conv.stride;
        p->conv_param.dilation[i] = k->conv.dilation;
        p->conv_param.pad[i] = k->conv.pad;
        p->pool_param.kernel[i] = k->pool.kernel;
        p->pool_param.stride[i] = k->pool.stride;
        p->pool_param.dilation[i] = k->pool.dilation;
        p->pool_param.pad[i] = k->pool.pad;
        p->pool_param.pad_end[i] = k->pool.pad_end;
    }
    rig_init(&p->conv, SV_FAMILY_conv, &p->conv_param, sizeof p->conv_param, seed);
    rig_add(&p->conv, SV_F32, rank, x, seed % 3 ? RIG_CHANNELS_LAST : RIG_DENSE);
    rig_add(&p->conv, SV_F32, rank, w, RIG_DENSE);
    rig_add(&p->conv, SV_F32, rank, map, RIG_CHANNELS_LAST);
    if (seed % 4) {
        rig_epilogue(&p->conv, SV_EPI_BIAS, rig_add(&p->conv, SV_F32, 1, &k->out, RIG_DENSE), 0, 0,
                     0);
    }
    if (seed % 5) rig_epilogue(&p->conv, SV_EPI_UNARY, 0, SV_UNARY_Relu, 0, 0);
    rig_init(&p->pool, SV_FAMILY_pool, &p->pool_param, sizeof p->pool_param, seed);
    rig_add(&p->pool, SV_F32, rank, map, RIG_CHANNELS_LAST);
    rig_add(&p->pool, SV_F32, rank, y, RIG_CHANNELS_LAST);
    rig_add(&p->pool, SV_DTYPE_NONE, 0, NULL, RIG_DENSE);
    rig_write(&p->conv, 2);
    rig_write(&p->pool, 1);
    if (how & POISON) rig_set(&p->conv, 0, (int64_t[5]){0}, NAN);
}

static void release(pair *p)
{
    rig_release(&p->conv);
    rig_release(&p->pool);
}

static void run_separate(pair *p, const sv_kernel *conv, const sv_kernel *pool)
{
    rig_run(&p->conv, conv, 0);
    memcpy(p->pool.ptr[0], p->conv.ptr[2], p->pool.bytes[0]);
    rig_run(&p->pool, pool, 0);
}

/* By bands, in ranges of `range` units; false where the two do not go together. */
static bool run_bands(pair *p, const sv_kernel *conv, const sv_kernel *pool, bool keeps,
                      uint32_t range)
{
    const sv_kernel *bands = sv_kernel_find("conv_pool_bands");
    uint8_t weight = 1;
    void *packed = rig_pack(&p->conv, conv, &weight);
    rig *part[] = {&p->conv, &p->pool}, all;
    sv_conv_pool made;
    p->conv.problem.b_format = conv->b_format;
    const sv_conv_pool_part maker = {&p->conv.problem, conv}, taker = {&p->pool.problem, pool};
    bool there = sv_conv_pool_make(&maker, &taker, keeps, &made);
    if (there) {
        rig_init(&all, SV_FAMILY_conv_pool, &made.param, sizeof made.param, 1);
        all.problem.n_operand = made.operands.n;
        for (uint32_t i = 0; i < made.operands.n; i++) {
            const uint8_t from = made.operands.from[i].problem;
            all.desc[i] = (sv_desc){.dtype = SV_DTYPE_NONE};
            all.ptr[i] = NULL;
            if (from == SV_JOINED_NONE) continue;
            all.desc[i] = part[from]->desc[made.operands.from[i].operand];
            all.ptr[i] = part[from]->ptr[made.operands.from[i].operand];
        }
        if (packed) all.ptr[SV_CONV_POOL_W] = packed;
        there = bands->supports(&all.problem);
    }
    if (there) {
        assert_true(bands->cost(&all.problem) > 0);
        assert_true(bands->units(&all.problem, 0) >= 8);
        rig_write(&p->conv, 2);
        rig_write(&p->pool, 1);
        rig_run(&all, bands, range);
    }
    p->conv.problem.b_format = SV_FORMAT_RAW;
    free(packed);
    return there;
}

/* Returns how many ways there were. */
static int check_rows(pair *p, const sv_kernel *conv, const sv_kernel *pool)
{
    static const uint32_t ranges[] = {0, 1, 3};
    int ways = 0;
    run_separate(p, conv, pool);
    void *map = rig_copy(&p->conv, 2), *y = rig_copy(&p->pool, 1);
    for (int keeps = 0; keeps < 2; keeps++) {
        for (int i = 0; i < 3; i++) {
            if (!run_bands(p, conv, pool, keeps, ranges[i])) continue;
            ways++;
            if (memcmp(y, p->pool.ptr[1], p->pool.bytes[1]) != 0)
                fail_msg("%s, ranges of %u, keeps %d: other bytes", conv->name, ranges[i], keeps);
            if (keeps && memcmp(map, p->conv.ptr[2], p->conv.bytes[2]) != 0)
                fail_msg("%s, ranges of %u: another map", conv->name, ranges[i]);
        }
    }
    free(map);
    free(y);
    return ways;
}

/* All rows of convolutions that this machine has and that take the problem. */
static int check_case(const pool_case *k, uint64_t seed, int how)
{
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    int ways = 0;
    pair p;
    build(&p, k, seed, how);
    for (size_t i = 0; i < count; i++) {
        const sv_kernel *conv = table[i];
        if (conv->family != SV_FAMILY_conv || conv->level > rig_level()) continue;
        p.conv.problem.b_format = conv->b_format;
        const sv_packer *packer = sv_packer_get(conv->b_format);
        const bool takes = (!packer || packer->accepts(&p.conv.problem, conv->level)) &&
                           (!conv->supports || conv->supports(&p.conv.problem));
        p.conv.problem.b_format = SV_FORMAT_RAW;
        const sv_kernel *pool = sv_kernel_choose(&p.pool.problem, conv->level);
        if (takes) ways += check_rows(&p, conv, pool);
    }
    release(&p);
    return ways;
}

static void check_cases(const pool_case *k, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (uint64_t seed = 0; seed < 5; seed++)
            assert_true(check_case(&k[i], seed, seed == 3 ? POISON : 0) > 0);
    }
}

#define CASES(array) check_cases(array, sizeof(array) / sizeof *(array))

static const window same = {3, 1, 1, 1, 1}, point = {1, 1, 1, 0, 0}, halves = {2, 2, 1, 0, 0},
                    overlap = {3, 2, 1, 1, 1}, inner = {3, 2, 1, 0, 0}, stem = {7, 2, 1, 3, 3};

static void dense_convolutions(void **state)
{
    (void)state;
    const pool_case cases[] = {
        {1, 3, 20, 1, 46, 23, 2, stem, SV_POOL_MAX, overlap},
        {1, 16, 33, 1, 33, 12, 2, same, SV_POOL_MAX, halves},
        {2, 17, 40, 1, 21, 9, 2, same, SV_POOL_MAX, inner},
        {9, 16, 16, 1, 8, 8, 2, same, SV_POOL_AVERAGE, overlap},
        {1, 24, 24, 1, 36, 11, 2, {5, 1, 1, 2, 2}, SV_POOL_LP, halves},
        {1, 20, 8, 1, 40, 7, 2, point, SV_POOL_AVERAGE, {3, 1, 1, 1, 1}},
        {1, 16, 32, 1, 50, 14, 2, {3, 1, 2, 2, 2}, SV_POOL_MAX, {3, 2, 2, 2, 2}},
        {1, 8, 12, 1, 70, 13, 2, {3, 2, 1, 0, 1}, SV_POOL_MAX, {2, 3, 1, 0, 1}},
    };
    CASES(cases);
}

static void grouped_convolutions(void **state)
{
    (void)state;
    const pool_case cases[] = {
        {1, 24, 24, 24, 34, 9, 2, same, SV_POOL_MAX, halves},
        {1, 20, 20, 20, 40, 12, 2, {5, 2, 1, 2, 2}, SV_POOL_AVERAGE, overlap},
        {2, 32, 32, 8, 22, 7, 2, same, SV_POOL_MAX, overlap},
    };
    CASES(cases);
}

static void lines_and_volumes(void **state)
{
    (void)state;
    const pool_case cases[] = {
        {1, 12, 20, 1, 90, 0, 1, same, SV_POOL_MAX, overlap},
        {1, 3, 8, 1, 120, 0, 1, stem, SV_POOL_MAX, halves},
        {1, 6, 16, 1, 20, 6, 3, same, SV_POOL_MAX, halves},
        {1, 2, 9, 1, 18, 5, 3, same, SV_POOL_AVERAGE, overlap},
    };
    CASES(cases);
}

/* What cannot go by bands is told so: too few rows, windows that share rows of a map that is kept,
 * indices, an epilogue that reads the map's shape. */
static void others_stay_apart(void **state)
{
    (void)state;
    const sv_kernel *conv = sv_kernel_find("conv_ref"), *pool = sv_kernel_find("pool_ref");
    const pool_case few = {1, 4, 8, 1, 8, 8, 2, same, SV_POOL_MAX, halves};
    const pool_case shares = {1, 4, 8, 1, 40, 8, 2, same, SV_POOL_MAX, overlap};
    pair p;
    build(&p, &few, 1, 0);
    assert_false(run_bands(&p, conv, pool, false, 0));
    release(&p);
    build(&p, &shares, 1, 0);
    assert_true(run_bands(&p, conv, pool, false, 0));
    assert_false(run_bands(&p, conv, pool, true, 0));
    p.pool.desc[2] = p.pool.desc[1];
    p.pool.desc[2].dtype = SV_I64;
    assert_false(run_bands(&p, conv, pool, false, 0));
    p.pool.desc[2].dtype = SV_DTYPE_NONE;
    rig_epilogue(&p.conv, SV_EPI_ADD,
                 rig_add(&p.conv, SV_F32, 4, p.conv.desc[2].dim, RIG_CHANNELS_LAST), 0, 0, 0);
    assert_false(run_bands(&p, conv, pool, false, 0));
    release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_convolutions),
        cmocka_unit_test(grouped_convolutions),
        cmocka_unit_test(lines_and_volumes),
        cmocka_unit_test(others_stay_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
