/* Comparison of values within a tolerance. */
#include "cli/compare.h"

#include "base/status.h"
#include <math.h>
#include <string.h>

#define MAX_DEPTH 32 /* of sequences in sequences; codecs refuse deeper ones anyway */

#define differs(...) sv_error(SV_CODE_ABORTED, __VA_ARGS__)

/* Parts of one element: complex numbers have two. */
static int element_parts(sv_dtype dtype, const void *at, double part[2])
{
    part[1] = 0;
    if (dtype == SV_C64) {
        float v[2];
        memcpy(v, at, sizeof v);
        part[0] = v[0];
        part[1] = v[1];
        return 2;
    }
    if (dtype == SV_C128) {
        memcpy(part, at, 2 * sizeof *part);
        return 2;
    }
    part[0] = sv_scalar_get_f64(dtype, at);
    return 1;
}

static bool number_close(sv_comparison *c, double found, double expected)
{
    if (isnan(found) || isnan(expected)) return isnan(found) && isnan(expected);
    if (isinf(found) || isinf(expected)) return found == expected;
    double difference = fabs(found - expected);
    if (difference > c->max_abs) c->max_abs = difference;
    if (expected != 0 && difference / fabs(expected) > c->max_rel) {
        c->max_rel = difference / fabs(expected);
    }
    return difference <= c->atol + c->rtol * fabs(expected);
}

static bool string_equal(const sv_string *a, const sv_string *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static bool element_close(sv_comparison *c, sv_dtype dtype, const void *found, const void *expected)
{
    if (dtype == SV_STRING) return string_equal(found, expected);
    /* Whole numbers beyond 2^53 are the same bits or are compared as doubles. */
    size_t size = sv_dtype_get(dtype)->size;
    if (!sv_dtype_is_float(dtype) && memcmp(found, expected, size) == 0) return true;
    double f[2], e[2];
    int parts = element_parts(dtype, found, f);
    element_parts(dtype, expected, e);
    bool close = number_close(c, f[0], e[0]);
    return parts == 1 ? close : number_close(c, f[1], e[1]) && close;
}

static sv_status element_status(const sv_tensor *found, const sv_tensor *expected, int64_t i)
{
    if (found->dtype == SV_STRING) {
        const sv_string *f = (const sv_string *)found->data + i;
        const sv_string *e = (const sv_string *)expected->data + i;
        return differs("element %lld: expected '%.*s', found '%.*s'", (long long)i, (int)e->size,
                       e->data, (int)f->size, f->data);
    }
    size_t size = sv_dtype_get(found->dtype)->size;
    double f[2], e[2];
    element_parts(found->dtype, (const char *)found->data + (size_t)i * size, f);
    element_parts(found->dtype, (const char *)expected->data + (size_t)i * size, e);
    return differs("element %lld: expected %.9g, found %.9g", (long long)i, e[0], f[0]);
}

static sv_status compare_tensors(sv_comparison *c, const sv_tensor *found,
                                 const sv_tensor *expected)
{
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    if (found->dtype != expected->dtype || !sv_shape_equal(&found->shape, &expected->shape)) {
        return differs("expected %s%s, found %s%s", sv_dtype_name(expected->dtype),
                       sv_shape_text(&expected->shape, a), sv_dtype_name(found->dtype),
                       sv_shape_text(&found->shape, b));
    }
    int64_t count = sv_tensor_count(found), first = -1;
    size_t size = sv_dtype_get(found->dtype)->size;
    for (int64_t i = 0; i < count; i++) {
        const char *f = (const char *)found->data + (size_t)i * size;
        const char *e = (const char *)expected->data + (size_t)i * size;
        c->compared++;
        if (element_close(c, found->dtype, f, e)) continue;
        c->differing++;
        if (first < 0) first = i;
    }
    return first < 0 ? SV_OK : element_status(found, expected, first);
}

static sv_status compare_at(sv_comparison *c, const sv_datum *found, const sv_datum *expected,
                            int depth)
{
    if (depth > MAX_DEPTH) return sv_error_invalid("value: expected at most %d levels", MAX_DEPTH);
    if (found->kind != expected->kind) {
        return differs("expected a %s, found a %s", sv_kind_name(expected->kind),
                       sv_kind_name(found->kind));
    }
    if (found->kind == SV_KIND_TENSOR) return compare_tensors(c, &found->tensor, &expected->tensor);
    if (found->count != expected->count) {
        return differs("expected %zu items, found %zu", expected->count, found->count);
    }
    if (found->kind == SV_KIND_MAP) SV_TRY(compare_tensors(c, &found->keys, &expected->keys));
    for (size_t i = 0; i < found->count; i++) {
        sv_status status = compare_at(c, &found->item[i], &expected->item[i], depth + 1);
        if (status != SV_OK) return sv_status_annotate(status, "item %zu", i);
    }
    return SV_OK;
}

sv_status sv_compare(sv_comparison *comparison, const sv_datum *found, const sv_datum *expected)
{
    return compare_at(comparison, found, expected, 0);
}
