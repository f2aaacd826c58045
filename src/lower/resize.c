/* Upsample in all its versions, and Resize before its coordinates could be chosen. */
#include "lower/adapt.h"

#include <string.h>

/* What all of them did: coordinates are divided by the scale, and the nearest is the one below. */
static sv_status set_old_coordinates(sv_adapt *x, sv_node *node, const char *mode)
{
    bool nearest = strcmp(mode, "nearest") == 0;
    if (!nearest && strcmp(mode, "linear") != 0 && strcmp(mode, "bilinear") != 0)
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT,
                              "mode '%.40s', expected nearest or "
                              "linear",
                              mode);
    SV_TRY(sv_node_set_text(x->module, node, "mode", nearest ? "nearest" : "linear"));
    SV_TRY(sv_node_set_text(x->module, node, "coordinate_transformation_mode", "asymmetric"));
    return sv_node_set_text(x->module, node, "nearest_mode", "floor");
}

/* Input 1, the scales, becomes input 2: input 1 is a region now. */
static sv_status move_scales(sv_adapt *x, sv_node *node)
{
    if (!sv_adapt_has_input(node, 1))
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "no scales");
    SV_TRY(sv_adapt_set_input(x, node, 2, node->in[1]));
    node->in[1] = SV_NO_VALUE;
    return SV_OK;
}

sv_status sv_adapt_resize_10(sv_adapt *x, sv_node *node)
{
    SV_TRY(move_scales(x, node));
    return set_old_coordinates(x, node, sv_node_text(node, "mode", "nearest"));
}

static bool is_empty(const sv_adapt *x, const sv_node *node, uint32_t input)
{
    if (!sv_adapt_has_input(node, input)) return false;
    const sv_type *type = &x->graph->value[node->in[input]].type.tensor;
    return type->shape.rank == 1 && type->shape.dim[0] == 0;
}

/* Inputs could not be left out, only empty. tf_half_pixel_for_nn went: it is half_pixel, half a
 * pixel further, so that rounding down there is rounding half up here. */
sv_status sv_adapt_resize_11(sv_adapt *x, sv_node *node)
{
    if (is_empty(x, node, 1)) node->in[1] = SV_NO_VALUE;
    if (is_empty(x, node, 2)) node->in[2] = SV_NO_VALUE;
    const char *mode = sv_node_text(node, "coordinate_transformation_mode", "half_pixel");
    if (strcmp(mode, "tf_half_pixel_for_nn") != 0) return SV_OK;
    const char *nearest = sv_node_text(node, "nearest_mode", "round_prefer_floor");
    if (strcmp(sv_node_text(node, "mode", "nearest"), "nearest") != 0 ||
        strcmp(nearest, "floor") != 0)
        return sv_adapt_error(node, SV_CODE_UNIMPLEMENTED,
                              "tf_half_pixel_for_nn, other than with nearest and floor");
    SV_TRY(sv_node_set_text(x->module, node, "coordinate_transformation_mode", "half_pixel"));
    return sv_node_set_text(x->module, node, "nearest_mode", "round_prefer_ceil");
}

/* Scales as two attributes (1), a list (7) or an input (9). */
static sv_status scales_to_input(sv_adapt *x, sv_node *node)
{
    uint32_t count;
    const float *scales = sv_node_floats(node, "scales", &count);
    float four[4] = {1.0f, 1.0f, sv_node_float(node, "height_scale", 0.0f),
                     sv_node_float(node, "width_scale", 0.0f)};
    if (!scales) {
        if (!(four[2] > 0.0f && four[3] > 0.0f))
            return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "no scales");
        scales = four;
        count = 4;
    }
    sv_value_id value;
    SV_TRY(sv_graph_constant_f32(x->graph, scales, count, false, &value));
    sv_adapt_drop_attr(node, "scales");
    sv_adapt_drop_attr(node, "height_scale");
    sv_adapt_drop_attr(node, "width_scale");
    return sv_adapt_set_input(x, node, 1, value);
}

sv_status sv_adapt_upsample(sv_adapt *x, sv_node *node)
{
    if (!sv_adapt_has_input(node, 1)) SV_TRY(scales_to_input(x, node));
    SV_TRY(sv_adapt_resize_10(x, node));
    node->op = SV_OP_Resize;
    node->op_name = sv_op_get(node->op)->name;
    return SV_OK;
}
