#include "problem_rig.h"

#include "support/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void rig_init(rig *r, sv_family family, void *param, size_t param_size, uint64_t seed)
{
    *r = (rig){.random = seed * 2654435761u + 1};
    r->problem.family = family;
    r->problem.param = param;
    r->problem.param_size = (uint32_t)param_size;
    r->problem.desc = r->desc;
}

void rig_release(rig *r)
{
    for (int i = 0; i < SV_OPERAND_MAX; i++)
        free(r->block[i]);
}

float rig_random(rig *r)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(r->random >> 32) / 2147483648.0f;
}

/* The order of dimensions from the outermost in memory, and the padding of the innermost. */
static int64_t layout_order(rig_layout layout, int32_t rank, int32_t order[SV_MAX_RANK])
{
    for (int32_t i = 0; i < rank; i++)
        order[i] = i;
    if (layout == RIG_CHANNELS_LAST && rank > 1) {
        for (int32_t i = 1; i < rank - 1; i++)
            order[i] = i + 1;
        order[rank - 1] = 1;
        return 3;
    }
    if (layout == RIG_TRANSPOSED && rank > 1) {
        order[rank - 1] = rank - 2;
        order[rank - 2] = rank - 1;
    }
    return layout == RIG_PADDED ? 5 : 0;
}

/* Strides by layout; returns the elements from the first to one behind the last. */
static int64_t layout_strides(rig_layout layout, sv_desc *desc)
{
    int32_t order[SV_MAX_RANK];
    int64_t padding = layout_order(layout, desc->rank, order);
    int64_t stride = layout == RIG_EVERY_OTHER ? 2 : 1, last = 0;
    for (int32_t i = desc->rank - 1; i >= 0; i--) {
        desc->stride[order[i]] = stride;
        last += (desc->dim[order[i]] - 1) * stride;
        stride *= desc->dim[order[i]];
        if (i == desc->rank - 1) stride += padding;
    }
    return last + 1;
}

static void fill(rig *r, sv_dtype dtype, void *at, int64_t count)
{
    int64_t size = sv_dtype_get(dtype)->size;
    bool integer = sv_dtype_is_integer(dtype);
    for (int64_t i = 0; i < count; i++) {
        double value = (double)rig_random(r);
        sv_scalar_set_f64(dtype, (char *)at + i * size, integer ? rint(value * 20) : value);
    }
}

uint8_t rig_add(rig *r, sv_dtype dtype, int32_t rank, const int64_t *dim, rig_layout layout)
{
    uint8_t index = r->problem.n_operand++;
    sv_desc *desc = &r->desc[index];
    desc->dtype = dtype;
    desc->rank = rank;
    if (dtype == SV_DTYPE_NONE) return index;
    bool empty = false;
    for (int32_t i = 0; i < rank; i++) {
        desc->dim[i] = dim[i];
        empty = empty || dim[i] == 0;
    }
    int64_t count = layout_strides(layout, desc);
    if (empty) count = 0;
    size_t size = sv_dtype_get(dtype)->size, shift = size < 4 ? 4 : size;
    r->bytes[index] = (size_t)count * size;
    r->block[index] = malloc(shift + r->bytes[index]);
    assert_non_null(r->block[index]);
    r->ptr[index] = (char *)r->block[index] + shift;
    fill(r, dtype, r->ptr[index], count);
    return index;
}

void rig_write(rig *r, uint8_t operand)
{
    r->problem.write_mask |= (uint16_t)(1u << operand);
    memset(r->ptr[operand], 0x7e, r->bytes[operand]);
}

void rig_epilogue(rig *r, sv_epilogue_kind kind, uint8_t operand, uint8_t unary, float a, float b)
{
    sv_epilogue *epilogue = &r->problem.epilogue;
    assert_true(epilogue->n < SV_EPILOGUE_MAX);
    epilogue->item[epilogue->n++] = (sv_epilogue_item){
        .kind = (uint8_t)kind, .operand = operand, .unary = unary, .a = a, .b = b};
}

static void *element(const rig *r, uint8_t operand, const int64_t *index)
{
    const sv_desc *desc = &r->desc[operand];
    int64_t at = 0;
    for (int32_t i = 0; i < desc->rank; i++)
        at += index[i] * desc->stride[i];
    return (char *)r->ptr[operand] + at * (int64_t)sv_dtype_get(desc->dtype)->size;
}

double rig_get(const rig *r, uint8_t operand, const int64_t *index)
{
    return sv_scalar_get_f64(r->desc[operand].dtype, element(r, operand, index));
}

void rig_set(rig *r, uint8_t operand, const int64_t *index, float value)
{
    sv_scalar_set_f64(r->desc[operand].dtype, element(r, operand, index), (double)value);
}

static void *aligned(size_t bytes)
{
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 64, bytes ? bytes : 1), 0);
    memset(block, 0x7f, bytes);
    return block;
}

void *rig_copy(const rig *r, uint8_t operand)
{
    void *copy = malloc(r->bytes[operand] + 1);
    assert_non_null(copy);
    memcpy(copy, r->ptr[operand], r->bytes[operand]);
    return copy;
}

void *rig_pack(rig *r, const sv_kernel *kernel, uint8_t *operand)
{
    if (kernel->b_format == SV_FORMAT_RAW) return NULL;
    const sv_packer *packer = sv_packer_get((sv_format)kernel->b_format);
    if (packer->family != r->problem.family) return NULL;
    *operand = packer->operand;
    const sv_desc *desc = &r->desc[*operand];
    sv_pack_source source = {.axis = 0};
    source.view = (sv_view){.data = r->ptr[*operand], .dtype = desc->dtype, .rank = desc->rank};
    memcpy(source.view.dim, desc->dim, sizeof source.view.dim);
    memcpy(source.view.stride, desc->stride, sizeof source.view.stride);
    size_t bytes = packer->size(&r->problem, kernel->level);
    assert_true(bytes > 0);
    void *block = aligned(bytes);
    packer->pack(&r->problem, kernel->level, &source, block);
    return block;
}

void rig_run(rig *r, const sv_kernel *kernel, uint32_t range)
{
    sv_problem *problem = &r->problem;
    uint8_t packed_operand = 0;
    void *packed = rig_pack(r, kernel, &packed_operand);
    problem->b_format = kernel->b_format;
    size_t scratch_bytes = kernel->scratch ? kernel->scratch(problem) : 0;
    void *scratch = aligned(scratch_bytes);
    void *shared = aligned(kernel->shared ? kernel->shared(problem) : 0);
    void *ptr[SV_OPERAND_MAX];
    memcpy(ptr, r->ptr, sizeof ptr);
    if (packed) ptr[packed_operand] = packed;
    sv_fault fault = {.step = UINT32_MAX};
    sv_call call = {.param = problem->param,
                    .desc = problem->desc,
                    .ptr = ptr,
                    .epilogue = &problem->epilogue,
                    .scratch = scratch,
                    .shared = shared,
                    .fault = &fault};
    for (call.phase = 0; call.phase < sv_kernel_phases(kernel); call.phase++) {
        uint32_t units = kernel->units ? kernel->units(problem, call.phase) : 1;
        uint32_t step = range ? range : units ? units : 1;
        uint32_t rounds = sv_kernel_rounds(kernel, problem, call.phase);
        for (call.round = 0; call.round < rounds; call.round++) {
            for (uint32_t begin = 0; begin < units; begin += step) {
                /* Nothing may be carried from range to range. */
                memset(scratch, 0x7f, scratch_bytes);
                kernel->run(&call, begin, units - begin < step ? units : begin + step);
            }
        }
    }
    assert_int_equal(fault.step, UINT32_MAX);
    problem->b_format = SV_FORMAT_RAW;
    free(shared);
    free(scratch);
    free(packed);
}

sv_cpu_level rig_level(void)
{
    sv_cpu_level level = SV_CPU_BASELINE;
    CHECK_OK(sv_cpu_detect(&level));
    return level;
}

static bool close_enough(double got, double want, double absolute, double relative)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    return fabs(got - want) <= absolute + relative * fabs(want);
}

static void compare(const rig *r, uint8_t y, const void *want_bytes, const char *name,
                    double absolute, double relative)
{
    const sv_desc *desc = &r->desc[y];
    rig want = *r;
    want.ptr[y] = (void *)want_bytes;
    int64_t index[SV_MAX_RANK] = {0};
    do {
        double got = rig_get(r, y, index), expect = rig_get(&want, y, index);
        if (close_enough(got, expect, absolute, relative)) continue;
        fail_msg("%s: y[%lld,%lld,%lld,%lld] is %.9g, expected %.9g", name, (long long)index[0],
                 (long long)index[1], (long long)index[2], (long long)index[3], got, expect);
    } while (sv_index_next(desc->rank, desc->dim, index));
}

static void run_once(rig *r, uint8_t y, const sv_kernel *kernel)
{
    rig_write(r, y);
    rig_run(r, kernel, 0);
}

/* Runs the row in one range and in ranges of few units; all must give the same bytes. */
static void run_all_ways(rig *r, uint8_t y, const sv_kernel *kernel)
{
    run_once(r, y, kernel);
    void *once = rig_copy(r, y);
    for (uint32_t range = 1; range <= 5; range += 4) {
        rig_write(r, y);
        rig_run(r, kernel, range);
        if (memcmp(once, r->ptr[y], r->bytes[y]) != 0)
            fail_msg("%s: depends on ranges", kernel->name);
    }
    free(once);
}

/* The reference takes most of a test's time, three times as long in all ways: of its problems every
 * eighth is run so. */
static void run_reference(rig *r, uint8_t y, const sv_kernel *reference)
{
    static uint32_t problems;
    if (problems++ % 8 == 0) {
        run_all_ways(r, y, reference);
    } else {
        run_once(r, y, reference);
    }
}

/* The environment may name a level whose rows are tested elsewhere: SERVAL_TEST_LEAVE_OUT. */
static bool is_left_out(const sv_kernel *kernel)
{
    const char *level = getenv("SERVAL_TEST_LEAVE_OUT");
    return level && strcmp(level, sv_cpu_level_name((sv_cpu_level)kernel->level)) == 0;
}

int rig_compare(rig *r, uint8_t y, double absolute, double relative)
{
    size_t count, n = 0;
    const sv_kernel *const *table = sv_kernel_table(&count);
    char name[64];
    snprintf(name, sizeof name, "%s_ref", sv_family_name(r->problem.family));
    const sv_kernel *reference = sv_kernel_find(name);
    assert_non_null(reference);
    assert_true(!reference->supports || reference->supports(&r->problem));
    run_reference(r, y, reference);
    if (!sv_desc_count(&r->desc[y])) absolute = -1;
    void *want = rig_copy(r, y);
    sv_cpu_level level = rig_level();
    for (size_t i = 0; i < count; i++) {
        const sv_kernel *kernel = table[i];
        if (kernel == reference || kernel->family != r->problem.family || kernel->level > level) {
            continue;
        }
        const sv_packer *packer = sv_packer_get((sv_format)kernel->b_format);
        if (packer && !packer->accepts(&r->problem, kernel->level)) continue;
        r->problem.b_format = kernel->b_format;
        bool supported = !kernel->supports || kernel->supports(&r->problem);
        r->problem.b_format = SV_FORMAT_RAW;
        if (!supported) continue;
        n++;
        if (is_left_out(kernel)) continue;
        run_all_ways(r, y, kernel);
        if (absolute >= 0) compare(r, y, want, kernel->name, absolute, relative);
    }
    free(want);
    return (int)n;
}
