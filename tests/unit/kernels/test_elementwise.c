/* Unary, binary and where: the reference against closed forms, every other row against the
 * reference. */
#include "kernels/elementwise.h"
#include "trial.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

static sv_unary_param unary(sv_unary op, double a, double b)
{
    return (sv_unary_param){.op = (uint8_t)op, .a = (float)a, .b = (float)b, .da = a, .db = b};
}

/* Runs the reference over one line of values of a dtype. */
static void unary_case(sv_unary_param p, sv_dtype from, sv_dtype to, int64_t n, const double *x,
                       const double *expected, double rtol)
{
    trial_tensor tx = trial_make(from, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor ty = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_put(&tx, x);
    trial t;
    trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&tx, &ty));
    trial_reference(&t);
    trial_equal_values(&ty, expected, rtol, 1e-30);
    trial_free(&tx);
    trial_free(&ty);
}
#define D(...) ((const double[]){__VA_ARGS__})

static void test_unary_values(void **state)
{
    (void)state;
    const double x[] = {-2, -0.5, 0, 0.5, 3};
    const struct {
        sv_unary op;
        double a, b, y[5];
    } cases[] = {
        {SV_UNARY_Abs, 0, 0, {2, 0.5, 0, 0.5, 3}},
        {SV_UNARY_Affine, 2, 1, {-3, 0, 1, 2, 7}},
        {SV_UNARY_Asinh,
         0,
         0,
         {-1.4436354751788103, -0.48121182505960347, 0, 0.48121182505960347, 1.8184464592320668}},
        {SV_UNARY_Ceil, 0, 0, {-2, -0.0, 0, 1, 3}},
        {SV_UNARY_Celu, 2, 0, {-1.2642411176571153, -0.4423984338571903, 0, 0.5, 3}},
        {SV_UNARY_Clip, -1, 2, {-1, -0.5, 0, 0.5, 2}},
        {SV_UNARY_Clip, 5, 1, {1, 1, 1, 1, 1}},
        {SV_UNARY_Elu, 1.5, 0, {-1.296997075145081, -0.5902040104310499, 0, 0.5, 3}},
        {SV_UNARY_Erf,
         0,
         0,
         {-0.9953222650189527, -0.5204998778130465, 0, 0.5204998778130465, 0.9999779095030014}},
        {SV_UNARY_Floor, 0, 0, {-2, -1, 0, 0, 3}},
        {SV_UNARY_Gelu,
         0,
         0,
         {-0.04550026389635842, -0.15426876936299347, 0, 0.3457312306370065, 2.99595030590511}},
        {SV_UNARY_GeluTanh,
         0,
         0,
         {-0.04540230591222494, -0.15428599017485606, 0, 0.34571400982514394, 2.996362607918227}},
        {SV_UNARY_HardSigmoid, 0.2, 0.5, {0.1, 0.4, 0.5, 0.6, 1}},
        {SV_UNARY_HardSwish,
         0,
         0,
         {-0.3333333333333333, -0.20833333333333334, 0, 0.2916666666666667, 3}},
        {SV_UNARY_IsInf, 1, 1, {0, 0, 0, 0, 0}},
        {SV_UNARY_LeakyRelu, 0.1, 0, {-0.2, -0.05, 0, 0.5, 3}},
        {SV_UNARY_Mish,
         0,
         0,
         {-0.2525014826957089, -0.22074377465173, 0, 0.3752452113048951, 2.986535004967957}},
        {SV_UNARY_Neg, 0, 0, {2, 0.5, -0.0, -0.5, -3}},
        {SV_UNARY_Relu, 0, 0, {0, 0, 0, 0.5, 3}},
        {SV_UNARY_Round, 0, 0, {-2, 0, 0, 0, 3}},
        {SV_UNARY_Selu, 1.5, 2, {-2.593994150290162, -1.1804080208620998, 0, 1, 6}},
        {SV_UNARY_Shrink, 1, 1.5, {-1, 0, 0, 0, 2}},
        {SV_UNARY_Sigmoid,
         0,
         0,
         {0.11920292202211755, 0.3775406687981454, 0.5, 0.6224593312018546, 0.9525741268224334}},
        {SV_UNARY_Sign, 0, 0, {-1, -1, 0, 1, 1}},
        {SV_UNARY_Softplus,
         0,
         0,
         {0.1269280110429726, 0.4740769841801067, 0.6931471805599453, 0.9740769841801067,
          3.048587351573742}},
        {SV_UNARY_Softsign,
         0,
         0,
         {-0.6666666666666666, -0.3333333333333333, 0, 0.3333333333333333, 0.75}},
        {SV_UNARY_Swish,
         2,
         0,
         {-0.03597241992418312, -0.13447071068499755, 0, 0.36552928931500245, 2.9925821305300957}},
        {SV_UNARY_Tanh,
         0,
         0,
         {-0.9640275800758169, -0.46211715726000973, 0, 0.46211715726000973, 0.9950547536867305}},
        {SV_UNARY_ThresholdedRelu, 1, 0, {0, 0, 0, 0, 3}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sv_unary_param p = unary(cases[i].op, cases[i].a, cases[i].b);
        unary_case(p, SV_F32, SV_F32, 5, x, cases[i].y, 2e-6);
        unary_case(p, SV_F64, SV_F64, 5, x, cases[i].y, 1e-14);
        unary_case(p, SV_F16, SV_F16, 5, x, cases[i].y, 1e-3);
        unary_case(p, SV_BF16, SV_BF16, 5, x, cases[i].y, 8e-3);
    }
}

static void test_unary_truth(void **state)
{
    (void)state;
    const double x[] = {NAN, INFINITY, -INFINITY, 1};
    unary_case(unary(SV_UNARY_IsNaN, 0, 0), SV_F32, SV_BOOL, 4, x, D(1, 0, 0, 0), 0);
    unary_case(unary(SV_UNARY_IsInf, 1, 1), SV_F64, SV_BOOL, 4, x, D(0, 1, 1, 0), 0);
    unary_case(unary(SV_UNARY_IsInf, 0, 1), SV_F16, SV_BOOL, 4, x, D(0, 1, 0, 0), 0);
    unary_case(unary(SV_UNARY_IsInf, 1, 0), SV_F8E5M2, SV_BOOL, 3, D(NAN, 1, 2), D(0, 0, 0), 0);
    unary_case(unary(SV_UNARY_IsNaN, 0, 0), SV_F8E4M3FN, SV_BOOL, 3, D(NAN, 1, 2), D(1, 0, 0), 0);
    unary_case(unary(SV_UNARY_Not, 0, 0), SV_BOOL, SV_BOOL, 2, D(0, 1), D(1, 0), 0);
}

static void test_unary_integers(void **state)
{
    (void)state;
    unary_case(unary(SV_UNARY_Abs, 0, 0), SV_I8, SV_I8, 3, D(-128, -5, 7), D(-128, 5, 7), 0);
    unary_case(unary(SV_UNARY_Neg, 0, 0), SV_I32, SV_I32, 2, D(INT_MIN, 3), D(INT_MIN, -3), 0);
    unary_case(unary(SV_UNARY_Sign, 0, 0), SV_I64, SV_I64, 3, D(-9, 0, 4), D(-1, 0, 1), 0);
    unary_case(unary(SV_UNARY_Sign, 0, 0), SV_U64, SV_U64, 2, D(0, 4), D(0, 1), 0);
    unary_case(unary(SV_UNARY_BitwiseNot, 0, 0), SV_U8, SV_U8, 2, D(0, 0xf0), D(255, 15), 0);
    unary_case(unary(SV_UNARY_BitwiseNot, 0, 0), SV_I16, SV_I16, 2, D(0, 5), D(-1, -6), 0);
    unary_case(unary(SV_UNARY_Relu, 0, 0), SV_I32, SV_I32, 2, D(-4, 4), D(0, 4), 0);
    unary_case(unary(SV_UNARY_Shrink, 1, 1.5), SV_I32, SV_I32, 3, D(-4, 1, 4), D(-3, 0, 3), 0);
    sv_unary_param clip = {.op = SV_UNARY_Clip, .ia = -3, .ib = 5};
    unary_case(clip, SV_I16, SV_I16, 3, D(-9, 2, 9), D(-3, 2, 5), 0);
    sv_unary_param clip_unsigned = {.op = SV_UNARY_Clip, .ia = 3, .ib = 5};
    unary_case(clip_unsigned, SV_U64, SV_U64, 3, D(1, 4, 9), D(3, 4, 5), 0);
}

/* The vector forms promise a few units in the last place; tails of Gelu 5e-5, and 0 where they end
 * (see vecmath). HardSwish multiplies by the rounded 1/6 where the definition divides: near -3 only
 * the absolute error is small. */
static double unary_rtol(sv_unary op)
{
    return op == SV_UNARY_Gelu ? 6e-5 : 2e-6;
}
static double unary_atol(sv_unary op)
{
    if (op == SV_UNARY_Gelu) return 2e-11;
    return op == SV_UNARY_HardSwish ? 1e-6 : 1.3e-38;
}

static void test_unary_rows(void **state)
{
    (void)state;
    const int64_t shapes[][5] = {{1, -1}, {3, 5, -1}, {2, 3, 7, 5, -1}, {5000, -1}, {3, 4200, -1}};
    for (int op = 0; op < SV_UNARY_COUNT; op++) {
        sv_unary_param p = unary((sv_unary)op, 0.75, 1.25);
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
            for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                trial_tensor x = trial_make(SV_F32, layout, shapes[i]);
                trial_tensor y =
                    trial_make(SV_F32, (trial_layout)((layout * 2) % TRIAL_LAYOUTS), shapes[i]);
                trial_fill(&x, (uint32_t)op, -8, 8);
                trial_spoil(&x, (uint32_t)op);
                trial t;
                trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
                assert_int_equal(trial_compare(&t, unary_rtol(p.op), unary_atol(p.op)),
                                 trial_levels());
                trial_free(&x);
                trial_free(&y);
            }
        }
    }
}

static void test_unary_halves(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F16, SV_BF16};
    for (int i = 0; i < 2; i++) {
        trial_tensor x = trial_make(dtypes[i], TRIAL_PADDED, TRIAL_DIMS(3, 700));
        trial_tensor y = trial_make(dtypes[i], TRIAL_DENSE, TRIAL_DIMS(3, 700));
        trial_fill(&x, 7, -8, 8);
        sv_unary_param p = unary(SV_UNARY_Sigmoid, 0, 0);
        trial t;
        trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        /* f32 that differ in the last place may round to neighbours. */
        assert_int_equal(trial_compare(&t, i ? 8e-3 : 1e-3, 0), trial_levels());
        trial_free(&x);
        trial_free(&y);
    }
}

/* Against the exact value: to 2 ulp everywhere, also beside multiples of pi / 2 and where libm
 * reduces; a sine keeps the sign of its zero. */
static void trigonometry_case(sv_unary op, const trial_tensor *x)
{
    trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(trial_count(x)));
    sv_unary_param p = unary(op, 0, 0);
    trial_tensor in = *x;
    trial t;
    trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&in, &y));
    assert_int_equal(trial_compare(&t, 2.4e-7, 0), trial_levels());
    for (int64_t i = 0; i < trial_count(x); i++) {
        double v = trial_get(x, i), exact = op == SV_UNARY_Sin ? sin(v) : cos(v);
        assert_true(exact != 0 || !signbit(exact) == !signbit(trial_get(&y, i)));
        assert_true(exact != exact || fabs(trial_get(&y, i) - exact) <= 2.4e-7 * fabs(exact));
    }
    trial_free(&y);
}

static void test_trigonometry(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    const int64_t middle = 30000;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(COUNT + 4));
    for (int64_t i = 0; i < COUNT; i += 3) {
        float near = (float)((double)(i - middle) * M_PI_2 * (i % 7 ? 1 : 21));
        trial_set(&x, i, (double)near);
        trial_set(&x, i + 1, (double)nextafterf(near, 1e9f));
        trial_set(&x, i + 2, (double)(i - middle) * (i % 2 ? 1e-4 : 35.1));
    }
    trial_set(&x, COUNT, 0x1p20);
    trial_set(&x, COUNT + 1, 0x1.000002p20);
    trial_set(&x, COUNT + 2, 1e30);
    trial_set(&x, COUNT + 3, -0.0);
    trigonometry_case(SV_UNARY_Sin, &x);
    trigonometry_case(SV_UNARY_Cos, &x);
    trial_free(&x);
}

static void test_unary_exact(void **state)
{
    (void)state;
    const struct {
        sv_unary op;
        sv_dtype from, to;
    } cases[] = {
        {SV_UNARY_Abs, SV_I32, SV_I32},    {SV_UNARY_Abs, SV_I64, SV_I64},
        {SV_UNARY_Clip, SV_I32, SV_I32},   {SV_UNARY_Clip, SV_I64, SV_I64},
        {SV_UNARY_Neg, SV_I32, SV_I32},    {SV_UNARY_Neg, SV_I64, SV_I64},
        {SV_UNARY_Relu, SV_I32, SV_I32},   {SV_UNARY_Relu, SV_I64, SV_I64},
        {SV_UNARY_Sign, SV_I32, SV_I32},   {SV_UNARY_Sign, SV_I64, SV_I64},
        {SV_UNARY_IsNaN, SV_F32, SV_BOOL}, {SV_UNARY_IsNaN, SV_F64, SV_BOOL},
        {SV_UNARY_IsInf, SV_F32, SV_BOOL}, {SV_UNARY_Not, SV_BOOL, SV_BOOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
            const bool truth = cases[i].from == SV_BOOL, real = sv_dtype_is_float(cases[i].from);
            trial_tensor x = trial_make(cases[i].from, layout, TRIAL_DIMS(3, 5, 311));
            trial_tensor y = trial_make(cases[i].to, (trial_layout)((layout * 2) % TRIAL_LAYOUTS),
                                        TRIAL_DIMS(3, 5, 311));
            trial_fill(&x, (uint32_t)i, truth ? 0 : -9, truth ? 1 : 9);
            if (real) trial_spoil(&x, 3);
            if (!real && !truth) trial_set(&x, 700, cases[i].from == SV_I32 ? -0x1p31 : -0x1p63);
            sv_unary_param p = {.op = (uint8_t)cases[i].op, .ia = -3, .ib = 5};
            p.b = (float)(layout % 2);
            p.a = p.b == 0 || layout > 2 ? 1 : 0;
            trial t;
            trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
            assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
            trial_free(&x);
            trial_free(&y);
        }
    }
}

/* ---- binary -------------------------------------------------------------------------------- */

static void binary_case(sv_binary op, bool left, sv_dtype a, sv_dtype b, sv_dtype y, int64_t n,
                        const double *va, const double *vb, const double *expected, double rtol)
{
    trial_tensor ta = trial_make(a, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor tb = trial_make(b, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor ty = trial_make(y, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_put(&ta, va);
    trial_put(&tb, vb);
    sv_binary_param p = {(uint8_t)op, left};
    trial t;
    trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&ta, &tb, &ty));
    trial_reference(&t);
    trial_equal_values(&ty, expected, rtol, 0);
    trial_free(&ta);
    trial_free(&tb);
    trial_free(&ty);
}
#define SAME(op, dtype, n, a, b, y) binary_case(op, false, dtype, dtype, dtype, n, a, b, y, 1e-7)

static void test_binary_floats(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F32, SV_F64, SV_F16, SV_BF16};
    for (int i = 0; i < 4; i++) {
        sv_dtype t = dtypes[i];
        SAME(SV_BINARY_Add, t, 2, D(1, -2), D(0.5, 4), D(1.5, 2));
        SAME(SV_BINARY_Sub, t, 2, D(1, -2), D(0.5, 4), D(0.5, -6));
        SAME(SV_BINARY_Mul, t, 2, D(1, -2), D(0.5, 4), D(0.5, -8));
        SAME(SV_BINARY_Div, t, 3, D(1, -2, 1), D(0.5, 4, 0), D(2, -0.5, INFINITY));
        SAME(SV_BINARY_Max, t, 4, D(1, NAN, 2, -1), D(2, 1, NAN, -2), D(2, NAN, NAN, -1));
        SAME(SV_BINARY_Min, t, 4, D(1, NAN, 2, -1), D(2, 1, NAN, -2), D(1, NAN, NAN, -2));
        SAME(SV_BINARY_PRelu, t, 2, D(-2, 2), D(0.25, 0.25), D(-0.5, 2));
        SAME(SV_BINARY_FMod, t, 4, D(5.5, -5.5, 5.5, -5.5), D(2, 2, -2, -2),
             D(1.5, -1.5, 1.5, -1.5));
        SAME(SV_BINARY_Mod, t, 4, D(5.5, -5.5, 5.5, -5.5), D(2, 2, -2, -2),
             D(1.5, 0.5, -0.5, -1.5));
        SAME(SV_BINARY_Pow, t, 4, D(2, 3, 4, -2), D(3, 2, 0.5, 3), D(8, 9, 2, -8));
        binary_case(SV_BINARY_Less, false, t, t, SV_BOOL, 3, D(1, 2, NAN), D(2, 2, 1), D(1, 0, 0),
                    0);
        binary_case(SV_BINARY_LessOrEqual, false, t, t, SV_BOOL, 3, D(1, 2, NAN), D(2, 2, 1),
                    D(1, 1, 0), 0);
        binary_case(SV_BINARY_Greater, false, t, t, SV_BOOL, 3, D(3, 2, NAN), D(2, 2, 1),
                    D(1, 0, 0), 0);
        binary_case(SV_BINARY_GreaterOrEqual, false, t, t, SV_BOOL, 3, D(1, 2, NAN), D(2, 2, 1),
                    D(0, 1, 0), 0);
        binary_case(SV_BINARY_Equal, false, t, t, SV_BOOL, 3, D(1, 2, NAN), D(2, 2, NAN),
                    D(0, 1, 0), 0);
    }
}

static void test_binary_integers(void **state)
{
    (void)state;
    SAME(SV_BINARY_Add, SV_I8, 2, D(127, -128), D(1, -1), D(-128, 127));
    SAME(SV_BINARY_Mul, SV_I32, 1, D(65536), D(65536), D(0));
    SAME(SV_BINARY_Sub, SV_U8, 1, D(1), D(2), D(255));
    SAME(SV_BINARY_Div, SV_I32, 4, D(7, -7, 5, INT_MIN), D(2, 2, 0, -1), D(3, -3, 0, INT_MIN));
    SAME(SV_BINARY_Div, SV_I64, 1, D(-0x1p63), D(-1), D(-0x1p63));
    SAME(SV_BINARY_Div, SV_U64, 2, D(0x1p63, 3), D(2, 0), D(0x1p62, 0));
    SAME(SV_BINARY_Mod, SV_I32, 5, D(7, -7, 7, -7, 3), D(3, 3, -3, -3, 0), D(1, 2, -2, -1, 0));
    SAME(SV_BINARY_FMod, SV_I32, 5, D(7, -7, 7, -7, 3), D(3, 3, -3, -3, 0), D(1, -1, 1, -1, 0));
    SAME(SV_BINARY_Mod, SV_I64, 1, D(-0x1p63), D(-1), D(0));
    SAME(SV_BINARY_Max, SV_U64, 2, D(0x1p63, 1), D(1, 2), D(0x1p63, 2));
    SAME(SV_BINARY_Min, SV_I16, 2, D(-5, 1), D(1, 2), D(-5, 1));
    SAME(SV_BINARY_Pow, SV_I64, 5, D(3, 2, -1, 2, 0), D(4, -1, -3, 62, 0), D(81, 0, -1, 0x1p62, 1));
    SAME(SV_BINARY_BitwiseAnd, SV_U16, 1, D(0xff0f), D(0x0ff0), D(0x0f00));
    SAME(SV_BINARY_BitwiseOr, SV_I32, 1, D(-8), D(3), D(-5));
    SAME(SV_BINARY_BitwiseXor, SV_U32, 1, D(0xffffffff), D(1), D(0xfffffffe));
    SAME(SV_BINARY_And, SV_BOOL, 4, D(0, 0, 1, 1), D(0, 1, 0, 1), D(0, 0, 0, 1));
    SAME(SV_BINARY_Or, SV_BOOL, 4, D(0, 0, 1, 1), D(0, 1, 0, 1), D(0, 1, 1, 1));
    SAME(SV_BINARY_Xor, SV_BOOL, 4, D(0, 0, 1, 1), D(0, 1, 0, 1), D(0, 1, 1, 0));
    SAME(SV_BINARY_PRelu, SV_I32, 2, D(-3, 3), D(2, 2), D(-6, 3));
    binary_case(SV_BINARY_BitShift, true, SV_U8, SV_U8, SV_U8, 3, D(1, 0x81, 3), D(3, 1, 8),
                D(8, 2, 0), 0);
    binary_case(SV_BINARY_BitShift, false, SV_U32, SV_U32, SV_U32, 3, D(16, 0xffffffff, 3),
                D(2, 31, 32), D(4, 1, 0), 0);
    binary_case(SV_BINARY_BitShift, true, SV_U64, SV_U64, SV_U64, 2, D(1, 1), D(63, 64),
                D(0x1p63, 0), 0);
}

static void test_pow_of_two_dtypes(void **state)
{
    (void)state;
    binary_case(SV_BINARY_Pow, false, SV_F32, SV_I64, SV_F32, 2, D(1.5, -2), D(2, 3), D(2.25, -8),
                1e-7);
    binary_case(SV_BINARY_Pow, false, SV_I32, SV_F32, SV_I32, 2, D(4, 3), D(0.5, 2.5), D(2, 15), 0);
    binary_case(SV_BINARY_Pow, false, SV_I64, SV_I32, SV_I64, 1, D(3), D(3), D(27), 0);
    binary_case(SV_BINARY_Pow, false, SV_F16, SV_U8, SV_F16, 1, D(3), D(3), D(27), 0);
    binary_case(SV_BINARY_Pow, false, SV_I32, SV_U64, SV_I32, 1, D(-2), D(5), D(-32), 0);
}

static void test_equal_strings(void **state)
{
    (void)state;
    trial_tensor a = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(4));
    trial_tensor b = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(4));
    trial_tensor y = trial_make(SV_BOOL, TRIAL_DENSE, TRIAL_DIMS(4));
    const sv_string left[] = {{"one", 3}, {"two", 3}, {NULL, 0}, {"ab", 2}};
    const sv_string right[] = {{"one", 3}, {"tw", 2}, {"", 0}, {"ac", 2}};
    memcpy(a.data, left, sizeof left);
    memcpy(b.data, right, sizeof right);
    sv_binary_param p = {SV_BINARY_Equal, false};
    trial t;
    trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&a, &b, &y));
    trial_reference(&t);
    TRIAL_EQUAL(&y, 0, 0, 1, 0, 1, 0);
    trial_free(&a);
    trial_free(&b);
    trial_free(&y);
}

/* Of integers and truth values, to the bit: every operation that has rows of its own, and every
 * way to lie. */
static void compare_exact(sv_binary op, sv_dtype from, sv_dtype to, trial_layout layout,
                          const int64_t *a, const int64_t *b, const int64_t *y)
{
    trial_tensor ta = trial_make(from, layout, a), tb = trial_make(from, TRIAL_SHIFTED, b);
    trial_tensor ty = trial_make(to, layout, y);
    double low = from == SV_BOOL || from == SV_U8 ? 0 : -3, high = from == SV_BOOL ? 1 : 3;
    trial_fill(&ta, 1, low, high);
    trial_fill(&tb, 2, low, high);
    if (from == SV_F32 || from == SV_F64) {
        trial_spoil(&ta, 3);
        trial_spoil(&tb, 4);
    }
    trial_tensor ea = trial_expand(&ta, y), eb = trial_expand(&tb, y);
    sv_binary_param p = {(uint8_t)op, false};
    trial t;
    trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&ea, &eb, &ty));
    assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
    trial_free(&ta);
    trial_free(&tb);
    trial_free(&ty);
}

static void compare_exact_shapes(sv_binary op, sv_dtype from, sv_dtype to)
{
    for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
        compare_exact(op, from, to, layout, TRIAL_DIMS(2, 3, 5, 7), TRIAL_DIMS(2, 3, 5, 7),
                      TRIAL_DIMS(2, 3, 5, 7));
        compare_exact(op, from, to, layout, TRIAL_DIMS(40, 37), TRIAL_DIMS(37), TRIAL_DIMS(40, 37));
        compare_exact(op, from, to, layout, TRIAL_DIMS(9, 1), TRIAL_DIMS(9, 600),
                      TRIAL_DIMS(9, 600));
        compare_exact(op, from, to, layout, TRIAL_DIMS(4500), TRIAL_DIMS(1), TRIAL_DIMS(4500));
    }
    compare_exact(op, from, to, TRIAL_DENSE, TRIAL_DIMS(1), TRIAL_DIMS(1), TRIAL_DIMS(1));
}

static void test_exact_rows(void **state)
{
    (void)state;
    const sv_binary comparisons[] = {SV_BINARY_Equal, SV_BINARY_Greater, SV_BINARY_GreaterOrEqual,
                                     SV_BINARY_Less, SV_BINARY_LessOrEqual};
    const sv_binary integers[] = {SV_BINARY_Add,        SV_BINARY_BitwiseAnd, SV_BINARY_BitwiseOr,
                                  SV_BINARY_BitwiseXor, SV_BINARY_Max,        SV_BINARY_Min,
                                  SV_BINARY_Mul,        SV_BINARY_Sub};
    const sv_binary floats[] = {SV_BINARY_Add, SV_BINARY_Div, SV_BINARY_Max,
                                SV_BINARY_Min, SV_BINARY_Mul, SV_BINARY_Sub};
    const sv_dtype dtypes[] = {SV_I32, SV_I64, SV_U8, SV_F32, SV_F64};
    for (int d = 0; d < 5; d++) {
        for (int i = 0; i < 5; i++)
            compare_exact_shapes(comparisons[i], dtypes[d], SV_BOOL);
        for (int i = 0; d < 3 && i < 8; i++)
            compare_exact_shapes(integers[i], dtypes[d], dtypes[d]);
    }
    for (int i = 0; i < 6; i++)
        compare_exact_shapes(floats[i], SV_F64, SV_F64);
    compare_exact_shapes(SV_BINARY_Div, SV_I32, SV_I32);
    compare_exact_shapes(SV_BINARY_Div, SV_I64, SV_I64);
    compare_exact_shapes(SV_BINARY_And, SV_BOOL, SV_BOOL);
    compare_exact_shapes(SV_BINARY_Or, SV_BOOL, SV_BOOL);
    compare_exact_shapes(SV_BINARY_Xor, SV_BOOL, SV_BOOL);
}

/* The ends of the types wrap around as in the reference. */
static void test_exact_ends(void **state)
{
    (void)state;
    const double ends[] = {-0x1p63, -1, 0, 1, 0x1p62, -0x1p31, 0x1p31 - 1, 3};
    for (int op = 0; op < SV_BINARY_COUNT; op++) {
        if (op != SV_BINARY_Add && op != SV_BINARY_Sub && op != SV_BINARY_Mul &&
            op != SV_BINARY_Div)
            continue;
        trial_tensor a = trial_make(SV_I64, TRIAL_DENSE, TRIAL_DIMS(8, 1));
        trial_tensor b = trial_make(SV_I64, TRIAL_DENSE, TRIAL_DIMS(8));
        trial_tensor y = trial_make(SV_I64, TRIAL_DENSE, TRIAL_DIMS(8, 8));
        trial_put(&a, ends);
        trial_put(&b, ends);
        trial_tensor ea = trial_expand(&a, TRIAL_DIMS(8, 8));
        trial_tensor eb = trial_expand(&b, TRIAL_DIMS(8, 8));
        sv_binary_param p = {(uint8_t)op, false};
        trial t;
        trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&ea, &eb, &y));
        assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
        trial_free(&a);
        trial_free(&b);
        trial_free(&y);
    }
}

/* Operands of their own shapes, broadcast to y's. */
static void compare_binary(sv_binary op, trial_layout layout, const int64_t *a, const int64_t *b,
                           const int64_t *y)
{
    trial_tensor ta = trial_make(SV_F32, layout, a), tb = trial_make(SV_F32, TRIAL_SHIFTED, b);
    trial_tensor ty = trial_make(SV_F32, layout, y);
    trial_fill(&ta, 1, -4, 4);
    trial_fill(&tb, 2, -4, 4);
    trial_spoil(&ta, 3);
    trial_spoil(&tb, 4);
    trial_tensor ea = trial_expand(&ta, y), eb = trial_expand(&tb, y);
    sv_binary_param p = {(uint8_t)op, false};
    trial t;
    trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&ea, &eb, &ty));
    assert_int_equal(trial_compare(&t, 2e-7, 0), trial_levels());
    trial_free(&ta);
    trial_free(&tb);
    trial_free(&ty);
}

static void test_binary_rows(void **state)
{
    (void)state;
    const sv_binary ops[] = {SV_BINARY_Add, SV_BINARY_Sub, SV_BINARY_Mul,   SV_BINARY_Div,
                             SV_BINARY_Max, SV_BINARY_Min, SV_BINARY_PRelu, SV_BINARY_Pow};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
            compare_binary(ops[i], layout, TRIAL_DIMS(2, 3, 5, 7), TRIAL_DIMS(2, 3, 5, 7),
                           TRIAL_DIMS(2, 3, 5, 7));
            compare_binary(ops[i], layout, TRIAL_DIMS(2, 3, 5, 7), TRIAL_DIMS(3, 1, 1),
                           TRIAL_DIMS(2, 3, 5, 7));
            compare_binary(ops[i], layout, TRIAL_DIMS(40, 37), TRIAL_DIMS(37), TRIAL_DIMS(40, 37));
            compare_binary(ops[i], layout, TRIAL_DIMS(37), TRIAL_DIMS(40, 1), TRIAL_DIMS(40, 37));
            /* Many rows that meet one. */
            compare_binary(ops[i], layout, TRIAL_DIMS(1500, 3), TRIAL_DIMS(3), TRIAL_DIMS(1500, 3));
            compare_binary(ops[i], layout, TRIAL_DIMS(67), TRIAL_DIMS(2, 80, 67),
                           TRIAL_DIMS(2, 80, 67));
            /* Short rows, which run along the dimension around them. */
            compare_binary(ops[i], layout, TRIAL_DIMS(2, 33, 3), TRIAL_DIMS(3),
                           TRIAL_DIMS(2, 33, 3));
            compare_binary(ops[i], layout, TRIAL_DIMS(5000, 2), TRIAL_DIMS(5000, 1),
                           TRIAL_DIMS(5000, 2));
            compare_binary(ops[i], layout, TRIAL_DIMS(1), TRIAL_DIMS(9000), TRIAL_DIMS(9000));
            compare_binary(ops[i], layout, TRIAL_DIMS(9000), TRIAL_DIMS(1), TRIAL_DIMS(9000));
        }
        compare_binary(ops[i], TRIAL_DENSE, TRIAL_DIMS(1), TRIAL_DIMS(1), TRIAL_DIMS(1));
    }
}

static void test_pow_scalars(void **state)
{
    (void)state;
    const double exponents[] = {2, 3, 0.5, -1.5, 0};
    for (int i = 0; i < 5; i++) {
        trial_tensor a = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(133));
        trial_tensor b = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1));
        trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(133));
        trial_fill(&a, 1, -4, 4);
        trial_spoil(&a, 3);
        trial_set(&b, 0, exponents[i]);
        trial_tensor eb = trial_expand(&b, TRIAL_DIMS(133));
        sv_binary_param p = {SV_BINARY_Pow, false};
        trial t;
        trial_init(&t, SV_FAMILY_binary, &p, sizeof p, 4, TRIAL_TENSORS(&a, &eb, &y));
        assert_int_equal(trial_compare(&t, 3e-7, 0), trial_levels());
        trial_free(&a);
        trial_free(&b);
        trial_free(&y);
    }
}

/* ---- where --------------------------------------------------------------------------------- */

static void compare_where(sv_dtype dtype, trial_layout layout, const int64_t *c, const int64_t *a,
                          const int64_t *b, const int64_t *y, int rows)
{
    trial_tensor tc = trial_make(SV_BOOL, layout, c), ta = trial_make(dtype, layout, a);
    trial_tensor tb = trial_make(dtype, TRIAL_SHIFTED, b), ty = trial_make(dtype, layout, y);
    trial_fill(&tc, 5, 0, 1);
    trial_fill(&ta, 1, 0, 100);
    trial_fill(&tb, 2, 0, 100);
    trial_tensor ec = trial_expand(&tc, y), ea = trial_expand(&ta, y), eb = trial_expand(&tb, y);
    trial t;
    trial_init(&t, SV_FAMILY_where, NULL, 0, 8, TRIAL_TENSORS(&ec, &ea, &eb, &ty));
    assert_int_equal(trial_compare(&t, 0, 0), rows);
    for (int64_t i = 0, n = trial_count(&ty); i < n; i++) {
        double expected = trial_get(trial_get(&ec, i) != 0 ? &ea : &eb, i);
        assert_true(trial_get(&ty, i) == expected);
    }
    trial_free(&tc);
    trial_free(&ta);
    trial_free(&tb);
    trial_free(&ty);
}

static void test_where(void **state)
{
    (void)state;
    for (int dtype = SV_F32; dtype < SV_DTYPE_COUNT; dtype++) {
        if (dtype == SV_STRING || dtype == SV_C64 || dtype == SV_C128) continue;
        int rows = trial_levels();
        for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
            compare_where(dtype, layout, TRIAL_DIMS(3, 5, 21), TRIAL_DIMS(3, 5, 21), TRIAL_DIMS(1),
                          TRIAL_DIMS(3, 5, 21), rows);
            compare_where(dtype, layout, TRIAL_DIMS(5, 1), TRIAL_DIMS(1), TRIAL_DIMS(3, 5, 21),
                          TRIAL_DIMS(3, 5, 21), rows);
            compare_where(dtype, layout, TRIAL_DIMS(21), TRIAL_DIMS(3, 1, 21), TRIAL_DIMS(5, 21),
                          TRIAL_DIMS(3, 5, 21), rows);
        }
    }
}

static void test_where_strings(void **state)
{
    (void)state;
    trial_tensor c = trial_make(SV_BOOL, TRIAL_DENSE, TRIAL_DIMS(2));
    trial_tensor a = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(2));
    trial_tensor b = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(2));
    trial_tensor y = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(2));
    TRIAL_PUT(&c, 0, 1);
    memcpy(a.data, (const sv_string[]){{"a", 1}, {"bc", 2}}, 2 * sizeof(sv_string));
    memcpy(b.data, (const sv_string[]){{"def", 3}, {"g", 1}}, 2 * sizeof(sv_string));
    trial t;
    trial_init(&t, SV_FAMILY_where, NULL, 0, 8, TRIAL_TENSORS(&c, &a, &b, &y));
    trial_reference(&t);
    const sv_string *out = y.data;
    assert_int_equal(out[0].size, 3);
    assert_memory_equal(out[0].data, "def", 3);
    assert_int_equal(out[1].size, 2);
    assert_memory_equal(out[1].data, "bc", 2);
    trial_free(&c);
    trial_free(&a);
    trial_free(&b);
    trial_free(&y);
}

static void test_empty(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(3, 0, 2));
    trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(3, 0, 2));
    sv_unary_param p = unary(SV_UNARY_Relu, 0, 0);
    trial t;
    trial_init(&t, SV_FAMILY_unary, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
    trial_free(&x);
    trial_free(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unary_values),    cmocka_unit_test(test_unary_truth),
        cmocka_unit_test(test_unary_integers),  cmocka_unit_test(test_unary_rows),
        cmocka_unit_test(test_unary_halves),    cmocka_unit_test(test_binary_floats),
        cmocka_unit_test(test_binary_integers), cmocka_unit_test(test_pow_of_two_dtypes),
        cmocka_unit_test(test_equal_strings),   cmocka_unit_test(test_binary_rows),
        cmocka_unit_test(test_pow_scalars),     cmocka_unit_test(test_unary_exact),
        cmocka_unit_test(test_trigonometry),    cmocka_unit_test(test_exact_rows),
        cmocka_unit_test(test_exact_ends),      cmocka_unit_test(test_where),
        cmocka_unit_test(test_where_strings),   cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
