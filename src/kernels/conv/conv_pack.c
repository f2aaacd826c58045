/* The packed weights of convolutions.
 *
 * conv_panels, conv_transpose_panels: for each group, for each panel of its output channels, for
 * each phase, for each tap: rows of [channels of the group][panel width] (kernels/panel.h).
 * conv_depthwise: [taps][channels], channels rounded up to a vector of the widest level.
 * conv_transpose_depthwise: the same, the taps of each phase one after the other.
 * conv_groups: [vectors of output channels][channels of a group][taps][a vector]. */
#include "kernels/conv/conv_part.h"
#include "kernels/conv/conv_phase.h"
#include "kernels/conv/winograd.h"
#include "kernels/panel.h"

extern const sv_packer sv_packer_conv_panels;

int64_t sv_conv_part_filters(const sv_desc *w, sv_cpu_level level)
{
    int64_t width = sv_panel_width(level), bytes = (int64_t)sizeof(float);
    for (int32_t i = 1; i < w->rank; i++)
        bytes *= w->dim[i];
    int64_t size = bytes > 0 ? SV_PANEL_PART_BYTES / bytes / width * width : width;
    return size > width ? size : width;
}

int64_t sv_conv_filters_extent(const sv_desc *w, int64_t n)
{
    int64_t last = (n - 1) * w->stride[0];
    for (int32_t i = 1; i < w->rank; i++)
        last += (w->dim[i] - 1) * w->stride[i];
    return last + 1;
}

static bool f32_weights(const sv_problem *problem)
{
    const sv_desc *w = &problem->desc[1];
    if (problem->desc[0].dtype != SV_F32 || w->dtype != SV_F32 || w->rank < 3) return false;
    for (int32_t i = 0; i < w->rank; i++) {
        if (w->dim[i] < 1) return false;
    }
    return true;
}

static bool conv_panels_accepts(const sv_problem *problem, sv_cpu_level level)
{
    return f32_weights(problem) && sv_winograd_choose(problem, level) == WINOGRAD_NONE;
}

static bool conv_transpose_panels_accepts(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    return f32_weights(problem);
}

/* Floats of a group: all taps over `c` channels for `o` outputs. */
static size_t group_floats(const sv_desc *w, int64_t c, int64_t o, sv_cpu_level level)
{
    int64_t k = c;
    for (int32_t i = 2; i < w->rank; i++) {
        if (__builtin_mul_overflow(k, w->dim[i], &k)) return 0;
    }
    return sv_panel_floats(k, o, sv_panel_width(level));
}

static size_t panels_size(const sv_problem *problem, sv_cpu_level level, int64_t c, int64_t o)
{
    const sv_conv_param *param = problem->param;
    size_t bytes, floats = group_floats(&problem->desc[1], c, o, level);
    if (__builtin_mul_overflow(floats * sizeof(float), (size_t)param->groups, &bytes)) return 0;
    return bytes;
}

static size_t conv_panels_size(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    return panels_size(problem, level, w->dim[1], w->dim[0] / param->groups);
}

static size_t conv_transpose_panels_size(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    return panels_size(problem, level, w->dim[0] / param->groups, w->dim[1]);
}

static uint64_t conv_panels_key(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_conv_param *param = problem->param;
    return (uint64_t)param->groups;
}

/* Which taps make a phase follows from strides and dilations too. */
static uint64_t conv_transpose_panels_key(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_conv_param *param = problem->param;
    const size_t used = (size_t)param->spatial * sizeof(int64_t);
    uint64_t key = sv_hash_bytes(0, &param->groups, sizeof param->groups);
    key = sv_hash_bytes(key, param->stride, used);
    return sv_hash_bytes(key, param->dilation, used);
}

/* One group of filters on its way into panels. */
typedef struct group_source {
    const sv_pack_source *source;
    const float *data;              /* the group's first element */
    int32_t c_axis, o_axis;         /* of the view: channels that are summed, that are made */
    int64_t c, o, first_c, first_o; /* sizes, and where the group begins along them */
} group_source;

static sv_panel_source tap_matrix(const group_source *group, const int64_t tap[3])
{
    const sv_view *view = &group->source->view;
    const sv_pack_source *source = group->source;
    int64_t at = 0, scale_at = 0;
    for (int32_t i = 2; i < view->rank; i++) {
        int64_t t = tap[i - 2 + 3 - (view->rank - 2)];
        at += t * view->stride[i];
        if (source->axis == i) scale_at = t;
    }
    if (source->axis == group->c_axis) scale_at = group->first_c;
    if (source->axis == group->o_axis) scale_at = group->first_o;
    return (sv_panel_source){.data = group->data + at,
                             .k = group->c,
                             .n = group->o,
                             .k_stride = view->stride[group->c_axis],
                             .n_stride = view->stride[group->o_axis],
                             .scale = source->scale ? source->scale + scale_at : NULL,
                             .shift = source->shift ? source->shift + scale_at : NULL,
                             .scale_k = source->axis == group->c_axis,
                             .scale_n = source->axis == group->o_axis};
}

/* All taps of one phase for the panel that begins at `column`; returns the floats written. */
static int64_t pack_phase(const group_source *group, const conv_phase *phase, int64_t column,
                          int64_t width, float *to)
{
    int64_t written = 0;
    const int64_t taps[3] = {phase->axis[0].taps, phase->axis[1].taps, phase->axis[2].taps};
    for (int64_t flat = 0; flat < phase->taps; flat++) {
        int64_t tap[3];
        window_split(flat, taps, tap);
        for (int i = 0; i < 3; i++) {
            tap[i] = phase->axis[i].first_tap + tap[i] * phase->axis[i].tap_step;
        }
        sv_panel_source matrix = tap_matrix(group, tap);
        written += sv_panel_pack(&matrix, column, width, to + written);
    }
    return written;
}

/* The panels of one group. */
static float *pack_group(const group_source *group, const window_shape *shape, bool transpose,
                         int64_t width, float *to)
{
    int64_t phases = conv_phase_count(shape, transpose);
    for (int64_t column = 0; column < group->o; column += width) {
        for (int64_t p = 0; p < phases; p++) {
            conv_phase phase;
            conv_phase_init(shape, transpose, p, &phase);
            to += pack_phase(group, &phase, column, width, to);
        }
    }
    return to;
}

static void conv_transpose_panels_pack(const sv_problem *problem, sv_cpu_level level,
                                       const sv_pack_source *source, void *to)
{
    const sv_conv_param *param = problem->param;
    const sv_view *view = &source->view;
    window_shape shape;
    window_of_conv(problem->desc, param, &shape);
    group_source group = {.source = source, .c_axis = 0, .o_axis = 1, .o = view->dim[1]};
    group.c = view->dim[0] / param->groups;
    for (int64_t g = 0; g < param->groups; g++) {
        group.first_c = g * group.c;
        group.data = (const float *)view->data + group.first_c * view->stride[0];
        to = pack_group(&group, &shape, true, sv_panel_width(level), to);
    }
}

/* ---- in parts ------------------------------------------------------------------------------ */

/* Some of a group's filters, in whole panels. */
typedef struct conv_part {
    int64_t group, first, n; /* of the group's filters */
} conv_part;

static uint32_t conv_panels_parts(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    int64_t size = sv_conv_part_filters(w, level), filters = w->dim[0] / param->groups;
    return (uint32_t)(param->groups * ((filters + size - 1) / size));
}

static conv_part conv_part_at(const sv_problem *problem, sv_cpu_level level, uint32_t index)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    int64_t size = sv_conv_part_filters(w, level), filters = w->dim[0] / param->groups;
    int64_t parts = (filters + size - 1) / size;
    conv_part part = {.group = index / parts, .first = index % parts * size};
    part.n = filters - part.first < size ? filters - part.first : size;
    return part;
}

static void conv_panels_part(const sv_problem *problem, sv_cpu_level level, uint32_t index,
                             int64_t *first, int64_t *count)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    conv_part part = conv_part_at(problem, level, index);
    *first = (part.group * (w->dim[0] / param->groups) + part.first) * w->stride[0];
    *count = sv_conv_filters_extent(w, part.n);
}

static void conv_panels_pack_part(const sv_problem *problem, sv_cpu_level level,
                                  const sv_pack_source *source, uint32_t index, void *to)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    conv_part part = conv_part_at(problem, level, index);
    window_shape shape;
    window_of_conv(problem->desc, param, &shape);
    int64_t filters = w->dim[0] / param->groups, width = sv_panel_width(level);
    group_source group = {.source = source, .data = source->view.data, .c_axis = 1};
    group.c = w->dim[1];
    group.o = part.n;
    group.first_o = part.group * filters + part.first;
    size_t floats = group_floats(w, group.c, filters, level);
    size_t before = (size_t)part.first * group_floats(w, group.c, width, level) / (size_t)width;
    pack_group(&group, &shape, false, width, (float *)to + (size_t)part.group * floats + before);
}

static void conv_panels_pack(const sv_problem *problem, sv_cpu_level level,
                             const sv_pack_source *source, void *to)
{
    sv_packer_pack_parts(&sv_packer_conv_panels, problem, level, source, to);
}

const sv_packer sv_packer_conv_panels = {
    .name = "conv_panels",
    .family = SV_FAMILY_conv,
    .operand = 1,
    .accepts = conv_panels_accepts,
    .size = conv_panels_size,
    .key = conv_panels_key,
    .pack = conv_panels_pack,
    .parts = conv_panels_parts,
    .part = conv_panels_part,
    .pack_part = conv_panels_pack_part,
};

const sv_packer sv_packer_conv_transpose_panels = {
    .name = "conv_transpose_panels",
    .family = SV_FAMILY_conv_transpose,
    .operand = 1,
    .accepts = conv_transpose_panels_accepts,
    .size = conv_transpose_panels_size,
    .key = conv_transpose_panels_key,
    .pack = conv_transpose_panels_pack,
};

/* ---- depthwise ----------------------------------------------------------------------------- */

static bool conv_depthwise_accepts(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    return f32_weights(problem) && w->dim[1] == 1 && w->dim[0] == param->groups &&
           param->groups > 1;
}

/* Rows of channels for each tap and each of `c` channels of a group. */
static size_t channels_size(const sv_desc *w, int64_t c, int64_t o)
{
    size_t bytes = (size_t)sv_depthwise_channels(o) * sizeof(float);
    if (__builtin_mul_overflow(bytes, (size_t)c, &bytes)) return 0;
    for (int32_t i = 2; i < w->rank; i++) {
        if (__builtin_mul_overflow(bytes, (size_t)w->dim[i], &bytes)) return 0;
    }
    return bytes;
}

static size_t conv_depthwise_size(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_desc *w = &problem->desc[1];
    return channels_size(w, 1, w->dim[0]);
}

static uint64_t conv_depthwise_key(const sv_problem *problem, sv_cpu_level level)
{
    (void)problem;
    (void)level;
    return 0;
}

/* One row for each tap: a panel as wide as there are channels. */
static void pack_channels(const sv_problem *problem, const sv_pack_source *source, bool transpose,
                          float *to)
{
    const sv_view *view = &source->view;
    window_shape shape;
    window_of_conv(problem->desc, problem->param, &shape);
    const group_source group = {
        .source = source, .data = view->data, .c_axis = 1, .o_axis = 0, .c = 1, .o = view->dim[0]};
    pack_group(&group, &shape, transpose, 2 * sv_depthwise_channels(view->dim[0]), to);
}

static void conv_depthwise_pack(const sv_problem *problem, sv_cpu_level level,
                                const sv_pack_source *source, void *to)
{
    (void)level;
    pack_channels(problem, source, false, to);
}

const sv_packer sv_packer_conv_depthwise = {
    .name = "conv_depthwise",
    .family = SV_FAMILY_conv,
    .operand = 1,
    .accepts = conv_depthwise_accepts,
    .size = conv_depthwise_size,
    .key = conv_depthwise_key,
    .pack = conv_depthwise_pack,
};

static bool conv_transpose_depthwise_accepts(const sv_problem *problem, sv_cpu_level level)
{
    return conv_depthwise_accepts(problem, level);
}

static void conv_transpose_depthwise_pack(const sv_problem *problem, sv_cpu_level level,
                                          const sv_pack_source *source, void *to)
{
    (void)level;
    pack_channels(problem, source, true, to);
}

const sv_packer sv_packer_conv_transpose_depthwise = {
    .name = "conv_transpose_depthwise",
    .family = SV_FAMILY_conv_transpose,
    .operand = 1,
    .accepts = conv_transpose_depthwise_accepts,
    .size = conv_depthwise_size,
    .key = conv_transpose_panels_key,
    .pack = conv_transpose_depthwise_pack,
};

/* ---- narrow groups ------------------------------------------------------------------------- */

/* Several groups fit into a vector, and what they read as well. */
static bool conv_groups_accepts(const sv_problem *problem, sv_cpu_level level)
{
    const sv_conv_param *param = problem->param;
    const sv_desc *w = &problem->desc[1];
    const int64_t lanes = sv_panel_width(level) / 2;
    if (!f32_weights(problem) || param->groups < 2) return false;
    const int64_t group = w->dim[0] / param->groups;
    return group > 1 && group < lanes && lanes % group == 0 && w->dim[1] <= group;
}

static size_t conv_groups_size(const sv_problem *problem, sv_cpu_level level)
{
    (void)level;
    const sv_desc *w = &problem->desc[1];
    return channels_size(w, w->dim[1], w->dim[0]);
}

static void conv_groups_pack(const sv_problem *problem, sv_cpu_level level,
                             const sv_pack_source *source, void *to)
{
    const sv_view *view = &source->view;
    const int64_t lanes = sv_panel_width(level) / 2, filters = view->dim[0];
    window_shape shape;
    window_of_conv(problem->desc, problem->param, &shape);
    group_source group = {.source = source, .c_axis = 1, .o_axis = 0, .c = 1};
    for (group.first_o = 0; group.first_o < filters; group.first_o += lanes) {
        const float *first = (const float *)view->data + group.first_o * view->stride[0];
        group.o = filters - group.first_o < lanes ? filters - group.first_o : lanes;
        for (group.first_c = 0; group.first_c < view->dim[1]; group.first_c++) {
            group.data = first + group.first_c * view->stride[1];
            to = pack_group(&group, &shape, false, 2 * lanes, to);
        }
    }
}

const sv_packer sv_packer_conv_groups = {
    .name = "conv_groups",
    .family = SV_FAMILY_conv,
    .operand = 1,
    .accepts = conv_groups_accepts,
    .size = conv_groups_size,
    .key = conv_panels_key,
    .pack = conv_groups_pack,
};
