/* A single sequence of one direction whose weights are many: threads make parts of the hidden
 * units, and each step of the sequence is a round, behind which all of them see the whole state. A
 * thread's part of the weights stays in its cache. Behind rnn_f32_tmpl.h, by one file a level. */

/* Bytes of recurrent weights: fewer are read in the time of a few barriers. */
#define RNN_SPLIT_BYTES (1 << 18)

static bool rnn_split_supports(const sv_problem *problem)
{
    const sv_rnn_param *param = problem->param;
    const rnn_plan p = rnn_plan_make(param, &problem->desc[RNN_X]);
    /* There the hidden gate waits for all of the reset gate. */
    const bool waits = param->kind == SV_RNN_GRU && !param->linear_before_reset;
    const double bytes = (double)p.size.hidden * (double)(p.blocks * p.pitch) * sizeof(float);
    return p.size.directions * p.size.batch == 1 && p.size.steps > 1 && !waits &&
           problem->desc[RNN_LENGTHS].dtype == SV_DTYPE_NONE && bytes >= RNN_SPLIT_BYTES &&
           rnn_supports(problem);
}

/* Vectors of hidden units of a unit of work: as many as are multiplied at once. */
static int64_t rnn_split_blocks(const rnn_plan *p)
{
    return RNN_BLOCKS(p->size.gates, 1);
}

static uint32_t rnn_split_units(const sv_problem *problem, uint32_t phase)
{
    const rnn_plan p = rnn_plan_make(problem->param, &problem->desc[RNN_X]);
    return phase ? (uint32_t)sv_divide_up(p.blocks, rnn_split_blocks(&p)) : 1;
}

static uint32_t rnn_split_rounds(const sv_problem *problem)
{
    return (uint32_t)problem->desc[RNN_X].dim[0];
}

static void rnn_split_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const rnn_plan p = rnn_plan_make(call->param, &call->desc[RNN_X]);
    rnn_group group = {.call = call, .param = call->param, .plan = &p};
    rnn_lay_group(&group, 0, 1, call->shared);
    if (call->phase == 0) {
        rnn_open_group(&group);
        return;
    }
    rnn_sequence *q = &group.sequence[0];
    if (call->round % 2) {
        float *h = q->h;
        q->h = q->next;
        q->next = h;
    }
    const int64_t each = rnn_split_blocks(&p) * SV_VF;
    group.from = begin * each;
    group.to = end * each < p.padded ? end * each : p.padded;
    q->input = rnn_input_at(&group, q, call->round);
    rnn_step_group(&group);
    rnn_store(&group, RNN_Y, rnn_time(&group, q, call->round), 0, 0, q->next);
    if (call->round + 1 < p.size.steps) return;
    rnn_store(&group, RNN_Y_H, 0, 0, 0, q->next);
    rnn_store(&group, RNN_Y_C, 0, 0, 0, q->c);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_rnn_split) = {
    .name = "rnn_split_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_rnn,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_rnn_panels,
    .supports = rnn_split_supports,
    .units = rnn_split_units,
    .shared = rnn_scratch,
    .phases = 2,
    .rounds = rnn_split_rounds,
    .run = rnn_split_run,
};
