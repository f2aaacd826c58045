/* Strassen's product against the reference, its choice, and what an exact problem gets.
 * ctest: labels=cpu
 *
 * Problems are smaller than those that it is chosen for. The bound is six times what rounding may
 * do to a plain sum of values up to 1. */
#include "support/check.h"

#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/gemm/strassen.h"
#include "problem_rig.h"

#include <math.h>
#include <stdio.h>

static const double eps = 1.19e-7;

typedef struct product {
    int64_t batch, m, k, n;
    rig_layout a, b, y;
    float alpha;
    int kinds; /* of the epilogue: 1 bias, 2 residual, 4 clamp, 8 activation, 16 gate */
} product;

static void build(const product *p, sv_gemm_param *param, rig *r)
{
    *param = (sv_gemm_param){.alpha = p->alpha};
    rig_init(r, SV_FAMILY_gemm, param, sizeof *param, (uint64_t)(p->m * 31 + p->n + p->kinds));
    rig_add(r, SV_F32, 3, (int64_t[]){p->batch, p->m, p->k}, p->a);
    rig_add(r, SV_F32, 3, (int64_t[]){1, p->k, p->n}, p->b);
    rig_add(r, SV_F32, 3, (int64_t[]){p->batch, p->m, p->n}, p->y);
    const int64_t y[] = {p->batch, p->m, p->n};
    if (p->kinds & 1) {
        const uint8_t bias = rig_add(r, SV_F32, 1, &p->n, RIG_DENSE);
        rig_epilogue(r, SV_EPI_BIAS, bias, 0, 0, 0);
    }
    if (p->kinds & 2) {
        const uint8_t add = rig_add(r, SV_F32, 3, y, RIG_PADDED);
        rig_epilogue(r, SV_EPI_ADD, add, 0, 0, 0);
    }
    if (p->kinds & 4) rig_epilogue(r, SV_EPI_UNARY, 0, SV_UNARY_Clip, -0.5f, 2);
    if (p->kinds & 8) rig_epilogue(r, SV_EPI_UNARY, 0, SV_UNARY_Tanh, 0, 0);
    if (p->kinds & 16) {
        const uint8_t gate = rig_add(r, SV_F32, 3, y, RIG_DENSE);
        rig_epilogue(r, SV_EPI_MUL, gate, 0, 0, 0);
    }
}

static void *result_of(rig *r, const sv_kernel *kernel, int64_t range)
{
    rig_write(r, 2);
    rig_run(r, kernel, range);
    return rig_copy(r, 2);
}

static void compare(const rig *r, void *found, void *wanted, double limit, const char *name)
{
    rig got = *r, want = *r;
    got.ptr[2] = found;
    want.ptr[2] = wanted;
    int64_t index[SV_MAX_RANK] = {0};
    do {
        const double x = rig_get(&got, 2, index), y = rig_get(&want, 2, index);
        if (!(fabs(x - y) <= limit + 8 * eps * fabs(y)))
            fail_msg("%s: %.9g in row %lld, expected %.9g", name, x, (long long)index[1], y);
    } while (sv_index_next(3, r->desc[2].dim, index));
}

/* The rows of all levels of this machine, in one range and in single units: the same bytes, near
 * the reference. One whose result is scattered takes no epilogue. */
static void check(const product *p)
{
    sv_gemm_param param;
    rig r;
    build(p, &param, &r);
    void *want = result_of(&r, sv_kernel_find("gemm_ref"), 0);
    for (int level = SV_CPU_BASELINE; level <= (int)rig_level(); level++) {
        char name[64];
        snprintf(name, sizeof name, "gemm_strassen_%s", sv_cpu_level_name((sv_cpu_level)level));
        const sv_kernel *kernel = sv_kernel_find(name);
        if (!kernel) continue;
        const bool scattered = r.desc[2].stride[2] != 1 && p->kinds;
        assert_int_equal(kernel->supports(&r.problem), !scattered);
        if (scattered) continue;
        void *once = result_of(&r, kernel, 0), *apart = result_of(&r, kernel, 1);
        if (memcmp(once, apart, r.bytes[2]) != 0) fail_msg("%s: depends on ranges", name);
        compare(&r, once, want, 6 * (double)(p->k + 4) * eps, name);
        free(once);
        free(apart);
    }
    free(want);
    rig_release(&r);
}

/* Blocks of rows cut anywhere, an odd last row, one row alone, groups of panels cut short. */
static void sizes(void **state)
{
    (void)state;
    static const int64_t m[] = {1, 2, 3, 25, 191, 192, 193, 203, 385};
    static const int64_t n[] = {64, 192, 1216}, k[] = {2, 30, 64};
    for (size_t i = 0; i < 9 * 3; i++) {
        check(&(product){.batch = 1, .m = m[i % 9], .k = k[i % 3], .n = n[i / 9], .alpha = 1});
    }
}

static void layouts(void **state)
{
    (void)state;
    static const rig_layout layout[] = {RIG_DENSE, RIG_TRANSPOSED, RIG_PADDED, RIG_EVERY_OTHER};
    for (int i = 0; i < 64; i++) {
        check(&(product){.batch = 1 + i % 3,
                         .m = 29,
                         .k = 22,
                         .n = 128,
                         .a = layout[i % 4],
                         .b = layout[i / 4 % 4],
                         .y = layout[i / 16],
                         .alpha = i % 2 ? 1 : 0.25f});
    }
}

static void epilogues(void **state)
{
    (void)state;
    for (int kinds = 1; kinds < 31; kinds++) {
        for (int i = 0; i < 4; i++) {
            check(&(product){.batch = 1 + i / 2,
                             .m = 35,
                             .k = 18,
                             .n = 64,
                             .y = i / 2 ? RIG_PADDED : RIG_DENSE,
                             .alpha = i % 2 ? 1 : 0.5f,
                             .kinds = kinds});
        }
    }
}

static bool chosen(int64_t m, int64_t k, int64_t n, bool exact, bool compact)
{
    sv_gemm_param param = {.alpha = 1};
    sv_desc desc[3] = {{.dtype = SV_F32, .rank = 2, .dim = {m, k}},
                       {.dtype = SV_F32, .rank = 2, .dim = {k, n}},
                       {.dtype = SV_F32, .rank = 2, .dim = {m, n}}};
    sv_problem problem = {.family = SV_FAMILY_gemm,
                          .n_operand = 3,
                          .param = &param,
                          .desc = desc,
                          .exact = exact,
                          .compact = compact};
    uint8_t operand;
    const bool found = sv_strassen_choose(&problem, rig_level());
    const sv_format format = sv_format_choose(&problem, rig_level(), &operand);
    assert_int_equal(format, found ? SV_FORMAT_gemm_strassen : SV_FORMAT_gemm_panels);
    return found;
}

/* Large products of known sizes alone, and none that must be exact or small. */
static void choice(void **state)
{
    (void)state;
    assert_true(chosen(16384, 16384, 16384, false, false));
    assert_false(chosen(16384, 16384, 16384, true, false));
    assert_false(chosen(16384, 16384, 16384, false, true));
    assert_false(chosen(-1, 16384, 16384, false, false));
    assert_false(chosen(16384, 16383, 16384, false, false));
    assert_false(chosen(16384, 16384, 16388, false, false));
    assert_false(chosen(256, 256, 256, false, false));
    assert_false(chosen(4, 4096, 4096, false, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(layouts),
        cmocka_unit_test(epilogues),
        cmocka_unit_test(choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
