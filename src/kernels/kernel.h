/* The kernel contract: problems, operands, epilogues, weight formats, and the tables of kernels.
 *
 * A problem describes work (which family, parameters, operands); a kernel row says which problems
 * it can do, at what cost, and does them. Kernels work on plain buffers: no allocation, no globals,
 * no I/O. What an operator means is said in ops/; where operands lie is the engine's decision. */
#ifndef SV_KERNELS_KERNEL_H
#define SV_KERNELS_KERNEL_H

#include "base/arena.h"
#include "base/cpu.h"
#include "tensor/tensor.h"

/* FAMILY(name): what problems are about; one folder of kernels each. */
typedef enum sv_family {
#define FAMILY(name) SV_FAMILY_##name,
#include "kernels/families.inc"
#undef FAMILY
    SV_FAMILY_COUNT
} sv_family;

const char *sv_family_name(sv_family family);

/* ---- operands ------------------------------------------------------------------------------ */

/* An operand without its address: a logical shape and where its elements lie. Strides are in
 * elements and may be 0 (broadcast), in any order (channels-last, transposed), or padded. */
typedef struct sv_desc {
    sv_dtype dtype; /* SV_DTYPE_NONE: the operand is absent */
    int32_t rank;
    int64_t dim[SV_MAX_RANK]; /* negative: symbolic (while weights are packed) */
    int64_t stride[SV_MAX_RANK];
} sv_desc;

/* Elements lie row-major without gaps. */
bool sv_desc_dense(const sv_desc *desc);
int64_t sv_desc_count(const sv_desc *desc);
/* Merges neighbouring dimensions whose strides allow it in all `n` operands at once (dims equal in
 * all), and drops dimensions of 1: what turns most strided loops into one or two plain ones. Writes
 * the common dims and each operand's strides; returns the new rank (at least 1). */
int32_t sv_desc_collapse(const sv_desc *const *desc, int32_t n, int64_t dim[SV_MAX_RANK],
                         int64_t (*stride)[SV_MAX_RANK]);

/* ---- epilogues ----------------------------------------------------------------------------- */

/* What is applied to a result before it is stored, in order. */
typedef enum sv_epilogue_kind {
    SV_EPI_BIAS,  /* + operand[channel]: a dense f32 vector over channels (columns) */
    SV_EPI_ADD,   /* + operand of the result's shape (residual) */
    SV_EPI_MUL,   /* * operand of the result's shape, or [N,C,1..]: a gate a channel */
    SV_EPI_UNARY, /* a unary operation of kernels/elementwise.h with its parameters */
} sv_epilogue_kind;

typedef struct sv_epilogue_item {
    uint8_t kind;    /* sv_epilogue_kind */
    uint8_t unary;   /* sv_unary for SV_EPI_UNARY */
    uint8_t operand; /* index of the problem's operand for the others */
    float a, b;      /* parameters of the unary operation */
} sv_epilogue_item;

#define SV_EPILOGUE_MAX 4
typedef struct sv_epilogue {
    uint8_t n;
    sv_epilogue_item item[SV_EPILOGUE_MAX];
} sv_epilogue;

/* ---- problems ------------------------------------------------------------------------------ */

#define SV_OPERAND_MAX 16

/* Borrowed parts live in a plan or in the caller's frame. */
typedef struct sv_problem {
    sv_family family;
    uint8_t n_operand;
    uint16_t write_mask; /* bit i: operand i is written */
    sv_dtype b_dtype;    /* element type of a packed operand's source */
    uint16_t b_format;   /* sv_format of the packed operand, SV_FORMAT_RAW if none */
    bool exact;          /* only algorithms that do the operations of the definition */
    bool compact;        /* only formats whose packed bytes are about as many as the source's */
    const struct sv_prices *prices; /* of the CPU's family; NULL: any CPU's (kernels/prices.h) */
    uint32_t param_size;
    void *param;   /* the family's POD structure */
    sv_desc *desc; /* [n_operand]; of a packed operand: its source's logical shape */
    sv_epilogue epilogue;
} sv_problem;

/* Data errors found while running. They never stop a step early; the smallest (step, unit) is
 * reported. Memory stays safe on garbage. */
typedef struct sv_fault {
    uint32_t step, unit;      /* step UINT32_MAX: none */
    int64_t found, low, high; /* found, expected in [low, high) */
    const char *what;         /* static: "index" */
} sv_fault;

/* What a kernel sees when it runs. */
typedef struct sv_call {
    const void *param;
    const sv_desc *desc;
    void *const *ptr; /* [n_operand]; NULL: absent */
    const sv_epilogue *epilogue;
    void *scratch;   /* of this thread: scratch(p) bytes, 64-byte aligned */
    void *shared;    /* of all threads, over all phases of this step: shared(p) bytes */
    sv_arena *arena; /* for the bytes of strings made by a step of one unit */
    sv_fault *fault; /* of this thread */
    uint32_t step;
    uint32_t phase;
    uint32_t round; /* of the last phase */
} sv_call;

/* Records a data error of `unit`. */
void sv_call_fault(const sv_call *call, uint32_t unit, const char *what, int64_t found, int64_t low,
                   int64_t high);

/* ---- kernels ------------------------------------------------------------------------------- */

/* Work is divided in units, the same for any number of threads: each thread executes ranges
 * [begin, end). Results must not depend on how units are grouped. */
typedef struct sv_kernel {
    const char *name; /* <family>_<algorithm>_<level>: "gemm_packed_avx512" */
    sv_family family;
    sv_cpu_level level;
    uint16_t b_format;
    bool (*supports)(const sv_problem *problem); /* NULL: everything of the family */
    /* ns on one thread, a sum of counts times prices (kernels/prices.h); NULL: by bytes touched */
    double (*cost)(const sv_problem *problem);
    uint32_t (*units)(const sv_problem *problem, uint32_t phase); /* NULL: 1 */
    size_t (*scratch)(const sv_problem *problem);                 /* bytes a thread; NULL: 0 */
    size_t (*shared)(const sv_problem *problem);                  /* bytes a step; NULL: 0 */
    uint8_t phases; /* 0 means 1; a barrier lies between phases */
    /* How often the last phase runs, with a barrier between; NULL: once. */
    uint32_t (*rounds)(const sv_problem *problem);
    bool sums; /* a convolution that can sum up its result a unit (kernels/conv.h) */
    void (*run)(const sv_call *call, uint32_t begin, uint32_t end);
} sv_kernel;

static inline uint32_t sv_kernel_phases(const sv_kernel *kernel)
{
    return kernel->phases ? kernel->phases : 1;
}
/* How often phase `phase` runs. */
static inline uint32_t sv_kernel_rounds(const sv_kernel *kernel, const sv_problem *problem,
                                        uint32_t phase)
{
    const bool last = phase + 1 == sv_kernel_phases(kernel);
    return last && kernel->rounds ? kernel->rounds(problem) : 1;
}

/* Kernels that can run on `level`, fastest level first, the reference row last. `b_format` must
 * match. Deterministic: the first that supports the problem with the least cost. NULL: none. */
const sv_kernel *sv_kernel_choose(const sv_problem *problem, sv_cpu_level level);
/* For saved plans and tests; NULL when unknown. */
const sv_kernel *sv_kernel_find(const char *name);
/* All rows, for tests and documentation. */
const sv_kernel *const *sv_kernel_table(size_t *count);
/* Floating-point operations of a problem, 0 when not counted. */
double sv_problem_flops(const sv_problem *problem);
/* Bytes of all operands, each counted once: of a packed one, those of its source. */
double sv_problem_bytes(const sv_problem *problem);
/* A cost in ns for kernels without one: from the bytes of all operands. */
double sv_problem_default_cost(const sv_problem *problem);
/* Nanoseconds of the problem on one thread, by the kernel's account. */
double sv_kernel_cost(const sv_kernel *kernel, const sv_problem *problem);

/* ---- weight formats ------------------------------------------------------------------------ */

/* FORMAT(name): layouts of packed constants, each with a packer and one kernel that takes all
 * shapes with the bare problem. RAW is the dense source. */
typedef enum sv_format {
    SV_FORMAT_RAW = 0,
#define FORMAT(name) SV_FORMAT_##name,
#include "kernels/formats.inc"
#undef FORMAT
    SV_FORMAT_COUNT
} sv_format;

/* A constant before packing: value[i] = source[i] * scale[j] + shift[j], j the index along `axis`
 * (scale, shift may be NULL). Source strides say how it lies. */
typedef struct sv_pack_source {
    sv_view view;
    const float *scale, *shift; /* of view.dim[axis] elements */
    int32_t axis;
} sv_pack_source;

typedef struct sv_packer {
    const char *name;
    sv_family family;
    uint8_t operand; /* which operand of the family's problems it packs */
    /* Whether this format is the one for the problem at `level`; desc may hold symbols. The first
     * row of formats.inc that accepts is taken; none: the operand stays RAW. */
    bool (*accepts)(const sv_problem *problem, sv_cpu_level level);
    /* Bytes of the packed block; 0: overflow. */
    size_t (*size)(const sv_problem *problem, sv_cpu_level level);
    /* What of the problem, besides the source's own shape, the packed bytes depend on. */
    uint64_t (*key)(const sv_problem *problem, sv_cpu_level level);
    /* `to` is 64-byte aligned. */
    void (*pack)(const sv_problem *problem, sv_cpu_level level, const sv_pack_source *source,
                 void *to);
    /* Packing in parts, side by side and in any order; all three or none. `part` says which of the
     * source's elements, counted from its first, a part reads; `pack_part` gets a source whose
     * view.data is the address of the first of these, and the whole block in `to`. */
    uint32_t (*parts)(const sv_problem *problem, sv_cpu_level level);
    void (*part)(const sv_problem *problem, sv_cpu_level level, uint32_t index, int64_t *first,
                 int64_t *count);
    void (*pack_part)(const sv_problem *problem, sv_cpu_level level, const sv_pack_source *source,
                      uint32_t index, void *to);
} sv_packer;

/* `pack` of those that pack in parts: one after the other. */
void sv_packer_pack_parts(const sv_packer *packer, const sv_problem *problem, sv_cpu_level level,
                          const sv_pack_source *source, void *to);

const sv_packer *sv_packer_get(sv_format format);
/* The format for the packable operand of `problem`, SV_FORMAT_RAW if there is none. */
sv_format sv_format_choose(const sv_problem *problem, sv_cpu_level level, uint8_t *operand);

#endif
