/* The tables of kernels and weight formats, and the choice among their rows.
 *
 * What a row can do and costs is said by the row, beside its loops; how problems are measured is in
 * kernels/problem.c. */
#include "kernels/kernel.h"

#include <string.h>

#if defined(__x86_64__)
#define KERNEL_X86(symbol) KERNEL(symbol)
#else
#define KERNEL_X86(symbol)
#endif
#if defined(__aarch64__)
#define KERNEL_ARM64(symbol) KERNEL(symbol)
#else
#define KERNEL_ARM64(symbol)
#endif

#define KERNEL(symbol) extern const sv_kernel symbol;
#include "kernels/kernels.inc"
#undef KERNEL

#define FORMAT(name) extern const sv_packer sv_packer_##name;
#include "kernels/formats.inc"
#undef FORMAT

/* Ends with NULL, so that the table is an array even with no rows. */
static const sv_kernel *const kernels[] = {
#define KERNEL(symbol) &symbol,
#include "kernels/kernels.inc"
#undef KERNEL
    NULL,
};

static const sv_packer *const packers[SV_FORMAT_COUNT] = {
#define FORMAT(name) [SV_FORMAT_##name] = &sv_packer_##name,
#include "kernels/formats.inc"
#undef FORMAT
};

const char *sv_family_name(sv_family family)
{
    static const char *const names[SV_FAMILY_COUNT] = {
#define FAMILY(name) #name,
#include "kernels/families.inc"
#undef FAMILY
    };
    return (unsigned)family < SV_FAMILY_COUNT ? names[family] : "unknown";
}

const sv_kernel *const *sv_kernel_table(size_t *count)
{
    *count = sizeof kernels / sizeof kernels[0] - 1;
    return kernels;
}

const sv_kernel *sv_kernel_find(const char *name)
{
    for (const sv_kernel *const *at = kernels; *at; at++) {
        if (!strcmp((*at)->name, name)) return *at;
    }
    return NULL;
}

/* The highest level, at most `level`, that has a row for the problem's family and format; negative
 * when there is none. */
static int best_level(const sv_problem *problem, int level)
{
    int best = -1;
    for (const sv_kernel *const *at = kernels; *at; at++) {
        const sv_kernel *kernel = *at;
        if (kernel->family == problem->family && kernel->b_format == problem->b_format &&
            (int)kernel->level <= level && (int)kernel->level > best) {
            best = (int)kernel->level;
        }
    }
    return best;
}

double sv_kernel_cost(const sv_kernel *kernel, const sv_problem *problem)
{
    return kernel->cost ? kernel->cost(problem) : sv_problem_default_cost(problem);
}

const sv_kernel *sv_kernel_choose(const sv_problem *problem, sv_cpu_level level)
{
    int highest = best_level(problem, (int)level);
    /* A packer writes for the highest level that reads its format: rows below would misread it. */
    int lowest = problem->b_format == SV_FORMAT_RAW ? 0 : highest;
    const sv_kernel *best = NULL;
    double best_cost = 0;
    for (const sv_kernel *const *at = kernels; *at; at++) {
        const sv_kernel *kernel = *at;
        int at_level = (int)kernel->level;
        if (kernel->family != problem->family || kernel->b_format != problem->b_format ||
            at_level > highest || at_level < lowest) {
            continue;
        }
        if (kernel->supports && !kernel->supports(problem)) continue;
        double cost = sv_kernel_cost(kernel, problem);
        if (!best || cost < best_cost || (cost == best_cost && at_level > (int)best->level)) {
            best = kernel;
            best_cost = cost;
        }
    }
    return best;
}

const sv_packer *sv_packer_get(sv_format format)
{
    return (unsigned)format < SV_FORMAT_COUNT ? packers[format] : NULL;
}

sv_format sv_format_choose(const sv_problem *problem, sv_cpu_level level, uint8_t *operand)
{
    for (int format = SV_FORMAT_RAW + 1; format < SV_FORMAT_COUNT; format++) {
        const sv_packer *packer = packers[format];
        if (packer->family != problem->family || !packer->accepts(problem, level)) continue;
        *operand = packer->operand;
        return (sv_format)format;
    }
    return SV_FORMAT_RAW;
}

void sv_packer_pack_parts(const sv_packer *packer, const sv_problem *problem, sv_cpu_level level,
                          const sv_pack_source *source, void *to)
{
    uint32_t parts = packer->parts(problem, level);
    for (uint32_t i = 0; i < parts; i++) {
        int64_t first, count;
        sv_pack_source piece = *source;
        packer->part(problem, level, i, &first, &count);
        piece.view.data =
            (char *)source->view.data + first * (int64_t)sv_dtype_get(source->view.dtype)->size;
        packer->pack_part(problem, level, &piece, i, to);
    }
}

void sv_call_fault(const sv_call *call, uint32_t unit, const char *what, int64_t found, int64_t low,
                   int64_t high)
{
    sv_fault *fault = call->fault;
    if (fault->step < call->step || (fault->step == call->step && fault->unit <= unit)) return;
    *fault = (sv_fault){
        .step = call->step, .unit = unit, .found = found, .low = low, .high = high, .what = what};
}
