/* LSTM, GRU and RNN of f32 for the baseline; the loops are in the template. */
#include "kernels/rnn/rnn_f32_tmpl.h"
#include "kernels/rnn/rnn_split_tmpl.h"
