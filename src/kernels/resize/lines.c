/* The lines of a resize; see the header. */
#include "kernels/resize/lines.h"

/* Lines that one line of the result may be a sum of; filters stretched further have no such list.
 */
#define SOURCES_MAX (1 << 16)

/* The dimensions that stay, then the resized ones, each with an index of its own; false: lines are
 * sums of too many. */
static bool make_rows(sv_resize_lines *lines)
{
    const sv_resize_plan *plan = &lines->plan;
    sv_cursor *rows = &lines->rows;
    *rows = plan->same;
    lines->same = rows->rank;
    lines->outer_taps = 1;
    for (int32_t i = 0; i < lines->n_outer; i++) {
        int32_t d = rows->rank++;
        rows->dim[d] = plan->out[i];
        rows->step[0][d] = 0;
        rows->step[1][d] = plan->coordinates.step[0][i];
        if (plan->taps[i] > SOURCES_MAX / lines->outer_taps) return false;
        lines->outer_taps *= plan->taps[i];
    }
    return true;
}

bool sv_resize_lines_init(sv_resize_lines *lines, const sv_desc *desc, const sv_resize_param *param,
                          int64_t width)
{
    const int64_t size = sizeof(float);
    sv_resize_plan *plan = &lines->plan;
    sv_resize_plan_init(plan, desc, param);
    if (!plan->n) return false;
    lines->n_outer = plan->n - 1;
    lines->xs = plan->xs[lines->n_outer];
    lines->ys = plan->coordinates.step[0][lines->n_outer];
    lines->in = plan->in[lines->n_outer];
    lines->out = plan->out[lines->n_outer];
    lines->taps = plan->taps[lines->n_outer];
    lines->inner = 1;
    int32_t last = plan->same.rank - 1;
    bool beside = last >= 0 && plan->same.step[0][last] == size && plan->same.step[1][last] == size;
    if (beside) {
        lines->inner = plan->same.dim[last];
        plan->same.rank = last;
    }
    int64_t run = lines->inner * size;
    bool joined = lines->xs == run && lines->ys == run;
    lines->wide = beside && !(joined && lines->inner < width);
    if (!make_rows(lines)) return false;
    lines->count = sv_cursor_count(&lines->rows);
    lines->per_unit = sv_pieces_per_unit(lines->out * lines->inner);
    if (lines->wide) return true;
    int64_t longest = lines->in > lines->out ? lines->in : lines->out;
    return lines->ys == run && longest * lines->inner < INT32_MAX / 2;
}

const sv_tap *sv_resize_line_taps(const sv_resize_lines *lines, const sv_tap *table)
{
    return table + lines->plan.table[lines->n_outer];
}

static void add_source(sv_resize_sources *out, const char *x, double weight)
{
    out->weight[out->n] = (float)weight;
    out->x[out->n] = x;
    if (out->weight[out->n] != 0) out->n++;
}

void sv_resize_take_sources(const sv_resize_lines *lines, const sv_tap *table,
                            sv_resize_sources *out)
{
    const sv_resize_plan *plan = &lines->plan;
    const sv_tap *first[SV_MAX_RANK];
    int64_t at[SV_MAX_RANK] = {0};
    out->n = -1;
    for (int32_t i = 0; i < lines->n_outer; i++) {
        first[i] = table + plan->table[i] + lines->rows.index[lines->same + i] * plan->taps[i];
        if (first[i]->position < 0) return;
    }
    out->n = 0;
    if (lines->n_outer == 1) {
        for (int64_t k = 0; k < plan->taps[0]; k++)
            add_source(out, lines->rows.at[0] + first[0][k].position * plan->xs[0],
                       first[0][k].weight);
        return;
    }
    do {
        const char *x = lines->rows.at[0];
        double weight = 1;
        for (int32_t i = 0; i < lines->n_outer; i++) {
            x += first[i][at[i]].position * plan->xs[i];
            weight *= first[i][at[i]].weight;
        }
        add_source(out, x, weight);
    } while (sv_index_next(lines->n_outer, plan->taps, at));
}
