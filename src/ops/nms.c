/* NonMaxSuppression: the boxes that no better box of the same class overlaps too much. */
#include "base/status.h"
#include "ops/support.h"

typedef struct sv_nms_param {
    bool center; /* boxes are [x, y, width, height] instead of two corners */
    bool measure;
} sv_nms_param;

typedef struct sv_nms_box {
    float low[2], high[2], area;
} sv_nms_box;

typedef struct sv_nms_candidate {
    float score;
    int64_t box;
} sv_nms_candidate;

static sv_status nms_infer(sv_infer *x)
{
    const sv_shape *boxes = &x->in[0].shape, *scores = &x->in[1].shape;
    SV_TRY(sv_infer_rank(x, 0, 3, 3));
    SV_TRY(sv_infer_rank(x, 1, 3, 3));
    for (uint32_t i = 0; i < 2; i++) {
        if (x->in[i].dtype && x->in[i].dtype != SV_F32)
            return sv_infer_error(x, i, "expected float32, found %s",
                                  sv_dtype_name(x->in[i].dtype));
    }
    SV_TRY(sv_infer_scalar(x, 2, SV_I64));
    SV_TRY(sv_infer_scalar(x, 3, SV_F32));
    SV_TRY(sv_infer_scalar(x, 4, SV_F32));
    if (boxes->rank == 3 && boxes->dim[2] >= 0 && boxes->dim[2] != 4)
        return sv_infer_error(x, 0, "expected 4 numbers a box, found %lld",
                              (long long)boxes->dim[2]);
    if (boxes->rank == 3 && scores->rank == 3) {
        bool batch = scores->dim[0] >= 0 && boxes->dim[0] >= 0 && scores->dim[0] != boxes->dim[0];
        bool count = scores->dim[2] >= 0 && boxes->dim[1] >= 0 && scores->dim[2] != boxes->dim[1];
        char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
        if (batch || count)
            return sv_infer_error(x, 1,
                                  "expected scores [batch, classes, boxes] for boxes %s, found %s",
                                  sv_shape_text(boxes, a), sv_shape_text(scores, b));
    }
    x->out[0].dtype = SV_I64;
    x->out[0].shape = sv_infer_symbols(x, 2);
    x->out[0].shape.dim[1] = 3;
    sv_infer_dynamic(x, 0);
    return SV_OK;
}

static sv_nms_box box_of(const float *v, bool center)
{
    sv_nms_box box;
    for (int i = 0; i < 2; i++) {
        float a = center ? v[i] - v[i + 2] / 2 : v[i];
        float b = center ? v[i] + v[i + 2] / 2 : v[i + 2];
        box.low[i] = a < b ? a : b;
        box.high[i] = a < b ? b : a;
    }
    box.area = (box.high[0] - box.low[0]) * (box.high[1] - box.low[1]);
    return box;
}

static bool overlaps(const sv_nms_box *a, const sv_nms_box *b, float threshold)
{
    float inside = 1;
    for (int i = 0; i < 2; i++) {
        float low = a->low[i] > b->low[i] ? a->low[i] : b->low[i];
        float high = a->high[i] < b->high[i] ? a->high[i] : b->high[i];
        if (high <= low) return false;
        inside *= high - low;
    }
    float all = a->area + b->area - inside;
    return a->area > 0 && b->area > 0 && all > 0 && inside / all > threshold;
}

/* ---- candidates, the best on top --------------------------------------------------------- */

static bool better(const sv_nms_candidate *a, const sv_nms_candidate *b)
{
    return a->score > b->score || (a->score == b->score && a->box < b->box);
}

static void sift(sv_nms_candidate *heap, int64_t n, int64_t at)
{
    sv_nms_candidate item = heap[at];
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && better(&heap[child + 1], &heap[child])) child++;
        if (!better(&heap[child], &item)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

/* Boxes above the threshold as a heap: only as many are sorted as are looked at. */
static int64_t candidates(const float *score, int64_t n, const float *threshold,
                          sv_nms_candidate *heap)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!threshold || score[i] > *threshold) heap[count++] = (sv_nms_candidate){score[i], i};
    }
    for (int64_t i = count / 2 - 1; i >= 0; i--)
        sift(heap, count, i);
    return count;
}

static size_t nms_scratch(const sv_problem *problem)
{
    return (size_t)problem->desc[0].dim[1] * (sizeof(sv_nms_candidate) + sizeof(sv_nms_box));
}

/* The boxes of one class: writes [batch, class, box] rows unless `to` is NULL; returns their
 * number, at most `limit`. */
static int64_t select_class(const sv_call *call, int64_t batch, int64_t class_, int64_t limit,
                            int64_t *to)
{
    const sv_nms_param *p = call->param;
    int64_t n = call->desc[0].dim[1], classes = call->desc[1].dim[1], selected = 0;
    const float *boxes = (const float *)call->ptr[0] + batch * n * 4;
    const float *score = (const float *)call->ptr[1] + (batch * classes + class_) * n;
    float threshold = call->ptr[3] ? *(const float *)call->ptr[3] : 0;
    sv_nms_candidate *heap = call->scratch;
    sv_nms_box *kept = (sv_nms_box *)(heap + n);
    int64_t left = candidates(score, n, call->ptr[4], heap);
    while (left > 0 && selected < limit) {
        int64_t next = heap[0].box;
        sv_nms_box box = box_of(boxes + next * 4, p->center);
        bool free = true;
        heap[0] = heap[--left];
        if (left > 0) sift(heap, left, 0);
        for (int64_t i = 0; i < selected && free; i++)
            free = !overlaps(&box, &kept[i], threshold);
        if (!free) continue;
        kept[selected] = box;
        if (to) memcpy(to + selected * 3, (int64_t[]){batch, class_, next}, 3 * sizeof(int64_t));
        selected++;
    }
    return selected;
}

/* Operands: boxes, scores, most boxes a class, overlap, score, and y [found, 3] or its dims. */
static void nms_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_nms_param *p = call->param;
    int64_t batches = call->desc[1].dim[0], classes = call->desc[1].dim[1], found = 0;
    int64_t limit = call->ptr[2] ? *(const int64_t *)call->ptr[2] : 0;
    int64_t *y = call->ptr[5], room = p->measure ? INT64_MAX : call->desc[5].dim[0];
    (void)begin, (void)end;
    for (int64_t b = 0; b < batches; b++) {
        for (int64_t c = 0; c < classes; c++) {
            int64_t most = limit < room - found ? limit : room - found;
            found += select_class(call, b, c, most, p->measure ? NULL : y + found * 3);
        }
    }
    if (!p->measure) return;
    y[0] = found;
    y[1] = 3;
}

static const sv_kernel nms_kernel = {.name = "custom_non_max_suppression",
                                     .family = SV_FAMILY_custom,
                                     .scratch = nms_scratch,
                                     .run = nms_run};

static sv_status nms_items(sv_emit *e, bool measure)
{
    if (e->symbolic) return SV_OK;
    sv_nms_param param = {.center = sv_node_int(e->node, "center_point_box", 0) != 0,
                          .measure = measure};
    sv_ref ref[6];
    for (uint32_t i = 0; i < 5; i++)
        ref[i] = sv_ref_dense(sv_emit_in(e, i));
    ref[5] = sv_ref_dense(sv_emit_out(e, 0));
    return sv_emit_custom(e, &nms_kernel, &param, sizeof(param), 6, ref, 1u << 5);
}

static sv_status nms_measure(sv_emit *e)
{
    return nms_items(e, true);
}
static sv_status nms_emit(sv_emit *e)
{
    return nms_items(e, false);
}

const sv_op_desc sv_op_desc_NonMaxSuppression = {.op = SV_OP_NonMaxSuppression,
                                                 .min_in = 2,
                                                 .max_in = 5,
                                                 .min_out = 1,
                                                 .max_out = 1,
                                                 .infer = nms_infer,
                                                 .emit = nms_emit,
                                                 .measure = nms_measure};
