/* The table of prices: its rules, which row is whose, and that costs are made of it. */
#include "support/check.h"

#include "kernels/conv/winograd.h"
#include "kernels/gemm.h"
#include "kernels/prices.h"

#include <string.h>

static const sv_prices *any_row(sv_cpu_level level)
{
    const sv_cpu_identity nobody = {"", 0, 0};
    return sv_prices_choose(level, &nobody);
}

static void rules(void **state)
{
    (void)state;
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (size_t i = 0; i < count; i++) {
        assert_true(row[i].l2 >= 65536);
        for (int k = 0; k < SV_PRICE_COUNT; k++)
            assert_true(row[i].price[k] > 0);
        assert_int_equal(row[i].vendor == NULL, row[i].model[0] == 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(row[i].name, row[j].name);
            assert_false(!row[i].vendor && !row[j].vendor && row[i].level == row[j].level);
        }
        const sv_prices *any = any_row(row[i].level);
        assert_null(any->vendor);
        assert_int_equal(any->level, row[i].level);
    }
}

/* The same CPU gets the same row, at a lower level that level's; the level's suffixes do not. */
static void whose(void **state)
{
    (void)state;
    const sv_cpu_identity stranger = {"Nobody", 6, 143};
    assert_string_equal(sv_prices_choose(SV_CPU_BASELINE, &stranger)->name, "baseline");
#if defined(__x86_64__)
    const sv_cpu_identity xeon = {"GenuineIntel", 6, 143}, other = {"GenuineIntel", 6, 1};
    assert_string_equal(sv_prices_choose(SV_CPU_AVX512_BF16, &xeon)->name, "avx512-server");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX512, &xeon)->name, "avx512-server");
    const sv_cpu_identity zen4 = {"AuthenticAMD", 25, 17}, zen3 = {"AuthenticAMD", 25, 1};
    assert_string_equal(sv_prices_choose(SV_CPU_AVX512_BF16, &zen4)->name, "avx512-zen4");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX2, &zen4)->name, "avx2");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX2, &zen3)->name, "avx2");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX512, &other)->name, "avx512");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX512, &stranger)->name, "avx512");
    assert_string_equal(sv_prices_choose(SV_CPU_AVX2, &xeon)->name, "avx2");
    assert_string_equal(sv_prices_choose(SV_CPU_BASELINE, &xeon)->name, "baseline");
#elif defined(__aarch64__)
    assert_string_equal(sv_prices_choose(SV_CPU_NEON_DOTPROD, &stranger)->name, "neon");
#endif
}

/* A product of [64, 256] by [256, 128], b raw. */
typedef struct product {
    sv_gemm_param param;
    sv_desc desc[3];
    sv_problem problem;
} product;

static void product_init(product *p, const sv_prices *prices)
{
    *p = (product){.param = {.alpha = 1}};
    p->desc[0] = (sv_desc){.dtype = SV_F32, .rank = 2, .dim = {64, 256}, .stride = {256, 1}};
    p->desc[1] = (sv_desc){.dtype = SV_F32, .rank = 2, .dim = {256, 128}, .stride = {128, 1}};
    p->desc[2] = (sv_desc){.dtype = SV_F32, .rank = 2, .dim = {64, 128}, .stride = {128, 1}};
    p->problem = (sv_problem){.family = SV_FAMILY_gemm,
                              .n_operand = 3,
                              .write_mask = 4,
                              .prices = prices,
                              .param = &p->param,
                              .param_size = sizeof p->param,
                              .desc = p->desc};
}

/* Every kernel's cost is a sum of counts times prices: doubled prices, doubled costs. */
static void costs_are_sums(void **state)
{
    (void)state;
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (size_t i = 0; i < count; i++) {
        sv_prices twice = row[i];
        product plain, dear;
        for (int k = 0; k < SV_PRICE_COUNT; k++)
            twice.price[k] *= 2;
        product_init(&plain, &row[i]);
        product_init(&dear, &twice);
        const sv_kernel *kernel = sv_kernel_choose(&plain.problem, row[i].level);
        assert_int_equal(kernel->level, row[i].level);
        double cost = kernel->cost(&plain.problem), other = kernel->cost(&dear.problem);
        assert_true(cost > 0 && other > 1.999999 * cost && other < 2.000001 * cost);
    }
}

/* Kernels of another level reckon with that level's prices, whatever row the problem has. */
static void other_levels(void **state)
{
    (void)state;
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (size_t i = 0; i < count; i++) {
        product p;
        product_init(&p, &row[i]);
        assert_ptr_equal(sv_prices_of(&p.problem, row[i].level), &row[i]);
        for (size_t j = 0; j < count; j++) {
            if (row[j].level == row[i].level) continue;
            assert_ptr_equal(sv_prices_of(&p.problem, row[j].level), any_row(row[j].level));
        }
        p.problem.prices = NULL;
        assert_ptr_equal(sv_prices_of(&p.problem, row[i].level), any_row(row[i].level));
    }
}

/* The prices decide, not the machine: where transforms are dear, the direct way is taken. */
static void prices_decide(void **state)
{
    (void)state;
    sv_conv_param param = {.spatial = 2,
                           .groups = 1,
                           .kernel = {3, 3},
                           .stride = {1, 1},
                           .dilation = {1, 1},
                           .pad = {1, 1}};
    sv_desc desc[3] = {{.dtype = SV_F32, .rank = 4, .dim = {1, 64, 56, 56}},
                       {.dtype = SV_F32, .rank = 4, .dim = {64, 64, 3, 3}},
                       {.dtype = SV_F32, .rank = 4, .dim = {1, 64, 56, 56}}};
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (size_t i = 0; i < count; i++) {
        sv_prices dear = row[i];
        dear.price[SV_PRICE_transform] *= 1000;
        sv_problem problem = {.family = SV_FAMILY_conv,
                              .n_operand = 3,
                              .prices = &row[i],
                              .param = &param,
                              .desc = desc};
        assert_int_equal(sv_winograd_choose(&problem, row[i].level), WINOGRAD_4_3);
        problem.prices = &dear;
        assert_int_equal(sv_winograd_choose(&problem, row[i].level), WINOGRAD_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),          cmocka_unit_test(whose),
        cmocka_unit_test(costs_are_sums), cmocka_unit_test(other_levels),
        cmocka_unit_test(prices_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
