/* Building and running one node; see the header. */
#include "node_case.h"

#include "base/alloc.h"
#include "support/check.h"

#include <math.h>

void node_case_init(node_case *c, sv_op op, uint32_t n_in, uint32_t n_out)
{
    memset(c, 0, sizeof(*c));
    sv_arena_init(&c->arena, NULL);
    CHECK_OK(sv_module_create(NULL, "test", &c->module));
    CHECK_OK(sv_graph_create(c->module, NULL, "g", &c->graph));
    CHECK_OK(sv_graph_add_node(c->graph, op, "n", n_in, n_out, &c->node));
    for (uint32_t i = 0; i < n_in; i++) {
        CHECK_OK(sv_graph_add_value(c->graph, "", &c->node->in[i]));
        c->in[i].shape = sv_shape_unknown();
    }
}

void node_case_release(node_case *c)
{
    sv_arena_release(&c->arena);
    sv_module_destroy(c->module);
}

void node_case_ints(node_case *c, const char *name, uint32_t n, const int64_t *v)
{
    CHECK_OK(sv_node_set_ints(c->module, c->node, name, v, n));
}

void node_case_int(node_case *c, const char *name, int64_t v)
{
    CHECK_OK(sv_node_set_int(c->module, c->node, name, v));
}

void node_case_text(node_case *c, const char *name, const char *text)
{
    CHECK_OK(sv_node_set_text(c->module, c->node, name, text));
}

void node_case_type(node_case *c, uint32_t i, sv_dtype dtype, int32_t rank, const int64_t *dim)
{
    c->in[i] = (sv_type){dtype, sv_shape_make(rank, dim)};
}

static void known(node_case *c, uint32_t i, sv_dtype dtype, const sv_shape *shape, const void *data)
{
    CHECK_OK(sv_tensor_create(&c->arena, dtype, shape, &c->tensor[i]));
    size_t size = (size_t)sv_tensor_count(&c->tensor[i]) * sv_dtype_get(dtype)->size;
    if (size) memcpy(c->tensor[i].data, data, size);
    c->in[i] = (sv_type){dtype, *shape};
    c->value[i] = &c->tensor[i];
}

void node_case_f32(node_case *c, uint32_t i, int32_t rank, const int64_t *dim, const float *data)
{
    sv_shape shape = sv_shape_make(rank, dim);
    known(c, i, SV_F32, &shape, data);
}

void node_case_i64(node_case *c, uint32_t i, int64_t count, const int64_t *data)
{
    sv_shape shape = sv_shape_make(1, &count);
    known(c, i, SV_I64, &shape, data);
}

void node_case_omit(node_case *c, uint32_t i)
{
    c->node->in[i] = SV_NO_VALUE;
}

sv_status node_case_infer(node_case *c)
{
    int64_t symbol = -1000;
    sv_infer x = {.module = c->module,
                  .node = c->node,
                  .n_in = c->node->n_in,
                  .n_out = c->node->n_out,
                  .in = c->in,
                  .known = c->value,
                  .out = c->out,
                  .next_symbol = &symbol};
    sv_status status = sv_op_infer(&x);
    c->asked = x.asked;
    return status;
}

sv_status node_case_eval(node_case *c)
{
    return sv_op_eval(c->module, c->node, c->value, c->result, &c->arena);
}

void node_case_check_shape(const node_case *c, uint32_t i, int32_t rank, const int64_t *dim)
{
    assert_int_equal(c->out[i].shape.rank, rank);
    for (int32_t d = 0; d < rank; d++) {
        if (dim[d] >= 0) {
            assert_int_equal(c->out[i].shape.dim[d], dim[d]);
        } else {
            assert_true(c->out[i].shape.dim[d] < 0);
        }
    }
}

void node_case_check_f32(const node_case *c, uint32_t i, int64_t n, const float *want)
{
    assert_int_equal(c->result[i].dtype, SV_F32);
    assert_int_equal(sv_tensor_count(&c->result[i]), n);
    for (int64_t e = 0; e < n; e++) {
        double found = sv_tensor_get_f64(&c->result[i], e);
        if (fabs(found - (double)want[e]) > 1e-5)
            fail_msg("[%d]: expected %g, found %g", (int)e, (double)want[e], found);
    }
}
