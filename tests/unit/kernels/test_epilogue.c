/* Epilogues of the matrix-shaped families: every unary operation, every order of items, every row.
 * ctest: labels=cpu
 *
 * Tolerances: the sums before the epilogue are at most 20 * eps(f32) off; operations here have
 * slopes of at most 3 on the values that meet them, and the vector functions a few ulp of their
 * own. */
#include "support/check.h"

#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "problem_rig.h"

#include <math.h>

static const double eps = 1.19e-7;

static sv_gemm_param unit_gemm = {.alpha = 1};

static void small_gemm(rig *r, uint64_t seed)
{
    rig_init(r, SV_FAMILY_gemm, &unit_gemm, sizeof unit_gemm, seed);
    rig_add(r, SV_F32, 2, (int64_t[]){15, 6}, RIG_DENSE);
    rig_add(r, SV_F32, 2, (int64_t[]){6, 43}, RIG_DENSE);
    rig_add(r, SV_F32, 2, (int64_t[]){15, 43}, RIG_DENSE);
}

/* Operations that jump or blow up where sums of either sign come close: compared where they are
 * tame. */
static bool is_wild(int op)
{
    switch (op) {
    case SV_UNARY_Ceil:
    case SV_UNARY_Floor:
    case SV_UNARY_Round:
    case SV_UNARY_Shrink:
    case SV_UNARY_Sign:
    case SV_UNARY_Not:
    case SV_UNARY_Tan:
    case SV_UNARY_Reciprocal:
    case SV_UNARY_Log:
    case SV_UNARY_Sqrt:
    case SV_UNARY_Acos:
    case SV_UNARY_Acosh:
    case SV_UNARY_Asin:
    case SV_UNARY_Atanh:
    case SV_UNARY_ThresholdedRelu:
        return true;
    default:
        return false;
    }
}

static void unary_operations(void **state)
{
    (void)state;
    for (int op = 0; op < SV_UNARY_COUNT; op++) {
        rig r;
        small_gemm(&r, (uint64_t)op);
        if (is_wild(op)) {
            /* Squash into (0.2, 0.8) first: far from the jumps, inside every domain but Acosh's. */
            rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Sigmoid, 0, 0);
            rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Clip, 0.2f, 0.8f);
            if (op == SV_UNARY_Acosh) rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Affine, 1, 2);
        }
        rig_epilogue(&r, SV_EPI_UNARY, 0, (uint8_t)op, 0.125f, 0.875f);
        assert_true(rig_compare(&r, 2, 60 * eps, 60 * eps) >= 2);
        rig_release(&r);
    }
}

/* Items in every order of three out of bias, add, gate, clamp, activation. */
static void orders(void **state)
{
    (void)state;
    for (int i = 0; i < 125; i++) {
        rig r;
        small_gemm(&r, (uint64_t)i);
        int kinds[] = {i % 5, i / 5 % 5, i / 25};
        for (int k = 0; k < 3; k++) {
            uint8_t operand;
            const int64_t whole[] = {15, 43}, gate[] = {k ? 15 : 1, k == 2 ? 1 : 43};
            switch (kinds[k]) {
            case 0:
                operand = rig_add(&r, SV_F32, 1, (int64_t[]){43}, RIG_DENSE);
                rig_epilogue(&r, SV_EPI_BIAS, operand, 0, 0, 0);
                break;
            case 1:
                operand = rig_add(&r, SV_F32, 2, whole, k ? RIG_DENSE : RIG_TRANSPOSED);
                rig_epilogue(&r, SV_EPI_ADD, operand, 0, 0, 0);
                break;
            case 2:
                operand = rig_add(&r, SV_F32, 2, gate, RIG_DENSE);
                rig_epilogue(&r, SV_EPI_MUL, operand, 0, 0, 0);
                break;
            case 3:
                rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Clip, -0.3f, 0.7f);
                break;
            default:
                rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Tanh, 0, 0);
                break;
            }
        }
        assert_true(rig_compare(&r, 2, 60 * eps, 60 * eps) >= 2);
        rig_release(&r);
    }
}

/* Scaling comes before the epilogue. */
static void scaled(void **state)
{
    (void)state;
    sv_gemm_param param = {.alpha = -0.37f};
    for (int activation = 0; activation < 2; activation++) {
        rig r;
        small_gemm(&r, 9);
        r.problem.param = &param;
        uint8_t bias = rig_add(&r, SV_F32, 1, (int64_t[]){43}, RIG_DENSE);
        rig_epilogue(&r, SV_EPI_BIAS, bias, 0, 0, 0);
        rig_epilogue(&r, SV_EPI_UNARY, 0, activation ? SV_UNARY_Gelu : SV_UNARY_Relu, 0, 0);
        assert_true(rig_compare(&r, 2, 30 * eps, 30 * eps) >= 2);
        rig_release(&r);
    }
}

/* The residual may be y itself: every element is read before it is written. */
static void in_place(void **state)
{
    (void)state;
    for (int activation = 0; activation < 2; activation++) {
        rig want, got;
        for (int i = 0; i < 2; i++) {
            rig *r = i ? &got : &want;
            small_gemm(r, 4);
            uint8_t add = rig_add(r, SV_F32, 2, (int64_t[]){15, 43}, RIG_DENSE);
            if (activation) rig_epilogue(r, SV_EPI_UNARY, 0, SV_UNARY_Sigmoid, 0, 0);
            rig_epilogue(r, SV_EPI_ADD, add, 0, 0, 0);
            rig_epilogue(r, SV_EPI_UNARY, 0, SV_UNARY_Relu, 0, 0);
        }
        size_t count;
        const sv_kernel *const *table = sv_kernel_table(&count);
        for (size_t k = 0; k < count; k++) {
            if (table[k]->family != SV_FAMILY_gemm || table[k]->level > rig_level()) continue;
            if (!table[k]->supports(&want.problem)) continue;
            rig_run(&want, table[k], 1);
            void *apart = got.ptr[2];
            memcpy(apart, got.ptr[3], got.bytes[3]);
            void *add = got.ptr[3];
            got.ptr[3] = apart;
            rig_run(&got, table[k], 1);
            got.ptr[3] = add;
            assert_memory_equal(want.ptr[2], got.ptr[2], want.bytes[2]);
        }
        rig_release(&want);
        rig_release(&got);
    }
}

/* The same through convolutions, whose sides have spatial dimensions. */
static void convolutions(void **state)
{
    (void)state;
    for (int i = 0; i < 24; i++) {
        sv_conv_param param = {.spatial = 2,
                               .groups = i % 2 ? 19 : 1,
                               .kernel = {3, 3},
                               .stride = {1, 1},
                               .dilation = {1, 1},
                               .pad = {1, 1}};
        static const uint8_t op[] = {SV_UNARY_Swish, SV_UNARY_HardSwish, SV_UNARY_LeakyRelu,
                                     SV_UNARY_Mish};
        int64_t y[] = {2, 19, 5, 4}, w[] = {19, 19 / param.groups, 3, 3}, gate[] = {2, 19, 1, 1};
        bool transpose = i >= 16;
        if (transpose && param.groups > 1) w[1] = 1;
        rig r;
        rig_init(&r, transpose ? SV_FAMILY_conv_transpose : SV_FAMILY_conv, &param, sizeof param,
                 7);
        rig_add(&r, SV_F32, 4, y, RIG_CHANNELS_LAST);
        rig_add(&r, SV_F32, 4, w, RIG_DENSE);
        rig_add(&r, SV_F32, 4, y, RIG_CHANNELS_LAST);
        uint8_t bias = rig_add(&r, SV_F32, 1, &y[1], RIG_DENSE);
        uint8_t mul = rig_add(&r, SV_F32, 4, gate, RIG_DENSE);
        uint8_t add = rig_add(&r, SV_F32, 4, y, i & 8 ? RIG_CHANNELS_LAST : RIG_PADDED);
        rig_epilogue(&r, SV_EPI_BIAS, bias, 0, 0, 0);
        rig_epilogue(&r, SV_EPI_UNARY, 0, op[i / 2 % 4], 0.5f, 0);
        rig_epilogue(&r, SV_EPI_MUL, mul, 0, 0, 0);
        rig_epilogue(&r, SV_EPI_ADD, add, 0, 0, 0);
        assert_true(rig_compare(&r, 2, 200 * eps, 20 * eps) >= 2);
        rig_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_operations), cmocka_unit_test(orders),
        cmocka_unit_test(scaled),           cmocka_unit_test(in_place),
        cmocka_unit_test(convolutions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
