/* The weight format rnn_panels: recurrent (or input) weights [D, G * H, K] as panels of `width`
 * hidden units, [D][ceil(H / width)][K][G][width], so that one walk over K makes all gates of some
 * units. Units beyond H have weights of 0. */
#ifndef SV_KERNELS_RNN_PANELS_H
#define SV_KERNELS_RNN_PANELS_H

#include "kernels/kernel.h"

/* Hidden units of a panel: the floats of one vector of the highest rnn row at `level`. */
int32_t sv_rnn_width(sv_cpu_level level);

/* Packs the panel of units [first, first + width) of one direction. `at(d, j, k)` of the source
 * lies at data + (d * stride[0] + j * stride[1] + k * stride[2]) elements. */
typedef struct sv_rnn_panel {
    const sv_view *view;          /* [D, G * H, K] */
    const sv_pack_source *source; /* scale and shift, or NULL */
    int32_t direction, gates, width;
    int64_t hidden, first;
} sv_rnn_panel;
void sv_rnn_pack(const sv_rnn_panel *panel, float *to);

#endif
