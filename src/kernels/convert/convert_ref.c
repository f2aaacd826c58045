/* Conversions between all pairs of dtypes: blocks pass through the widest type of the source's
 * class; strings are written into the step's arena. */
#include "kernels/convert/element.h"
#include "kernels/convert/text.h"
#include "kernels/elementwise.h"
#include "kernels/strided.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 256

typedef struct ref_context {
    const sv_call *call;
    sv_dtype from, to, wide;
    bool saturate;
} ref_context;

/* ---- numbers ------------------------------------------------------------------------------- */

static void block(const ref_context *c, const char *x, int64_t xs, char *y, int64_t ys, int64_t n)
{
    union {
        float f32[BLOCK];
        double f64[BLOCK];
        int64_t i64[BLOCK];
        uint64_t u64[BLOCK];
    } v;
    switch (c->wide) {
    case SV_F32:
        sv_element_get_f32(c->from, x, xs, v.f32, n);
        sv_element_put_f32(c->to, v.f32, y, ys, n, c->saturate);
        break;
    case SV_F64:
        sv_element_get_f64(c->from, x, xs, v.f64, n);
        sv_element_put_f64(c->to, v.f64, y, ys, n, c->saturate);
        break;
    case SV_U64:
        sv_element_get_u64(c->from, x, xs, v.u64, n);
        sv_element_put_u64(c->to, v.u64, y, ys, n, c->saturate);
        break;
    default:
        sv_element_get_i64(c->from, x, xs, v.i64, n);
        sv_element_put_i64(c->to, v.i64, y, ys, n, c->saturate);
        break;
    }
}

static void number_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        block(context, at[0] + i * step[0], step[0], at[1] + i * step[1], step[1], m);
    }
}

/* ---- strings ------------------------------------------------------------------------------- */

/* One element as text; its length. */
static size_t write_number(const ref_context *c, const char *x, char out[SV_NUMBER_TEXT])
{
    if (c->from == SV_BOOL) {
        strcpy(out, *x ? "True" : "False");
        return strlen(out);
    }
    if (c->wide == SV_I64) {
        int64_t value;
        sv_element_get_i64(c->from, x, 0, &value, 1);
        return (size_t)snprintf(out, SV_NUMBER_TEXT, "%" PRId64, value);
    }
    if (c->wide == SV_U64) {
        uint64_t value;
        sv_element_get_u64(c->from, x, 0, &value, 1);
        return (size_t)snprintf(out, SV_NUMBER_TEXT, "%" PRIu64, value);
    }
    double value;
    sv_element_get_f64(c->from, x, 0, &value, 1);
    return sv_number_write(value, c->wide == SV_F32, out);
}

static void to_string_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const ref_context *c = context;
    for (int64_t i = 0; i < n; i++) {
        char text[SV_NUMBER_TEXT];
        size_t size = write_number(c, at[0] + i * step[0], text);
        sv_string *y = (sv_string *)(at[1] + i * step[1]);
        char *copy = sv_arena_copy_text(c->call->arena, text, size);
        *y = copy ? (sv_string){copy, size} : (sv_string){"", 0};
        if (!copy) sv_call_fault(c->call, 0, "bytes of text", (int64_t)size, 0, 0);
    }
}

/* false when the text is no number (or none that the class can hold). */
static bool read_number(const ref_context *c, const sv_string *x, char *y)
{
    sv_dtype wide = sv_element_wide(c->to);
    if (wide == SV_F32 || wide == SV_F64 || c->to == SV_BOOL) {
        double value;
        if (!sv_number_read(x->data, x->size, &value)) return false;
        sv_element_put_f64(c->to, &value, y, 0, 1, c->saturate);
        return true;
    }
    int64_t value;
    bool is_unsigned;
    if (!sv_integer_read(x->data, x->size, &value, &is_unsigned)) return false;
    sv_element_put_i64(c->to, &value, y, 0, 1, c->saturate);
    return !is_unsigned || c->to == SV_U64;
}

static void from_string_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const ref_context *c = context;
    for (int64_t i = 0; i < n; i++) {
        const sv_string *x = (const sv_string *)(at[0] + i * step[0]);
        char *y = at[1] + i * step[1];
        if (read_number(c, x, y)) continue;
        memset(y, 0, sv_dtype_get(c->to)->size);
        sv_call_fault(c->call, 0, "characters that form a number", 0, 1, INT64_MAX);
    }
}

static void copy_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    size_t size = sv_dtype_get(((const ref_context *)context)->to)->size;
    for (int64_t i = 0; i < n; i++)
        memcpy(at[1] + i * step[1], at[0] + i * step[0], size);
}

/* ---- the row ------------------------------------------------------------------------------- */

static sv_strided_row row_of(const ref_context *c)
{
    if (c->from == c->to) return copy_row;
    if (c->from == SV_STRING) return from_string_row;
    return c->to == SV_STRING ? to_string_row : number_row;
}

static bool known(sv_dtype dtype)
{
    return dtype == SV_STRING || sv_element_wide(dtype) != SV_DTYPE_NONE;
}

static bool supports(const sv_problem *problem)
{
    return problem->epilogue.n == 0 && known(problem->desc[0].dtype) &&
           known(problem->desc[1].dtype);
}

/* Strings share the arena, which is one thread's. */
static uint32_t units(const sv_problem *problem, uint32_t phase)
{
    const sv_desc *desc = problem->desc;
    if (desc[0].dtype == SV_STRING || desc[1].dtype == SV_STRING) return 1;
    return sv_strided_problem_units(problem, phase);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_convert_param *param = call->param;
    sv_dtype from = call->desc[0].dtype, to = call->desc[1].dtype;
    ref_context context = {call, from, to, sv_element_wide(from), param->saturate};
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 2);
    if (from == SV_STRING || to == SV_STRING) end = sv_strided_units(&strided);
    sv_strided_run(&strided, call->ptr, begin, end, row_of(&context), &context);
}

const sv_kernel sv_kernel_convert_ref = {
    .name = "convert_ref",
    .family = SV_FAMILY_convert,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = units,
    .run = run,
};
