/* Trials of kernels; see the header. */
#include "trial.h"

#include "base/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t element_size(const trial_tensor *t)
{
    return sv_dtype_get(t->desc.dtype)->size;
}

/* Strides for dims in the order of memory `order` (outermost first); returns the elements spanned.
 */
static int64_t lay_out(sv_desc *desc, const int32_t *order, int64_t pad)
{
    int64_t stride = 1;
    for (int32_t i = desc->rank - 1; i >= 0; i--) {
        desc->stride[order[i]] = stride;
        stride *= desc->dim[order[i]] + (i == desc->rank - 1 ? pad : 0);
    }
    int64_t last = 0;
    for (int32_t i = 0; i < desc->rank; i++) {
        if (desc->dim[i] == 0) return 0;
        last += (desc->dim[i] - 1) * desc->stride[i];
    }
    return last + 1;
}

static void memory_order(trial_layout layout, int32_t rank, int32_t *order)
{
    for (int32_t i = 0; i < rank; i++)
        order[i] = i;
    if (layout == TRIAL_CHANNELS_LAST && rank > 2) {
        for (int32_t i = 1; i + 1 < rank; i++)
            order[i] = i + 1;
        order[rank - 1] = 1;
    } else if (layout == TRIAL_REVERSED) {
        for (int32_t i = 0; i < rank; i++)
            order[i] = rank - 1 - i;
    }
}

trial_tensor trial_make(sv_dtype dtype, trial_layout layout, const int64_t *dims)
{
    trial_tensor t = {.desc = {.dtype = dtype}};
    for (; dims[t.desc.rank] >= 0; t.desc.rank++)
        t.desc.dim[t.desc.rank] = dims[t.desc.rank];
    int32_t order[SV_MAX_RANK];
    memory_order(layout, t.desc.rank, order);
    int64_t span = lay_out(&t.desc, order, layout == TRIAL_PADDED ? 3 : 0);
    size_t shift = layout == TRIAL_SHIFTED ? element_size(&t) : 0;
    t.bytes = (size_t)span * element_size(&t);
    t.memory = calloc(1, t.bytes + shift + 1);
    assert_non_null(t.memory);
    /* Exactly the bytes that the elements span, so that one too many is seen. */
    t.memory = realloc(t.memory, t.bytes + shift ? t.bytes + shift : 1);
    assert_non_null(t.memory);
    t.data = (char *)t.memory + shift;
    return t;
}

trial_tensor trial_absent(void)
{
    return (trial_tensor){.desc = {.dtype = SV_DTYPE_NONE}};
}

void trial_free(trial_tensor *tensor)
{
    free(tensor->memory);
    *tensor = trial_absent();
}

trial_tensor trial_expand(const trial_tensor *tensor, const int64_t *dims)
{
    trial_tensor t = *tensor;
    t.memory = NULL;
    int32_t rank = 0;
    while (dims[rank] >= 0)
        rank++;
    for (int32_t i = 0; i < rank; i++) {
        int32_t from = i - (rank - tensor->desc.rank);
        bool own = from >= 0 && tensor->desc.dim[from] == dims[i];
        t.desc.stride[i] = own ? tensor->desc.stride[from] : 0;
        t.desc.dim[i] = dims[i];
    }
    t.desc.rank = rank;
    return t;
}

int64_t trial_count(const trial_tensor *tensor)
{
    return sv_desc_count(&tensor->desc);
}

void *trial_at(const trial_tensor *tensor, int64_t i)
{
    int64_t offset = 0;
    for (int32_t d = tensor->desc.rank - 1; d >= 0; d--) {
        offset += i % tensor->desc.dim[d] * tensor->desc.stride[d];
        i /= tensor->desc.dim[d];
    }
    return (char *)tensor->data + offset * (int64_t)element_size(tensor);
}

double trial_get(const trial_tensor *tensor, int64_t i)
{
    return sv_scalar_get_f64(tensor->desc.dtype, trial_at(tensor, i));
}

void trial_set(const trial_tensor *tensor, int64_t i, double value)
{
    sv_scalar_set_f64(tensor->desc.dtype, trial_at(tensor, i), value);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

void trial_fill(const trial_tensor *tensor, uint32_t seed, double low, double high)
{
    bool whole = !sv_dtype_is_float(tensor->desc.dtype);
    for (int64_t i = 0, n = trial_count(tensor); i < n; i++) {
        double value = low + (high - low) * next_random(&seed) / 16777216.0;
        trial_set(tensor, i, whole ? rint(value) : value);
    }
}

void trial_spoil(const trial_tensor *tensor, uint32_t seed)
{
    static const double special[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 3.4e38, -3.4e38, 1.2e-38};
    for (int64_t i = 0, n = trial_count(tensor); i < n; i++) {
        uint32_t r = next_random(&seed);
        if (r % 4 == 0) trial_set(tensor, i, special[r / 4 % 8]);
    }
}

void trial_put(const trial_tensor *tensor, const double *values)
{
    for (int64_t i = 0, n = trial_count(tensor); i < n; i++)
        trial_set(tensor, i, values[i]);
}

static bool close_enough(double a, double b, double rtol, double atol)
{
    if (a != a || b != b) return a != a && b != b;
    if (a == b) return true;
    return fabs(a - b) <= atol + rtol * fabs(b);
}

void trial_equal(const trial_tensor *a, const trial_tensor *b, double rtol, double atol,
                 const char *what)
{
    for (int64_t i = 0, n = trial_count(a); i < n; i++) {
        double x = trial_get(a, i), y = trial_get(b, i);
        if (close_enough(x, y, rtol, atol)) continue;
        fail_msg("%s: element %lld of %lld: %.9g, expected %.9g", what, (long long)i, (long long)n,
                 x, y);
    }
}

void trial_equal_values(const trial_tensor *a, const double *values, double rtol, double atol)
{
    for (int64_t i = 0, n = trial_count(a); i < n; i++) {
        double x = trial_get(a, i);
        if (close_enough(x, values[i], rtol, atol)) continue;
        fail_msg("element %lld of %lld: %.9g, expected %.9g", (long long)i, (long long)n, x,
                 values[i]);
    }
}

void trial_init(trial *out, sv_family family, void *param, uint32_t param_size, uint16_t write_mask,
                trial_tensor *const *operands)
{
    *out = (trial){
        .problem = {
            .family = family, .param = param, .param_size = param_size, .write_mask = write_mask}};
    for (uint8_t n = 0; operands[n]; n++) {
        out->operand[n] = operands[n];
        out->desc[n] = operands[n]->desc;
        out->problem.n_operand = (uint8_t)(n + 1);
    }
    out->problem.desc = out->desc;
}

void trial_run(trial *t, const sv_kernel *kernel, uint32_t group, bool backwards)
{
    t->problem.desc = t->desc;
    void *ptr[TRIAL_OPERANDS];
    for (int i = 0; i < t->problem.n_operand; i++)
        ptr[i] = t->operand[i]->data;
    size_t scratch = kernel->scratch ? kernel->scratch(&t->problem) : 0;
    size_t shared = kernel->shared ? kernel->shared(&t->problem) : 0;
    t->fault = (sv_fault){.step = UINT32_MAX};
    sv_call call = {.param = t->problem.param,
                    .desc = t->desc,
                    .ptr = ptr,
                    .epilogue = &t->problem.epilogue,
                    .scratch = scratch ? aligned_alloc(64, (scratch + 63) & ~(size_t)63) : NULL,
                    .shared = shared ? aligned_alloc(64, (shared + 63) & ~(size_t)63) : NULL,
                    .arena = t->arena,
                    .fault = &t->fault};
    for (call.phase = 0; call.phase < sv_kernel_phases(kernel); call.phase++) {
        uint32_t units = kernel->units ? kernel->units(&t->problem, call.phase) : 1;
        uint32_t by = group ? group : units ? units : 1, ranges = units / by + (units % by != 0);
        uint32_t rounds = sv_kernel_rounds(kernel, &t->problem, call.phase);
        for (call.round = 0; call.round < rounds; call.round++) {
            for (uint32_t r = 0; r < ranges; r++) {
                uint32_t begin = (backwards ? ranges - 1 - r : r) * by;
                kernel->run(&call, begin, units - begin < by ? units : begin + by);
            }
        }
    }
    free(call.scratch);
    free(call.shared);
}

void trial_reference(trial *t)
{
    char name[64];
    snprintf(name, sizeof name, "%s_ref", sv_family_name(t->problem.family));
    const sv_kernel *kernel = sv_kernel_find(name);
    assert_non_null(kernel);
    assert_true(!kernel->supports || kernel->supports(&t->problem));
    trial_run(t, kernel, 0, false);
}

/* The bytes of written operands, aside; `keep` swaps in a copy to write to. */
static void save(const trial *t, void **copies)
{
    for (int i = 0; i < t->problem.n_operand; i++) {
        copies[i] = NULL;
        if (!(t->problem.write_mask >> i & 1) || !t->operand[i]->data) continue;
        copies[i] = malloc(t->operand[i]->bytes + 1);
        assert_non_null(copies[i]);
        memcpy(copies[i], t->operand[i]->data, t->operand[i]->bytes);
    }
}

static void scribble(const trial *t)
{
    for (int i = 0; i < t->problem.n_operand; i++) {
        if (t->problem.write_mask >> i & 1 && t->operand[i]->data) {
            memset(t->operand[i]->data, 0x5a, t->operand[i]->bytes);
        }
    }
}

/* What lies between the elements of a written operand is as it was. */
static void check_gaps(const trial_tensor *t, const char *what)
{
    unsigned char *owned = calloc(1, t->bytes + 1);
    assert_non_null(owned);
    for (int64_t i = 0, n = trial_count(t); i < n; i++) {
        memset(owned + ((char *)trial_at(t, i) - (char *)t->data), 1, element_size(t));
    }
    for (size_t i = 0; i < t->bytes; i++) {
        if (!owned[i] && ((unsigned char *)t->data)[i] != 0x5a) fail_msg("%s wrote in a gap", what);
    }
    free(owned);
}

static void compare_row(trial *t, const sv_kernel *kernel, void *const *expected, double rtol,
                        double atol)
{
    void *whole[TRIAL_OPERANDS];
    scribble(t);
    trial_run(t, kernel, 0, false);
    for (int i = 0; i < t->problem.n_operand; i++) {
        if (!expected[i]) continue;
        check_gaps(t->operand[i], kernel->name);
        trial_tensor reference = *t->operand[i];
        reference.data = expected[i];
        trial_equal(t->operand[i], &reference, rtol, atol, kernel->name);
    }
    save(t, whole);
    scribble(t);
    trial_run(t, kernel, 1, true);
    for (int i = 0; i < t->problem.n_operand; i++) {
        if (whole[i]) assert_memory_equal(whole[i], t->operand[i]->data, t->operand[i]->bytes);
        free(whole[i]);
    }
}

int trial_compare(trial *t, double rtol, double atol)
{
    sv_cpu_level level;
    sv_status status = sv_cpu_detect(&level);
    assert_null(status);
    void *expected[TRIAL_OPERANDS];
    scribble(t);
    trial_reference(t);
    save(t, expected);
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    int tried = 0;
    for (size_t i = 0; i < count; i++) {
        const sv_kernel *kernel = table[i];
        if (kernel->family != t->problem.family || kernel->level > level ||
            kernel->b_format != t->problem.b_format || strstr(kernel->name, "_ref") ||
            (kernel->supports && !kernel->supports(&t->problem))) {
            continue;
        }
        compare_row(t, kernel, expected, rtol, atol);
        tried++;
    }
    for (int i = 0; i < t->problem.n_operand; i++) {
        if (expected[i]) memcpy(t->operand[i]->data, expected[i], t->operand[i]->bytes);
        free(expected[i]);
    }
    return tried;
}

int trial_levels(void)
{
    sv_cpu_level level;
    sv_status status = sv_cpu_detect(&level);
    assert_null(status);
#if defined(__x86_64__)
    return level >= SV_CPU_AVX512 ? 3 : level >= SV_CPU_AVX2 ? 2 : 1;
#elif defined(__aarch64__)
    return level >= SV_CPU_NEON ? 2 : 1;
#else
    return 1;
#endif
}
