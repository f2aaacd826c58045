/* Operators on pictures between convolutions, whose maps are channels last: borders, sizes, groups'
 * statistics, and outputs that only rename.  ctest: labels=threads */
#include "fixture.h"

#include <math.h>
#include <string.h>

enum { C = 20, H = 5, W = 7, BORDER = 2 };

static float picture[C * H * W];

static void fill_picture(void)
{
    for (int i = 0; i < C * H * W; i++)
        picture[i] = (float)((i * 37 + 11) % 101) / 16 - 3;
}

/* A convolution that changes nothing but the layout. */
static sv_value_id pass_through(fixture *x, sv_value_id from)
{
    static float weight[C * C];
    for (int i = 0; i < C; i++)
        weight[i * C + i] = 1;
    sv_value_id w = graph_constant(x->graph, weight, 4, (int64_t[]){C, C, 1, 1});
    return graph_node(x->graph, SV_OP_Conv, 2, (sv_value_id[]){from, w}, NULL);
}

static sv_value_id start(fixture *x)
{
    fixture_start(x);
    fill_picture();
    return pass_through(x, graph_input(x->graph, "x", SV_F32, 4, (int64_t[]){1, C, H, W}));
}

static const float *run(fixture *x, sv_value_id last)
{
    fixture_finish(x, graph_node(x->graph, SV_OP_Identity, 1, &last, NULL));
    fixture_bind(x, 0, SV_F32, 4, (int64_t[]){1, C, H, W}, picture);
    return fixture_run(x).data;
}

static sv_value_id pad(fixture *x, sv_value_id from, const char *mode)
{
    const int64_t pads[8] = {0, 0, BORDER, BORDER, 0, 0, BORDER, BORDER}, count = 8;
    sv_shape shape = sv_shape_make(1, &count);
    sv_tensor tensor;
    uint32_t constant;
    sv_value_id value;
    must(sv_tensor_create(&x->module->arena, SV_I64, &shape, &tensor));
    memcpy(tensor.data, pads, sizeof pads);
    must(sv_module_add_constant(x->module, "pads", &tensor, &constant));
    must(sv_graph_add_constant(x->graph, constant, &value));
    sv_node *node;
    sv_value_id y = graph_node(x->graph, SV_OP_Pad, 2, (sv_value_id[]){from, value}, &node);
    must(sv_node_set_text(x->module, node, "mode", mode));
    return y;
}

static sv_value_id resize(fixture *x, sv_value_id from, const char *mode)
{
    sv_value_id scales = graph_constant(x->graph, (float[]){1, 1, 2, 2}, 1, (int64_t[]){4});
    sv_node *node;
    sv_value_id in[3] = {from, SV_NO_VALUE, scales};
    sv_value_id y = graph_node(x->graph, SV_OP_Resize, 3, in, &node);
    must(sv_node_set_text(x->module, node, "mode", mode));
    must(sv_node_set_text(x->module, node, "coordinate_transformation_mode", "asymmetric"));
    must(sv_node_set_text(x->module, node, "nearest_mode", "floor"));
    return y;
}

/* What a padded index shows of `n`. */
static int source(const char *mode, int i, int n)
{
    i -= BORDER;
    if (i >= 0 && i < n) return i;
    if (strcmp(mode, "edge") == 0) return i < 0 ? 0 : n - 1;
    if (strcmp(mode, "wrap") == 0) return (i + n) % n;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

static void check_padded(const float *y, const char *mode, int scale)
{
    const int h = scale * (H + 2 * BORDER), w = scale * (W + 2 * BORDER);
    for (int i = 0; i < C * h * w; i++) {
        int row = source(mode, i / w % h / scale, H), column = source(mode, i % w / scale, W);
        assert_true(y[i] == picture[(i / w / h * H + row) * W + column]);
    }
}

static void test_borders(void **state)
{
    (void)state;
    static const char *const modes[] = {"reflect", "edge", "wrap"};
    for (int m = 0; m < 3; m++) {
        for (int behind = 0; behind < 3; behind++) {
            fixture x;
            sv_value_id y = pad(&x, start(&x), modes[m]);
            if (behind) y = resize(&x, y, "nearest");
            if (behind == 2) y = pass_through(&x, y);
            check_padded(run(&x, y), modes[m], behind ? 2 : 1);
            fixture_stop(&x);
        }
    }
}

/* As in a segmentation net: the last map grows on its way to the caller. */
static void test_a_map_grows_into_an_output(void **state)
{
    (void)state;
    for (int behind = 0; behind < 2; behind++) {
        fixture x;
        sv_value_id from = start(&x), last = resize(&x, from, "linear");
        if (behind) last = pass_through(&x, last);
        const float *y = run(&x, last);
        for (int c = 0; c < C; c++) {
            const float *plane = picture + c * H * W;
            for (int i = 0; i < 4 * H * W; i++) {
                int row = i / (2 * W), column = i % (2 * W), r = row / 2, k = column / 2;
                int below = row % 2 && r + 1 < H ? r + 1 : r;
                int beside = column % 2 && k + 1 < W ? k + 1 : k;
                float mean = (plane[r * W + k] + plane[below * W + k] + plane[r * W + beside] +
                              plane[below * W + beside]) /
                             4;
                assert_true(fabsf(y[c * 4 * H * W + i] - mean) < 1e-5f);
            }
        }
        fixture_stop(&x);
    }
}

/* Five channels a group; what is added and the activation are done by the same step. */
static void test_groups(void **state)
{
    (void)state;
    enum { EACH = 5, SIZE = EACH * H * W };
    fixture x;
    float ones[C], zeros[C] = {0};
    for (int i = 0; i < C; i++)
        ones[i] = 1;
    sv_value_id from = start(&x);
    sv_value_id in[3] = {from, graph_constant(x.graph, ones, 1, (int64_t[]){C}),
                         graph_constant(x.graph, zeros, 1, (int64_t[]){C})};
    sv_node *node;
    sv_value_id y = graph_node(x.graph, SV_OP_GroupNormalization, 3, in, &node);
    must(sv_node_set_int(x.module, node, "num_groups", C / EACH));
    sv_fused *relu = sv_arena_array(&x.module->arena, 1, sizeof(*relu));
    *relu = (sv_fused){.op = SV_OP_Relu, .operand = -1, .name = "relu"};
    node->fused = relu;
    node->n_fused = 1;
    const float *out = run(&x, y);
    for (int g = 0; g < C / EACH; g++) {
        double mean = 0, variance = 0;
        for (int i = 0; i < SIZE; i++)
            mean += (double)picture[g * SIZE + i] / SIZE;
        for (int i = 0; i < SIZE; i++)
            variance += pow((double)picture[g * SIZE + i] - mean, 2) / SIZE;
        for (int i = 0; i < SIZE; i++) {
            double want = ((double)picture[g * SIZE + i] - mean) / sqrt(variance + 1e-5);
            assert_true(fabs((double)out[g * SIZE + i] - fmax(0, want)) < 1e-4);
        }
    }
    fixture_stop(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_a_map_grows_into_an_output),
        cmocka_unit_test(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
