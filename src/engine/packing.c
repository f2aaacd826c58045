/* Lists of packing work, and the region that does it. */
#include "engine/packing.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

enum {
    /* Of sources that are copied as they are: large enough that a system call costs nothing. */
    COPY_BYTES = 1 << 20,
    /* Less than this is packed before another thread has woken up. */
    ALONE_BYTES = 256 << 10,
};

sv_status sv_packing_init(sv_packing *packing, const sv_module *module,
                          const sv_allocator *allocator, sv_cpu_level level)
{
    *packing = (sv_packing){.level = level, .module = module};
    sv_arena_init(&packing->arena, allocator);
    packing->left = sv_arena_array(&packing->arena, module->n_constant, sizeof(*packing->left));
    if (packing->left) return SV_OK;
    return sv_error_memory("packing", module->n_constant * sizeof(*packing->left));
}

void sv_packing_release(sv_packing *packing)
{
    sv_arena_release(&packing->arena);
}

/* ---- the list ---------------------------------------------------------------------------- */

static size_t source_bytes(const sv_tensor *source)
{
    return (size_t)sv_tensor_count(source) * sv_dtype_get(source->dtype)->size;
}

static sv_status keep_problem(sv_packing *packing, const sv_problem *problem, sv_problem *out)
{
    sv_desc *desc = sv_arena_array(&packing->arena, problem->n_operand, sizeof(*desc));
    void *param = sv_arena_alloc_zero(&packing->arena, problem->param_size);
    if (!desc || !param) return sv_error_memory("packing", problem->param_size);
    memcpy(desc, problem->desc, problem->n_operand * sizeof(*desc));
    if (problem->param_size) memcpy(param, problem->param, problem->param_size);
    *out = *problem;
    out->desc = desc;
    out->param = param;
    return SV_OK;
}

/* The elements of the source that a part of the job reads. */
static void part_of(const sv_packing *packing, const sv_pack_job *job, uint32_t index,
                    int64_t *first, int64_t *count)
{
    *first = 0;
    *count = sv_tensor_count(&job->constant->source);
    if (!job->whole) job->packer->part(&job->problem, packing->level, index, first, count);
}

/* The bytes that staging needs for the job, whose parts have nearly one size. */
static size_t largest_part(const sv_packing *packing, const sv_pack_job *job, uint32_t parts)
{
    int64_t most = 0, first, count;
    for (uint32_t i = 0; i < parts; i++) {
        part_of(packing, job, i, &first, &count);
        if (count > most) most = count;
    }
    return (size_t)most * sv_dtype_get(job->constant->source.dtype)->size;
}

static _Atomic uint32_t *left_of(const sv_packing *packing, const sv_pack_job *job)
{
    return &packing->left[job->constant - packing->module->constant];
}

static sv_status push(sv_packing *packing, const sv_pack_job *job, uint32_t parts)
{
    void *array = packing->job;
    if (!sv_arena_grow(&packing->arena, &array, &packing->capacity, packing->n_job,
                       packing->n_job + 1, sizeof(*job)))
        return sv_error_memory("packing", sizeof(*job));
    packing->job = array;
    packing->job[packing->n_job] = *job;
    packing->parts += parts;
    *left_of(packing, job) += parts;
    packing->job[packing->n_job++].end = packing->parts;
    packing->bytes += source_bytes(&job->constant->source);
    if (job->most > packing->most) packing->most = job->most;
    return SV_OK;
}

sv_status sv_packing_add(sv_packing *packing, sv_constant *constant, const sv_packer *packer,
                         const sv_problem *problem, void *to)
{
    sv_pack_job job = {.packer = packer, .constant = constant, .to = to, .whole = !packer->parts};
    SV_TRY(keep_problem(packing, problem, &job.problem));
    uint32_t parts = job.whole ? 1 : packer->parts(&job.problem, packing->level);
    if (sv_blob_deferred(constant->source.blob)) job.most = largest_part(packing, &job, parts);
    return push(packing, &job, parts);
}

sv_status sv_packing_add_raw(sv_packing *packing, sv_constant *constant)
{
    sv_blob *blob = constant->source.blob;
    if (!sv_blob_deferred(blob)) return SV_OK;
    for (uint32_t i = 0; i < packing->n_job; i++) {
        const sv_pack_job *other = &packing->job[i];
        if (!other->packer && other->constant->source.blob == blob) return SV_OK;
    }
    SV_TRY(sv_blob_begin_load(blob));
    sv_pack_job job = {.constant = constant, .to = constant->source.data};
    return push(packing, &job, (uint32_t)((blob->size + COPY_BYTES - 1) / COPY_BYTES));
}

/* ---- the region -------------------------------------------------------------------------- */

typedef struct sv_pack_region {
    sv_packing *packing;
    sv_packing_done done;
    void *self;
    _Atomic uint64_t next;    /* part */
    _Atomic(sv_status) error; /* the first that was found */
    char *staging;            /* packing->most bytes a thread */
} sv_pack_region;

static sv_status copy_part(const sv_pack_job *job, uint32_t index)
{
    const sv_blob *blob = job->constant->source.blob;
    size_t begin = (size_t)index * COPY_BYTES, left = blob->size - begin;
    return sv_blob_copy_deferred(blob, begin, left < COPY_BYTES ? left : COPY_BYTES,
                                 (char *)job->to + begin);
}

/* The dimension of the problem's operand along which the constant's scale lies: the same one, or
 * that of its stride, where the problem sees the weights transposed or with more dimensions. */
static int32_t scaled_axis(const sv_constant *constant, const sv_desc *desc)
{
    const sv_shape *shape = &constant->source.shape;
    int64_t stride = 1;
    if (!constant->scale) return constant->axis;
    const int64_t dim = shape->dim[constant->axis];
    for (int32_t i = shape->rank - 1; i > constant->axis; i--)
        stride *= shape->dim[i];
    if (constant->axis < desc->rank && desc->dim[constant->axis] == dim &&
        desc->stride[constant->axis] == stride)
        return constant->axis;
    for (int32_t i = 0; i < desc->rank; i++) {
        if (desc->dim[i] == dim && desc->stride[i] == stride) return i;
    }
    return constant->axis;
}

/* The source as the problem sees it: the constant's elements with the desc's dims and strides. */
static sv_pack_source source_of(const sv_pack_job *job)
{
    const sv_constant *constant = job->constant;
    const sv_desc *desc = &job->problem.desc[job->packer->operand];
    sv_pack_source source = {
        .scale = constant->scale, .shift = constant->shift, .axis = scaled_axis(constant, desc)};
    source.view = (sv_view){.dtype = desc->dtype, .rank = desc->rank};
    memcpy(source.view.dim, desc->dim, sizeof(desc->dim));
    memcpy(source.view.stride, desc->stride, sizeof(desc->stride));
    return source;
}

static sv_status pack_part(const sv_packing *packing, const sv_pack_job *job, uint32_t index,
                           char *staging)
{
    const sv_tensor *from = &job->constant->source;
    sv_pack_source source = source_of(job);
    size_t size = sv_dtype_get(from->dtype)->size;
    int64_t first, count;
    part_of(packing, job, index, &first, &count);
    source.view.data = (char *)from->data + (size_t)first * size;
    if (!job->loaded) {
        SV_TRY(
            sv_blob_copy_deferred(from->blob, (size_t)first * size, (size_t)count * size, staging));
        source.view.data = staging;
    }
    if (job->whole)
        job->packer->pack(&job->problem, packing->level, &source, job->to);
    else
        job->packer->pack_part(&job->problem, packing->level, &source, index, job->to);
    return SV_OK;
}

/* The job that the part belongs to: the first that ends behind it. */
static uint32_t job_of(const sv_packing *packing, uint64_t part)
{
    uint32_t low = 0, high = packing->n_job;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (packing->job[middle].end > part)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void do_part(sv_pack_region *x, uint64_t part, char *staging)
{
    const sv_packing *packing = x->packing;
    uint32_t j = job_of(packing, part);
    const sv_pack_job *job = &packing->job[j];
    uint32_t index = (uint32_t)(part - (j ? packing->job[j - 1].end : 0));
    sv_status none = SV_OK, status = job->packer ? pack_part(packing, job, index, staging)
                                                 : copy_part(job, index);
    if (status && !atomic_compare_exchange_strong(&x->error, &none, status)) sv_status_free(status);
    if (atomic_fetch_sub_explicit(left_of(packing, job), 1, memory_order_acq_rel) == 1)
        x->done(x->self, job->constant);
}

static void run(void *argument, uint32_t thread, uint32_t threads)
{
    sv_pack_region *x = argument;
    char *staging = x->staging ? x->staging + thread * x->packing->most : NULL;
    (void)threads;
    while (!atomic_load_explicit(&x->error, memory_order_relaxed)) {
        uint64_t part = atomic_fetch_add_explicit(&x->next, 1, memory_order_relaxed);
        if (part >= x->packing->parts) return;
        do_part(x, part, staging);
    }
}

sv_status sv_packing_run(sv_packing *packing, sv_team *team, sv_packing_done done, void *self)
{
    uint32_t threads = team && packing->bytes > ALONE_BYTES ? sv_team_size(team) : 1;
    sv_pack_region x = {.packing = packing, .done = done, .self = self};
    for (uint32_t i = 0; i < packing->n_job; i++)
        packing->job[i].loaded = !sv_blob_deferred(packing->job[i].constant->source.blob);
    const sv_allocator *allocator = packing->arena.allocator;
    size_t bytes, most = sv_size_align(packing->most, 64);
    packing->most = most;
    if (!sv_size_mul(most, threads, &bytes)) return sv_error_memory("packing", most);
    if (bytes) x.staging = sv_alloc_aligned(allocator, bytes, 64);
    if (bytes && !x.staging) return sv_error_memory("packing", bytes);
    if (threads > 1)
        sv_team_region(team, threads, run, &x);
    else
        run(&x, 0, 1);
    sv_free_aligned(allocator, x.staging, bytes, 64);
    sv_status error = atomic_load(&x.error);
    for (uint32_t i = 0; i < packing->n_job && !error; i++) {
        sv_blob *blob = packing->job[i].constant->source.blob;
        if (!packing->job[i].packer) error = sv_blob_finish_load(blob);
    }
    return error;
}
