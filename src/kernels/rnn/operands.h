/* The operands and sizes of a recurrent problem, as nn.h lists them. */
#ifndef SV_KERNELS_RNN_OPERANDS_H
#define SV_KERNELS_RNN_OPERANDS_H

#include "kernels/convert/element.h"
#include "kernels/nn.h"

enum {
    RNN_X,
    RNN_W,
    RNN_R,
    RNN_BIAS,
    RNN_LENGTHS,
    RNN_INITIAL_H,
    RNN_INITIAL_C,
    RNN_PEEPHOLES,
    RNN_Y,
    RNN_Y_H,
    RNN_Y_C,
    RNN_OPERANDS
};

/* Gates in ONNX's order: LSTM input, output, forget, cell; GRU update, reset, hidden. */
enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };
enum { GRU_Z, GRU_R, GRU_H };

typedef struct rnn_sizes {
    int64_t steps, batch, input, hidden;
    int32_t directions, gates;
} rnn_sizes;

static inline int32_t rnn_gates(uint8_t kind)
{
    return kind == SV_RNN_LSTM ? 4 : kind == SV_RNN_GRU ? 3 : 1;
}

static inline int32_t rnn_directions(uint8_t direction)
{
    return direction == SV_RNN_BIDIRECTIONAL ? 2 : 1;
}

static inline rnn_sizes rnn_get_sizes(const sv_rnn_param *param, const sv_desc *x)
{
    return (rnn_sizes){x->dim[0],
                       x->dim[1],
                       x->dim[2],
                       param->hidden,
                       rnn_directions(param->direction),
                       rnn_gates(param->kind)};
}

static inline bool rnn_backwards(const sv_rnn_param *param, int32_t direction)
{
    return param->direction == SV_RNN_REVERSE || direction == 1;
}

static inline bool rnn_has(const sv_call *call, int operand)
{
    return call->desc[operand].dtype != SV_DTYPE_NONE && call->ptr[operand];
}

/* Address of [i, j, k, l] (as far as the operand has dimensions). */
static inline char *rnn_at(const sv_call *call, int operand, int64_t i, int64_t j, int64_t k,
                           int64_t l)
{
    const sv_desc *desc = &call->desc[operand];
    const int64_t index[4] = {i, j, k, l};
    int64_t offset = 0;
    for (int32_t d = 0; d < desc->rank && d < 4; d++)
        offset += index[d] * desc->stride[d];
    return (char *)call->ptr[operand] + offset * sv_dtype_get(desc->dtype)->size;
}

/* Bytes from element to element along the operand's last dimension. */
static inline int64_t rnn_step(const sv_call *call, int operand)
{
    const sv_desc *desc = &call->desc[operand];
    return desc->stride[desc->rank - 1] * sv_dtype_get(desc->dtype)->size;
}

/* The steps that sequence `b` has; a length out of range is a fault of unit `unit`. */
static inline int64_t rnn_length(const sv_call *call, int64_t b, int64_t steps, uint32_t unit)
{
    if (!rnn_has(call, RNN_LENGTHS)) return steps;
    int64_t length;
    sv_element_get_i64(call->desc[RNN_LENGTHS].dtype, rnn_at(call, RNN_LENGTHS, b, 0, 0, 0), 0,
                       &length, 1);
    if (length >= 0 && length <= steps) return length;
    sv_call_fault(call, unit, "sequence length", length, 0, steps + 1);
    return length < 0 ? 0 : steps;
}

#endif
