/* Operators that order, select and repeat elements, against plain loops over many shapes: the
 * blocks and groups that they work in must not show. */
#include "node_case.h"
#include "support/check.h"

#include <math.h>

#define DIMS(...) ((int64_t[]){__VA_ARGS__})

enum { MOST = 4096 };

/* Numbers with many equal ones, NaN of both signs, infinities and zeros of both signs. */
static void fill(float *x, int64_t n, uint32_t seed)
{
    static const float special[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0f, -0.0f};
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        const uint32_t r = seed >> 8;
        x[i] = r % 17 == 0 ? special[r / 17 % 6] : (float)(int)(r / 17 % 41) - 20.0f;
    }
}

/* A total order: NaN after all numbers, zeros equal. */
static int order(float a, float b)
{
    const bool na = a != a, nb = b != b;
    if (na || nb) return na - nb;
    return (a > b) - (a < b);
}

/* ---- TopK ---------------------------------------------------------------------------------- */

/* Whether element i of a line comes before j. */
static bool before(const float *x, int64_t step, int64_t i, int64_t j, bool largest)
{
    int by = order(x[i * step], x[j * step]);
    if (by == 0) return i < j;
    return largest ? by > 0 : by < 0;
}

static void check_top_line(const node_case *c, const float *x, int64_t at, int64_t to, int64_t step,
                           int64_t n, int64_t k, bool largest)
{
    const float *value = c->result[0].data;
    const int64_t *index = c->result[1].data;
    for (int64_t i = 0; i < k; i++) {
        const int64_t found = index[to + i * step];
        assert_in_range(found, 0, n - 1);
        assert_memory_equal(&value[to + i * step], &x[at + found * step], sizeof(float));
        int64_t rank = 0;
        for (int64_t j = 0; j < n; j++)
            rank += before(x + at, step, j, found, largest);
        assert_int_equal(rank, i);
    }
}

static void top_k_case(int64_t outer, int64_t n, int64_t inner, int64_t k, bool largest)
{
    static float x[MOST];
    node_case c;
    fill(x, outer * n * inner, (uint32_t)(n + k));
    node_case_init(&c, SV_OP_TopK, 2, 2);
    node_case_int(&c, "axis", 1);
    node_case_int(&c, "largest", largest);
    node_case_f32(&c, 0, 3, DIMS(outer, n, inner), x);
    node_case_i64(&c, 1, 1, &k);
    CHECK_OK(node_case_eval(&c));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++)
            check_top_line(&c, x, o * n * inner + i, o * k * inner + i, inner, n, k, largest);
    node_case_release(&c);
}

static void top_k(void **state)
{
    (void)state;
    const int64_t sizes[] = {1, 5, 64, 65, 200}, ks[] = {1, 2, 5, 64, 65, 200};
    for (int s = 0; s < 5; s++) {
        for (int k = 0; k < 6; k++) {
            if (ks[k] > sizes[s]) continue;
            top_k_case(3, sizes[s], 1, ks[k], true);
            top_k_case(3, sizes[s], 1, ks[k], false);
            top_k_case(2, sizes[s], 7, ks[k], true);
            top_k_case(2, sizes[s], 7, ks[k], false);
        }
    }
}

/* ---- CumSum -------------------------------------------------------------------------------- */

static void cum_sum_case(int64_t outer, int64_t n, int64_t inner, bool exclusive, bool reverse)
{
    static float x[MOST];
    node_case c;
    for (int64_t i = 0; i < outer * n * inner; i++)
        x[i] = (float)(i % 23) * 0.37f - 2;
    node_case_init(&c, SV_OP_CumSum, 2, 1);
    node_case_int(&c, "exclusive", exclusive);
    node_case_int(&c, "reverse", reverse);
    node_case_f32(&c, 0, 3, DIMS(outer, n, inner), x);
    node_case_i64(&c, 1, 1, DIMS(1));
    CHECK_OK(node_case_eval(&c));
    const float *y = c.result[0].data;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t k = 0; k < inner; k++) {
            float sum = 0;
            for (int64_t i = 0; i < n; i++) {
                const int64_t at = (o * n + (reverse ? n - 1 - i : i)) * inner + k;
                const float with = sum + x[at];
                assert_true(y[at] == (exclusive ? sum : with));
                sum = with;
            }
        }
    }
    node_case_release(&c);
}

static void cum_sum(void **state)
{
    (void)state;
    const int64_t inner[] = {1, 3, 16, 17, 40};
    for (int i = 0; i < 5; i++) {
        for (int form = 0; form < 4; form++) {
            cum_sum_case(2, 37, inner[i], form & 1, form & 2);
            cum_sum_case(3, 1, inner[i], form & 1, form & 2);
        }
    }
}

/* ---- Unique, NonZero ----------------------------------------------------------------------- */

static void unique_case(int64_t n)
{
    static float x[MOST];
    node_case c;
    fill(x, n, (uint32_t)n);
    node_case_init(&c, SV_OP_Unique, 1, 4);
    node_case_f32(&c, 0, 1, &n, x);
    CHECK_OK(node_case_eval(&c));
    const float *y = c.result[0].data;
    const int64_t *first = c.result[1].data, *inverse = c.result[2].data, *count = c.result[3].data;
    const int64_t found = sv_tensor_count(&c.result[0]);
    for (int64_t i = 0; i < found; i++) {
        int64_t equal = 0;
        assert_true(i == 0 || order(y[i - 1], y[i]) < 0);
        assert_int_equal(order(x[first[i]], y[i]), 0);
        for (int64_t j = 0; j < n; j++) {
            equal += order(x[j], y[i]) == 0;
            if (order(x[j], y[i]) == 0) assert_true(j >= first[i]);
        }
        assert_int_equal(equal, count[i]);
    }
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(order(y[inverse[i]], x[i]), 0);
    node_case_release(&c);
}

static void unique(void **state)
{
    (void)state;
    const int64_t sizes[] = {1, 2, 3, 100, 1000};
    for (int i = 0; i < 5; i++)
        unique_case(sizes[i]);
    const int64_t wide[] = {INT64_MAX, -1, 7, INT64_MIN, 7, 256, -1, 65536};
    node_case c;
    node_case_init(&c, SV_OP_Unique, 1, 1);
    node_case_i64(&c, 0, 8, wide);
    CHECK_OK(node_case_eval(&c));
    assert_int_equal(sv_tensor_count(&c.result[0]), 6);
    assert_memory_equal(c.result[0].data, DIMS(INT64_MIN, -1, 7, 256, 65536, INT64_MAX), 48);
    node_case_release(&c);
}

static void non_zero(void **state)
{
    (void)state;
    static float x[MOST];
    const int64_t dim[] = {5, 7, 31}, count = 5 * 7 * 31;
    node_case c;
    for (int64_t i = 0; i < count; i++)
        x[i] = i % 3 == 1 ? (i % 2 ? -0.0f : 0.0f) : (i % 7 ? 1.0f : NAN);
    node_case_init(&c, SV_OP_NonZero, 1, 1);
    node_case_f32(&c, 0, 3, dim, x);
    CHECK_OK(node_case_eval(&c));
    const int64_t *y = c.result[0].data, n = c.result[0].shape.dim[1];
    int64_t k = 0;
    for (int64_t i = 0; i < count; i++) {
        if (x[i] == 0) continue;
        assert_int_equal((y[k] * 7 + y[n + k]) * 31 + y[2 * n + k], i);
        k++;
    }
    assert_int_equal(k, n);
    node_case_release(&c);
}

/* ---- Tile ---------------------------------------------------------------------------------- */

static void tile_case(const int64_t *dim, const int64_t *repeat)
{
    static float x[MOST];
    node_case c;
    int64_t out[4];
    for (int64_t i = 0; i < MOST; i++)
        x[i] = (float)i;
    for (int d = 0; d < 4; d++)
        out[d] = dim[d] * repeat[d];
    node_case_init(&c, SV_OP_Tile, 2, 1);
    node_case_f32(&c, 0, 4, dim, x);
    node_case_i64(&c, 1, 4, repeat);
    CHECK_OK(node_case_eval(&c));
    const float *y = c.result[0].data;
    assert_int_equal(sv_tensor_count(&c.result[0]), out[0] * out[1] * out[2] * out[3]);
    for (int64_t i = 0; i < sv_tensor_count(&c.result[0]); i++) {
        int64_t rest = i, from = 0, stride = 1;
        for (int d = 3; d >= 0; d--) {
            from += rest % out[d] % dim[d] * stride;
            rest /= out[d];
            stride *= dim[d];
        }
        assert_true(y[i] == x[from]);
    }
    node_case_release(&c);
}

static void tile(void **state)
{
    (void)state;
    const int64_t repeats[][4] = {{2, 1, 1, 1}, {1, 3, 1, 1}, {1, 1, 1, 5}, {2, 1, 3, 1},
                                  {2, 2, 2, 2}, {1, 2, 1, 2}, {1, 1, 1, 1}, {3, 1, 1, 2}};
    const int64_t dims[][4] = {
        {2, 3, 4, 5}, {1, 1, 1, 1}, {1, 3, 1, 7}, {2, 1, 40, 30}, {3, 1, 1, 1}};
    for (int r = 0; r < 8; r++)
        for (int d = 0; d < 5; d++)
            tile_case(dims[d], repeats[r]);
}

/* ---- GatherElements, ScatterElements ------------------------------------------------------- */

/* Where element `i` of [4, 5, 6] lies whose index along `axis` is `at`. */
static int64_t moved(int64_t i, int axis, int64_t at)
{
    int64_t k[3] = {i / 30, i / 6 % 5, i % 6};
    k[axis] = at;
    return (k[0] * 5 + k[1]) * 6 + k[2];
}

static void elements_case(int axis, bool add)
{
    const int64_t dim[] = {4, 5, 6}, n = 120;
    float x[120], update[120], want[120];
    int64_t index[120];
    for (int64_t i = 0; i < n; i++) {
        x[i] = want[i] = (float)i;
        update[i] = (float)(1000 + i);
        index[i] = i * 7 % (2 * dim[axis]) - dim[axis];
    }
    node_case c;
    node_case_init(&c, SV_OP_GatherElements, 2, 1);
    node_case_int(&c, "axis", axis);
    node_case_f32(&c, 0, 3, dim, x);
    node_case_i64(&c, 1, n, index);
    c.tensor[1].shape = c.in[1].shape = sv_shape_make(3, dim);
    CHECK_OK(node_case_eval(&c));
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = index[i] < 0 ? index[i] + dim[axis] : index[i];
        assert_true(((const float *)c.result[0].data)[i] == x[moved(i, axis, at)]);
        float *to = &want[moved(i, axis, at)];
        *to = add ? *to + update[i] : update[i];
    }
    node_case_release(&c);
    node_case_init(&c, SV_OP_ScatterElements, 3, 1);
    node_case_int(&c, "axis", axis);
    if (add) node_case_text(&c, "reduction", "add");
    node_case_f32(&c, 0, 3, dim, x);
    node_case_i64(&c, 1, n, index);
    c.tensor[1].shape = c.in[1].shape = sv_shape_make(3, dim);
    node_case_f32(&c, 2, 3, dim, update);
    CHECK_OK(node_case_eval(&c));
    assert_memory_equal(c.result[0].data, want, sizeof want);
    node_case_release(&c);
}

static void elements(void **state)
{
    (void)state;
    for (int axis = 0; axis < 3; axis++) {
        elements_case(axis, false);
        elements_case(axis, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_k),    cmocka_unit_test(cum_sum), cmocka_unit_test(unique),
        cmocka_unit_test(non_zero), cmocka_unit_test(tile),    cmocka_unit_test(elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
