/* Problems to measure, and the ways to do them; see the header. */
#include "tune/problem.h"

#include "base/alloc.h"
#include "base/status.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/nn.h"

#include <string.h>

#define ALIGNMENT 64

const sv_tune_row sv_tune_rows[] = {
#define PROBLEM(kind, ...) {SV_TUNE_##kind, {__VA_ARGS__}},
#include "tune/problems.inc"
#undef PROBLEM
};
const uint32_t sv_tune_row_count = sizeof sv_tune_rows / sizeof *sv_tune_rows;

static const char *const kind_names[] = {
    [SV_TUNE_gemm] = "gemm",   [SV_TUNE_raw] = "raw",
    [SV_TUNE_conv] = "conv",   [SV_TUNE_depthwise] = "depthwise",
    [SV_TUNE_chain] = "chain", [SV_TUNE_attention] = "attention",
    [SV_TUNE_pool] = "pool"};

/* ---- memory -------------------------------------------------------------------------------- */

typedef struct sv_tune_block sv_tune_block;
struct sv_tune_block {
    sv_tune_block *next;
    void *at;
    size_t bytes;
};

void sv_tune_memory_init(sv_tune_memory *memory)
{
    *memory = (sv_tune_memory){0};
    sv_arena_init(&memory->arena, NULL);
}

void sv_tune_memory_release(sv_tune_memory *memory)
{
    for (sv_tune_block *block = memory->block; block; block = block->next)
        sv_free_aligned(NULL, block->at, block->bytes, ALIGNMENT);
    sv_arena_release(&memory->arena);
}

void *sv_tune_memory_get(sv_tune_memory *memory, size_t bytes)
{
    sv_tune_block *block = sv_arena_alloc(&memory->arena, sizeof *block);
    if (!block) return NULL;
    *block = (sv_tune_block){.next = memory->block, .bytes = bytes ? bytes : ALIGNMENT};
    block->at = sv_alloc_aligned(NULL, block->bytes, ALIGNMENT);
    if (block->at) memory->block = block;
    return block->at;
}

/* ---- operands ------------------------------------------------------------------------------ */

/* A problem that is being put together. */
typedef struct stage {
    sv_tune_memory *memory;
    sv_problem problem;
    sv_desc *desc; /* [SV_OPERAND_MAX] */
    void *ptr[SV_OPERAND_MAX];
} stage;

static sv_status no_memory(size_t bytes)
{
    return sv_error_memory("problem to measure", bytes);
}

/* The same numbers in [-1, 1) every time. */
static void fill(float *to, size_t count)
{
    uint32_t x = 1;
    for (size_t i = 0; i < count; i++) {
        x = x * 1664525u + 1013904223u;
        to[i] = (float)(x >> 8) / (float)(1 << 23) - 1;
    }
}

static sv_status stage_init(stage *s, sv_tune_memory *memory, sv_family family, const void *param,
                            size_t param_size)
{
    *s = (stage){.memory = memory};
    s->desc = sv_arena_array(&memory->arena, SV_OPERAND_MAX, sizeof *s->desc);
    void *own = sv_arena_alloc(&memory->arena, param_size);
    if (!s->desc || !own) return no_memory(param_size);
    memcpy(own, param, param_size);
    s->problem = (sv_problem){.family = family,
                              .param = own,
                              .param_size = (uint32_t)param_size,
                              .b_dtype = SV_F32,
                              .desc = s->desc};
    return SV_OK;
}

/* Appends an operand that covers `span` floats; at `data`, or new where that is NULL. */
static sv_status add(stage *s, const sv_desc *desc, int64_t span, void *data)
{
    const uint8_t i = s->problem.n_operand++;
    size_t bytes = (size_t)span * sizeof(float);
    s->desc[i] = *desc;
    s->ptr[i] = data ? data : sv_tune_memory_get(s->memory, bytes);
    if (!s->ptr[i]) return no_memory(bytes);
    if (!data) fill(s->ptr[i], (size_t)span);
    return SV_OK;
}

static sv_status add_rows(stage *s, int64_t batch, int64_t rows, int64_t columns, int64_t pitch)
{
    const sv_desc desc = {.dtype = SV_F32,
                          .rank = 3,
                          .dim = {batch, rows, columns},
                          .stride = {rows * pitch, pitch, 1}};
    return add(s, &desc, batch * rows * pitch, NULL);
}

/* Channels innermost, with the pitch that the engine gives rows of them. */
static sv_status add_image(stage *s, int64_t channels, int64_t size, void *data)
{
    const int64_t pitch = (channels + 15) / 16 * 16 + (channels >= 512 ? 16 : 0);
    const sv_desc desc = {.dtype = SV_F32,
                          .rank = 4,
                          .dim = {1, channels, size, size},
                          .stride = {size * size * pitch, 1, size * pitch, pitch}};
    return add(s, &desc, size * size * pitch, data);
}

static sv_status add_filters(stage *s, int64_t o, int64_t c, int64_t kernel)
{
    const sv_desc desc = {.dtype = SV_F32,
                          .rank = 4,
                          .dim = {o, c, kernel, kernel},
                          .stride = {c * kernel * kernel, kernel * kernel, kernel, 1}};
    return add(s, &desc, o * c * kernel * kernel, NULL);
}

/* ---- problems ------------------------------------------------------------------------------ */

static sv_status make_gemm(stage *s, sv_tune_memory *memory, const int64_t *number)
{
    const sv_gemm_param param = {.alpha = 1};
    const int64_t m = number[0], n = number[1], k = number[2];
    SV_TRY(stage_init(s, memory, SV_FAMILY_gemm, &param, sizeof param));
    SV_TRY(add_rows(s, 1, m, k, k + 16));
    SV_TRY(add_rows(s, 1, k, n, n));
    s->problem.write_mask = 1u << 2;
    return add_rows(s, 1, m, n, n + 16);
}

static sv_status make_conv(stage *s, sv_tune_memory *memory, int64_t c, int64_t o, int64_t groups,
                           const int64_t *number, void *x)
{
    const int64_t size = number[0], kernel = number[1], stride = number[2], pad = kernel / 2;
    const sv_conv_param param = {.spatial = 2,
                                 .groups = groups,
                                 .kernel = {kernel, kernel},
                                 .stride = {stride, stride},
                                 .dilation = {1, 1},
                                 .pad = {pad, pad}};
    SV_TRY(stage_init(s, memory, SV_FAMILY_conv, &param, sizeof param));
    SV_TRY(add_image(s, c, size, x));
    SV_TRY(add_filters(s, o, c / groups, kernel));
    s->problem.write_mask = 1u << 2;
    return add_image(s, o, (size + 2 * pad - kernel) / stride + 1, NULL);
}

static sv_status make_attention(stage *s, sv_tune_memory *memory, const int64_t *number)
{
    const sv_attention_param param = {.scale = 0.125f};
    SV_TRY(stage_init(s, memory, SV_FAMILY_attention, &param, sizeof param));
    for (int i = 0; i < 4; i++)
        SV_TRY(add_rows(s, number[0], number[1], number[2], number[2]));
    s->problem.write_mask = 1u << 3;
    return SV_OK;
}

static sv_status make_pool(stage *s, sv_tune_memory *memory, const int64_t *number)
{
    const int64_t size = number[1], kernel = number[2], stride = number[3];
    const sv_pool_param param = {.kind = SV_POOL_MAX,
                                 .spatial = 2,
                                 .kernel = {kernel, kernel},
                                 .stride = {stride, stride},
                                 .dilation = {1, 1}};
    static const sv_desc none = {.dtype = SV_DTYPE_NONE};
    SV_TRY(stage_init(s, memory, SV_FAMILY_pool, &param, sizeof param));
    SV_TRY(add_image(s, number[0], size, NULL));
    SV_TRY(add_image(s, number[0], (size - kernel) / stride + 1, NULL));
    s->desc[s->problem.n_operand++] = none;
    s->problem.write_mask = 1u << 1;
    return SV_OK;
}

/* ---- ways ---------------------------------------------------------------------------------- */

static sv_status pack(const stage *s, sv_cpu_level level, sv_format format, void **out)
{
    const sv_packer *packer = sv_packer_get(format);
    const sv_desc *desc = &s->desc[packer->operand];
    sv_pack_source source = {
        .view = {.data = s->ptr[packer->operand], .dtype = desc->dtype, .rank = desc->rank}};
    memcpy(source.view.dim, desc->dim, sizeof source.view.dim);
    memcpy(source.view.stride, desc->stride, sizeof source.view.stride);
    size_t bytes = packer->size(&s->problem, level);
    *out = sv_tune_memory_get(s->memory, bytes);
    if (!*out) return no_memory(bytes);
    packer->pack(&s->problem, level, &source, *out);
    return SV_OK;
}

static void bind_run(const stage *s, const sv_kernel *kernel, void *packed, sv_tune_run *out)
{
    *out = (sv_tune_run){.kernel = kernel, .problem = s->problem};
    out->problem.b_format = kernel->b_format;
    memcpy(out->ptr, s->ptr, sizeof out->ptr);
    if (packed) out->ptr[sv_packer_get((sv_format)kernel->b_format)->operand] = packed;
}

/* A way for each kernel of the level that does the stage in this format. */
static sv_status add_ways(sv_tune_problem *p, const stage *s, sv_format format)
{
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    const sv_prices *prices = sv_prices_of(&s->problem, p->level);
    sv_problem problem = s->problem;
    void *packed = NULL;
    problem.b_format = (uint16_t)format;
    for (size_t i = 0; i < count && p->n < SV_TUNE_WAYS; i++) {
        const sv_kernel *kernel = table[i];
        if (kernel->family != problem.family || kernel->b_format != format ||
            kernel->level != prices->level || (kernel->supports && !kernel->supports(&problem)))
            continue;
        if (format != SV_FORMAT_RAW && !packed) SV_TRY(pack(s, p->level, format, &packed));
        p->way[p->n].n = 1;
        bind_run(s, kernel, packed, &p->way[p->n++].run[0]);
    }
    return SV_OK;
}

/* A single stage in each of `n` formats. */
static sv_status one_stage(sv_tune_problem *p, const stage *s, const sv_format *format, int n)
{
    p->whole = s->problem;
    p->weight = format[0] == SV_FORMAT_RAW ? 0 : sv_packer_get(format[0])->operand;
    for (int i = 0; i < n; i++)
        SV_TRY(add_ways(p, s, format[i]));
    return SV_OK;
}

/* ---- chains -------------------------------------------------------------------------------- */

/* The stage's kernel when it is a step of its own, and its packed weights. */
static sv_status separate(sv_tune_problem *p, stage *s, sv_tune_run *out)
{
    uint8_t operand;
    void *packed;
    sv_format format = sv_format_choose(&s->problem, p->level, &operand);
    SV_TRY(pack(s, p->level, format, &packed));
    s->problem.b_format = (uint16_t)format;
    const sv_kernel *kernel = sv_kernel_choose(&s->problem, p->level);
    if (!kernel) return sv_error_internal("no kernel for a convolution of a chain");
    bind_run(s, kernel, packed, out);
    return SV_OK;
}

/* All of `way` as one problem. */
static sv_status joined(sv_tune_problem *p, const sv_tune_way *way, sv_tune_way *out)
{
    const sv_problem *part[SV_TUNE_STAGES];
    sv_conv_chain chain;
    stage s;
    for (uint32_t i = 0; i < way->n; i++)
        part[i] = &way->run[i].problem;
    if (!sv_conv_chain_make(part, way->n, &chain))
        return sv_error_internal("convolutions to measure are no chain");
    SV_TRY(stage_init(&s, p->memory, SV_FAMILY_conv_chain, &chain.param, sizeof chain.param));
    for (uint32_t i = 0; i < chain.operands.n; i++) {
        const sv_tune_run *from = &way->run[chain.operands.from[i].problem];
        SV_TRY(add(&s, &from->problem.desc[chain.operands.from[i].operand], 0,
                   from->ptr[chain.operands.from[i].operand]));
    }
    s.problem.write_mask = 1u << 1;
    s.problem.b_format = SV_FORMAT_conv_panels;
    const sv_kernel *kernel = sv_kernel_choose(&s.problem, p->level);
    if (!kernel) return sv_error_internal("no kernel for a chain of convolutions");
    out->n = 1;
    bind_run(&s, kernel, NULL, &out->run[0]);
    p->whole = s.problem;
    return SV_OK;
}

static sv_status make_chain(sv_tune_problem *p)
{
    const int64_t *number = p->row.number;
    const int64_t before = number[0], mid = number[1], behind = number[2];
    const int64_t own[3] = {number[3], number[4], number[5]};
    sv_tune_way *way = &p->way[0];
    stage s = {0};
    void *x = NULL;
    if (before) {
        const int64_t pointwise[3] = {own[0], 1, 1};
        SV_TRY(make_conv(&s, p->memory, before, mid, 1, pointwise, NULL));
        SV_TRY(separate(p, &s, &way->run[way->n++]));
        x = s.ptr[2];
    }
    SV_TRY(make_conv(&s, p->memory, mid, mid, mid, own, x));
    SV_TRY(separate(p, &s, &way->run[way->n++]));
    const int64_t last[3] = {s.desc[2].dim[2], 1, 1};
    SV_TRY(make_conv(&s, p->memory, mid, behind, 1, last, s.ptr[2]));
    SV_TRY(separate(p, &s, &way->run[way->n++]));
    p->n = 2;
    return joined(p, way, &p->way[1]);
}

/* ---- all kinds ----------------------------------------------------------------------------- */

static sv_status name_of(sv_tune_problem *p)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, kind_names[p->row.kind]);
    int last = SV_TUNE_NUMBERS;
    while (last > 0 && p->row.number[last - 1] == 0)
        last--;
    for (int i = 0; i < last; i++)
        sv_text_printf(&text, " %lld", (long long)p->row.number[i]);
    sv_status status = sv_text_status(&text, "problem to measure");
    if (!status) p->name = sv_arena_copy_text(&p->memory->arena, text.data, text.size);
    sv_text_release(&text);
    return status || p->name ? status : no_memory(text.size);
}

static sv_status make(sv_tune_problem *p)
{
    static const sv_format raw[] = {SV_FORMAT_RAW};
    static const sv_format gemm[] = {SV_FORMAT_gemm_panels, SV_FORMAT_gemm_strassen};
    static const sv_format depthwise[] = {SV_FORMAT_conv_depthwise};
    static const sv_format conv[] = {SV_FORMAT_conv_panels, SV_FORMAT_conv_winograd_4_3,
                                     SV_FORMAT_conv_winograd_2_3, SV_FORMAT_conv_winograd_2_5};
    const int64_t *number = p->row.number;
    stage s = {0};
    switch (p->row.kind) {
    case SV_TUNE_gemm:
        SV_TRY(make_gemm(&s, p->memory, number));
        return one_stage(p, &s, gemm, 2);
    case SV_TUNE_raw:
        SV_TRY(make_gemm(&s, p->memory, number));
        return one_stage(p, &s, raw, 1);
    case SV_TUNE_conv:
        SV_TRY(make_conv(&s, p->memory, number[0], number[1], 1, number + 2, NULL));
        return one_stage(p, &s, conv, 4);
    case SV_TUNE_depthwise:
        SV_TRY(make_conv(&s, p->memory, number[0], number[0], number[0], number + 1, NULL));
        return one_stage(p, &s, depthwise, 1);
    case SV_TUNE_chain:
        return make_chain(p);
    case SV_TUNE_attention:
        SV_TRY(make_attention(&s, p->memory, number));
        return one_stage(p, &s, raw, 1);
    case SV_TUNE_pool:
        SV_TRY(make_pool(&s, p->memory, number));
        return one_stage(p, &s, raw, 1);
    }
    return sv_error_internal("unknown kind of problem to measure");
}

sv_status sv_tune_problem_make(const sv_tune_row *row, sv_cpu_level level, sv_tune_memory *memory,
                               sv_tune_problem *out)
{
    *out = (sv_tune_problem){.row = *row, .level = level, .memory = memory};
    SV_TRY(name_of(out));
    return make(out);
}

/* ---- choice -------------------------------------------------------------------------------- */

double sv_tune_way_cost(const sv_tune_way *way, const sv_prices *prices)
{
    double cost = 0;
    for (uint32_t i = 0; i < way->n; i++) {
        const sv_tune_run *run = &way->run[i];
        sv_problem problem = run->problem;
        problem.prices = prices;
        cost += sv_kernel_cost(run->kernel, &problem);
    }
    return cost;
}

uint32_t sv_tune_choice(const sv_tune_problem *p, const sv_prices *prices)
{
    if (p->row.kind == SV_TUNE_chain) {
        double apart = sv_tune_way_cost(&p->way[0], prices);
        return sv_tune_way_cost(&p->way[1], prices) < apart ? 1 : 0;
    }
    sv_problem problem = p->whole;
    uint8_t operand;
    problem.prices = prices;
    problem.b_format =
        p->weight ? (uint16_t)sv_format_choose(&problem, p->level, &operand) : SV_FORMAT_RAW;
    const sv_kernel *kernel = sv_kernel_choose(&problem, p->level);
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->way[i].run[0].kernel == kernel) return i;
    }
    return 0;
}

void sv_tune_way_name(const sv_tune_way *way, sv_text *out)
{
    for (uint32_t i = 0; i < way->n; i++)
        sv_text_printf(out, "%s%s", i ? " + " : "", way->run[i].kernel->name);
}
