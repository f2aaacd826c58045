/* The problems of serval tune: all ways to do one give the same answer, costs are sums of counts
 * times prices, and one of the ways is chosen. ctest: labels=cpu
 *
 * Tolerance: Winograd's sums of a few hundred products of values up to 1 are off by at most 1e-5 of
 * the largest result; ten times that. */
#include "support/check.h"

#include "tune/timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sv_cpu_level level(void)
{
    sv_cpu_level found = SV_CPU_BASELINE;
    CHECK_OK(sv_cpu_detect(&found));
    return found;
}

/* Runs way `w` alone; its result, of `count` floats, to be freed by the caller. */
static float *result_of(const sv_tune_problem *problem, uint32_t w, size_t *count)
{
    static const float sweep[16];
    sv_tune_problem one = *problem;
    double least = 0;
    one.n = 1;
    one.way[0] = problem->way[w];
    const sv_tune_run *last = &one.way[0].run[one.way[0].n - 1];
    const int y = __builtin_ctz(last->problem.write_mask);
    const sv_desc *desc = &last->problem.desc[y];
    *count = (size_t)(desc->dim[0] * desc->stride[0]);
    memset(last->ptr[y], 0, *count * sizeof(float));
    CHECK_OK(sv_tune_time(&one, 0, sweep, sizeof sweep, &least));
    assert_true(least > 0);
    float *own = malloc(*count * sizeof *own);
    assert_non_null(own);
    return memcpy(own, last->ptr[y], *count * sizeof *own);
}

static void compare(const sv_tune_problem *problem, const float *a, const float *b, size_t count,
                    uint32_t w)
{
    float most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmaxf(most, fabsf(a[i]));
    assert_true(most > 0);
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(a[i] - b[i]) <= 1e-4f * most))
            fail_msg("%s: way %u: %g, expected %g", problem->name, w, (double)b[i], (double)a[i]);
    }
}

static bool is_small(const sv_tune_problem *problem)
{
    return sv_problem_flops(&problem->whole) < 3e7;
}

/* All ways against the first; returns how many there are. */
static int compare_ways(const sv_tune_problem *problem)
{
    size_t count, again;
    float *first = result_of(problem, 0, &count);
    for (uint32_t w = 1; w < problem->n; w++) {
        float *result = result_of(problem, w, &again);
        assert_int_equal(again, count);
        compare(problem, first, result, count, w);
        free(result);
    }
    free(first);
    return (int)problem->n;
}

static void ways_agree(void **state)
{
    (void)state;
    int compared = 0;
    for (uint32_t i = 0; i < sv_tune_row_count; i++) {
        sv_tune_memory memory;
        sv_tune_problem problem;
        sv_tune_memory_init(&memory);
        CHECK_OK(sv_tune_problem_make(&sv_tune_rows[i], level(), &memory, &problem));
        assert_true(problem.n >= 1);
        if (is_small(&problem)) compared += compare_ways(&problem);
        sv_tune_memory_release(&memory);
    }
    assert_true(compared > 20);
}

/* What the fit relies on: counts, found one price at a time, times prices are the cost. */
static double by_counts(const sv_tune_way *way, const sv_prices *row)
{
    sv_prices probe = *row;
    memset(probe.price, 0, sizeof probe.price);
    const double rest = sv_tune_way_cost(way, &probe);
    double cost = rest;
    for (int k = 0; k < SV_PRICE_COUNT; k++) {
        probe.price[k] = sv_price_per((sv_price_kind)k);
        cost += (sv_tune_way_cost(way, &probe) - rest) * row->price[k] / probe.price[k];
        probe.price[k] = 0;
    }
    return cost;
}

static void costs_and_choices(void **state)
{
    (void)state;
    size_t count;
    const sv_prices *row = sv_prices_table(&count);
    for (uint32_t i = 0; i < sv_tune_row_count; i++) {
        sv_tune_memory memory;
        sv_tune_problem problem;
        sv_tune_memory_init(&memory);
        CHECK_OK(sv_tune_problem_make(&sv_tune_rows[i], level(), &memory, &problem));
        for (size_t r = 0; r < count; r++) {
            if (sv_prices_of(&problem.whole, level())->level != row[r].level) continue;
            assert_true(sv_tune_choice(&problem, &row[r]) < problem.n);
            for (uint32_t w = 0; w < problem.n; w++) {
                double cost = sv_tune_way_cost(&problem.way[w], &row[r]);
                if (!(fabs(by_counts(&problem.way[w], &row[r]) / cost - 1) < 1e-6))
                    fail_msg("%s: way %u: cost %g is no sum", problem.name, w, cost);
            }
        }
        sv_tune_memory_release(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_agree),
        cmocka_unit_test(costs_and_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
