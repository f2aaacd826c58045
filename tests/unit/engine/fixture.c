/* The fixture of the engine's tests; see the header. */
#include "fixture.h"

#include "engine/machine.h"

#include <stdlib.h>
#include <string.h>

void fixture_start(fixture *x)
{
    memset(x, 0, sizeof(*x));
    sv_counting_allocator_init(&x->memory, NULL);
    must(sv_module_create(&x->memory.allocator, "test", &x->module));
    must(sv_graph_create(x->module, NULL, "main", &x->graph));
    must(sv_team_create(2, NULL, &x->team));
}

void fixture_finish(fixture *x, sv_value_id output)
{
    must(sv_graph_add_output(x->graph, output));
    x->module->entry = sv_arena_alloc_zero(&x->module->arena, sizeof(sv_entry));
    x->module->n_entry = 1;
    x->module->entry[0] = (sv_entry){"", x->graph};
    must(sv_graph_normalize(x->graph));
    must(sv_graph_infer(x->graph));
    must(sv_module_verify(x->module));
    sv_cpu_level level;
    must(sv_cpu_detect(&level));
    sv_engine_options options = {.allocator = &x->memory.allocator,
                                 .level = level,
                                 .prices = x->prices,
                                 .join = x->join,
                                 .plan_cache_bytes = 1 << 20};
    must(sv_compiled_create(x->module, &options, &x->compiled));
    must(sv_exec_create(x->compiled, x->team, 2, &x->exec));
}

void fixture_stop(fixture *x)
{
    sv_exec_destroy(x->exec);
    sv_compiled_destroy(x->compiled);
    sv_team_destroy(x->team);
    assert_int_equal(atomic_load(&x->memory.live_bytes), 0);
}

sv_tensor tensor_of(sv_dtype dtype, int32_t rank, const int64_t *dim, void *data)
{
    return (sv_tensor){.dtype = dtype, .shape = sv_shape_make(rank, dim), .data = data};
}

void fixture_bind(fixture *x, uint32_t index, sv_dtype dtype, int32_t rank, const int64_t *dim,
                  void *data)
{
    sv_tensor tensor = tensor_of(dtype, rank, dim, data);
    fixture_bind_tensor(x, index, &tensor);
}

void fixture_bind_tensor(fixture *x, uint32_t index, const sv_tensor *tensor)
{
    sv_datum value = {.kind = SV_KIND_TENSOR, .tensor = *tensor};
    sv_exec_bind_input(x->exec, index, &value);
}

sv_tensor fixture_run(fixture *x)
{
    sv_datum out;
    must(sv_exec_run(x->exec));
    must(sv_exec_output(x->exec, 0, &out));
    assert_int_equal(out.kind, SV_KIND_TENSOR);
    return out.tensor;
}

uint32_t fixture_answer(fixture *x, void **bytes, size_t *size)
{
    const sv_tensor y = fixture_run(x);
    *size = (size_t)sv_tensor_count(&y) * sv_dtype_get(y.dtype)->size;
    *bytes = malloc(*size);
    assert_non_null(*bytes);
    memcpy(*bytes, y.data, *size);
    assert_int_equal(x->compiled->cache.n, 1);
    const uint32_t steps = x->compiled->cache.plan[0]->n_step;
    fixture_stop(x);
    return steps;
}

sv_prices fixture_prices(double far)
{
    sv_cpu_level level;
    must(sv_cpu_detect(&level));
    sv_prices prices = *sv_machine_prices(level);
    prices.price[SV_PRICE_far] = far;
    return prices;
}
