/* Runs ONNX's node cases operator by operator, with the reference rows and without the engine: the
 * quick check of an operator's meaning while it is written.
 *
 *   node_eval FOLDER [TEXT]...    the cases beneath FOLDER whose names contain one of the texts
 *
 * Each case runs in a process of its own, so that a crash is one failure. Cases with control flow
 * or with inputs that are no tensors are counted as skipped. Exit code 0 if nothing failed. */
#include "base/arena.h"
#include "base/blob.h"
#include "base/status.h"
#include "codec/tensor_proto.h"
#include "formats/onnx/onnx.h"
#include "lower/lower.h"
#include "ops/op.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PASS = 0, FAIL = 1, SKIP = 2, PATH_SIZE = 1200 };

/* Tolerances of ONNX's own test runner. */
static const double relative = 1e-3, absolute = 1e-7;

static sv_status read_tensor(const char *path, sv_arena *arena, sv_tensor *out)
{
    sv_blob *blob;
    sv_reader reader;
    SV_TRY(sv_blob_read_file(path, SIZE_MAX, NULL, &blob));
    sv_reader_init(&reader, blob->data, blob->size, path, 0, NULL);
    sv_tensor_source source = {.arena = arena};
    return sv_tensor_proto_read(&reader, &source, out, NULL);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static bool same_element(const sv_tensor *a, const sv_tensor *b, int64_t i, double rtol)
{
    size_t size = sv_dtype_get(a->dtype)->size;
    const char *at_a = (const char *)a->data + (size_t)i * size;
    const char *at_b = (const char *)b->data + (size_t)i * size;
    if (a->dtype == SV_STRING) {
        const sv_string *s = (const void *)at_a, *t = (const void *)at_b;
        return s->size == t->size && memcmp(s->data, t->data, s->size) == 0;
    }
    int class_ = sv_dtype_get(a->dtype)->class_;
    if (class_ != SV_CLASS_FLOAT && class_ != SV_CLASS_COMPLEX)
        return memcmp(at_a, at_b, size) == 0;
    for (int part = 0; part < (class_ == SV_CLASS_COMPLEX ? 2 : 1); part++) {
        sv_dtype dtype = a->dtype == SV_C64 ? SV_F32 : a->dtype == SV_C128 ? SV_F64 : a->dtype;
        size_t step = (size_t)part * sv_dtype_get(dtype)->size;
        double x = sv_scalar_get_f64(dtype, at_a + step), y = sv_scalar_get_f64(dtype, at_b + step);
        bool same = x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= absolute + rtol * fabs(y);
        if (!same) return false;
    }
    return true;
}

static int compare(const sv_tensor *found, const sv_tensor *want, uint32_t output, char *why,
                   size_t size)
{
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    if (found->dtype != want->dtype || !sv_shape_equal(&found->shape, &want->shape)) {
        snprintf(why, size, "output %u: expected %s %s, found %s %s", output,
                 sv_dtype_name(want->dtype), sv_shape_text(&want->shape, a),
                 sv_dtype_name(found->dtype), sv_shape_text(&found->shape, b));
        return FAIL;
    }
    double rtol = found->dtype == SV_BF16 ? 1e-2 : relative;
    int64_t n = sv_tensor_count(want), wrong = 0, first = -1;
    for (int64_t i = 0; i < n; i++) {
        if (same_element(found, want, i, rtol)) continue;
        wrong++;
        if (first < 0) first = i;
    }
    if (wrong == 0) return PASS;
    snprintf(why, size, "output %u: %lld of %lld elements differ, [%lld]: expected %g, found %g",
             output, (long long)wrong, (long long)n, (long long)first,
             want->dtype == SV_STRING ? 0 : sv_tensor_get_f64(want, first),
             want->dtype == SV_STRING ? 0 : sv_tensor_get_f64(found, first));
    return FAIL;
}

/* ---- one case -------------------------------------------------------------------------------- */

static sv_status evaluate(sv_graph *graph, const sv_tensor **value, sv_arena *arena, bool *skip)
{
    for (uint32_t n = 0; n < graph->n_node; n++) {
        const sv_node *node = graph->node[n];
        const sv_op_desc *desc = sv_op_desc_get(node->op);
        if (desc && !desc->emit) {
            *skip = true;
            return SV_OK;
        }
        const sv_tensor **in = sv_arena_array(arena, node->n_in + 1u, sizeof(*in));
        sv_tensor *out = sv_arena_array(arena, node->n_out + 1u, sizeof(*out));
        for (uint32_t i = 0; i < node->n_in; i++)
            in[i] = node->in[i] == SV_NO_VALUE ? NULL : value[node->in[i]];
        SV_TRY(sv_op_eval(graph->module, node, in, out, arena));
        for (uint32_t i = 0; i < node->n_out; i++) {
            if (node->out[i] != SV_NO_VALUE) value[node->out[i]] = &out[i];
        }
    }
    return SV_OK;
}

static sv_status run_case(const char *folder, char *why, size_t size, int *result)
{
    sv_arena arena;
    sv_blob *blob;
    sv_module *module;
    sv_arena_init(&arena, NULL);
    SV_TRY(
        sv_blob_read_file(sv_arena_printf(&arena, "%s/model.onnx", folder), SIZE_MAX, NULL, &blob));
    SV_TRY(sv_onnx_read(blob, folder, NULL, NULL, &module));
    SV_TRY(sv_lower_functions(module));
    SV_TRY(sv_lower_versions(module));
    sv_graph *graph = module->entry[0].graph;
    const sv_tensor **value = sv_arena_array(&arena, graph->n_value + 1u, sizeof(*value));
    for (uint32_t v = 0; v < graph->n_value; v++) {
        if (graph->value[v].type.kind != SV_KIND_TENSOR) *result = SKIP;
        if (graph->value[v].constant == SV_NO_INDEX) continue;
        value[v] = &module->constant[graph->value[v].constant].source;
    }
    if (*result == SKIP) return SV_OK;
    for (uint32_t i = 0; i < graph->n_in; i++) {
        sv_tensor *tensor = sv_arena_alloc_zero(&arena, sizeof(*tensor));
        const char *path = sv_arena_printf(&arena, "%s/test_data_set_0/input_%u.pb", folder, i);
        SV_TRY(read_tensor(path, &arena, tensor));
        value[graph->in[i]] = tensor;
    }
    bool skip = false;
    SV_TRY(evaluate(graph, value, &arena, &skip));
    if (skip) *result = SKIP;
    for (uint32_t i = 0; i < graph->n_out && *result == PASS; i++) {
        sv_tensor want;
        const char *path = sv_arena_printf(&arena, "%s/test_data_set_0/output_%u.pb", folder, i);
        SV_TRY(read_tensor(path, &arena, &want));
        if (!value[graph->out[i]]) {
            snprintf(why, size, "output %u was not computed", i);
            *result = FAIL;
            return SV_OK;
        }
        *result = compare(value[graph->out[i]], &want, i, why, size);
    }
    return SV_OK;
}

static int run_in_child(const char *folder, const char *name)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char why[2048] = "";
        int result = PASS;
        alarm(60);
        sv_status status = run_case(folder, why, sizeof(why), &result);
        if (status) {
            result = FAIL;
            snprintf(why, sizeof(why), "%s", sv_status_message(status));
        }
        if (result == FAIL) printf("FAIL %s: %s\n", name, why);
        if (result == SKIP) printf("SKIP %s\n", name);
        fflush(stdout);
        _exit(result);
    }
    int state = 0;
    if (child < 0 || waitpid(child, &state, 0) != child) return FAIL;
    if (WIFEXITED(state)) return WEXITSTATUS(state);
    printf("FAIL %s: signal %d\n", name, WTERMSIG(state));
    return FAIL;
}

static bool wanted(const char *name, int n, char **texts)
{
    for (int i = 0; i < n; i++) {
        if (strstr(name, texts[i])) return true;
    }
    return n == 0 && name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    uint32_t count[3] = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: node_eval FOLDER [TEXT]...\n");
        return 2;
    }
    int n = scandir(argv[1], &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char folder[PATH_SIZE];
        snprintf(folder, sizeof(folder), "%s/%s", argv[1], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && wanted(entries[i]->d_name, argc - 2, argv + 2)) {
            int result = run_in_child(folder, entries[i]->d_name);
            count[result >= 0 && result <= 2 ? result : FAIL]++;
        }
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    printf("%u passed, %u failed, %u skipped\n", count[PASS], count[FAIL], count[SKIP]);
    return count[FAIL] ? 1 : 0;
}
