/* The table of kernels, and what is said of problems without running them. ctest: labels=cpu */
#include "support/check.h"

#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/kernel.h"
#include "problem_rig.h"

#include <stdio.h>

/* Names are unique, begin with the family, and find their row; every family with a format has a row
 * for it at the baseline. */
static void table(void **state)
{
    (void)state;
    size_t count;
    const sv_kernel *const *rows = sv_kernel_table(&count);
    bool read[SV_FORMAT_COUNT] = {false};
    for (size_t i = 0; i < count; i++) {
        const char *family = sv_family_name(rows[i]->family);
        assert_int_equal(strncmp(rows[i]->name, family, strlen(family)), 0);
        assert_ptr_equal(sv_kernel_find(rows[i]->name), rows[i]);
        assert_non_null(rows[i]->run);
        if (rows[i]->level == SV_CPU_BASELINE) read[rows[i]->b_format] = true;
    }
    for (int format = SV_FORMAT_RAW + 1; format < SV_FORMAT_COUNT; format++) {
        assert_non_null(sv_packer_get((sv_format)format));
        assert_true(read[format]);
    }
    assert_null(sv_kernel_find("gemm_of_nobody"));
    assert_null(sv_packer_get(SV_FORMAT_RAW));
}

/* What the baseline has, every level for which loops are compiled has too, but that of VNNI, which
 * changes nothing but products of integers. */
static void levels(void **state)
{
    (void)state;
    size_t count;
    const sv_kernel *const *rows = sv_kernel_table(&count);
    int highest = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i]->level != SV_CPU_AVX512_VNNI && (int)rows[i]->level > highest)
            highest = (int)rows[i]->level;
    for (size_t i = 0; i < count; i++) {
        const char *end = strstr(rows[i]->name, "_baseline");
        for (int level = 1; end && level <= highest; level++) {
            char name[96];
            snprintf(name, sizeof name, "%.*s_%s", (int)(end - rows[i]->name), rows[i]->name,
                     sv_cpu_level_name((sv_cpu_level)level));
            if (!sv_kernel_find(name)) fail_msg("%s is missing", name);
        }
    }
}

static void dense(void **state)
{
    (void)state;
    sv_desc desc = {.dtype = SV_F32, .rank = 3, .dim = {2, 1, 5}, .stride = {5, 77, 1}};
    assert_true(sv_desc_dense(&desc));
    assert_int_equal(sv_desc_count(&desc), 10);
    desc.stride[0] = 6;
    assert_false(sv_desc_dense(&desc));
    desc.dim[2] = 0;
    assert_int_equal(sv_desc_count(&desc), 0);
}

static void collapse(void **state)
{
    (void)state;
    int64_t dim[SV_MAX_RANK], stride[2][SV_MAX_RANK];
    sv_desc a = {.rank = 4, .dim = {2, 3, 1, 4}, .stride = {12, 4, 9, 1}};
    sv_desc b = {.rank = 4, .dim = {2, 3, 1, 4}, .stride = {12, 4, 0, 1}};
    const sv_desc *both[] = {&a, &b};
    assert_int_equal(sv_desc_collapse(both, 2, dim, stride), 1);
    assert_int_equal(dim[0], 24);
    assert_int_equal(stride[0][0], 1);

    b.stride[1] = 5; /* padded rows in one operand stop the merge of both */
    b.stride[0] = 15;
    assert_int_equal(sv_desc_collapse(both, 2, dim, stride), 2);
    assert_int_equal(dim[0], 6);
    assert_int_equal(dim[1], 4);
    assert_int_equal(stride[0][0], 4);
    assert_int_equal(stride[1][0], 5);

    b.stride[0] = b.stride[1] = 0; /* repeated rows merge with repeated rows */
    assert_int_equal(sv_desc_collapse(both, 2, dim, stride), 2);
    assert_int_equal(dim[0], 6);
    assert_int_equal(stride[1][0], 0);

    sv_desc scalar = {.rank = 0};
    const sv_desc *one[] = {&scalar};
    assert_int_equal(sv_desc_collapse(one, 1, dim, stride), 1);
    assert_int_equal(dim[0], 1);
}

/* The smallest step, then the smallest unit, stays. */
static void faults(void **state)
{
    (void)state;
    sv_fault fault = {.step = UINT32_MAX};
    sv_call call = {.fault = &fault, .step = 7};
    sv_call_fault(&call, 5, "index", 9, 0, 3);
    sv_call_fault(&call, 4, "index", 8, 0, 3);
    sv_call_fault(&call, 6, "index", 7, 0, 3);
    call.step = 8;
    sv_call_fault(&call, 0, "index", 6, 0, 3);
    assert_int_equal(fault.step, 7);
    assert_int_equal(fault.unit, 4);
    assert_int_equal(fault.found, 8);
    assert_string_equal(fault.what, "index");
}

static void flops(void **state)
{
    (void)state;
    sv_gemm_param gemm = {.alpha = 1};
    sv_conv_param conv = {.spatial = 1, .groups = 2, .kernel = {3}, .stride = {2}, .dilation = {1}};
    rig r;
    rig_init(&r, SV_FAMILY_gemm, &gemm, sizeof gemm, 1);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 4, 5}, RIG_DENSE);
    rig_add(&r, SV_F32, 3, (int64_t[]){1, 5, 6}, RIG_DENSE);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 4, 6}, RIG_DENSE);
    assert_true(sv_problem_flops(&r.problem) == 2.0 * 2 * 4 * 5 * 6);
    assert_true(sv_problem_default_cost(&r.problem) > 0);
    rig_release(&r);
    rig_init(&r, SV_FAMILY_conv, &conv, sizeof conv, 1);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 4, 9}, RIG_DENSE);
    rig_add(&r, SV_F32, 3, (int64_t[]){6, 2, 3}, RIG_DENSE);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 6, 4}, RIG_DENSE);
    assert_true(sv_problem_flops(&r.problem) == 2.0 * (2 * 6 * 4) * (2 * 3));
    rig_release(&r);
}

/* Constants are packed with a scale and a shift: as if they had been multiplied out before. */
static void pack_scaled(void **state)
{
    (void)state;
    static const float scale[] = {2, -3, 0.5f, 4, 5}, shift[] = {1, 0, -2, 3, 1};
    for (int32_t axis = 0; axis < 4; axis++) {
        sv_conv_param conv = {
            .spatial = 2, .groups = 1, .kernel = {2, 3}, .stride = {1, 1}, .dilation = {1, 1}};
        rig r, scaled;
        for (int i = 0; i < 2; i++) {
            rig *at = i ? &scaled : &r;
            rig_init(at, SV_FAMILY_conv, &conv, sizeof conv, 1);
            rig_add(at, SV_F32, 4, (int64_t[]){1, 4, 5, 5}, RIG_CHANNELS_LAST);
            rig_add(at, SV_F32, 4, (int64_t[]){5, 4, 2, 3}, RIG_DENSE);
            rig_add(at, SV_F32, 4, (int64_t[]){1, 5, 4, 3}, RIG_CHANNELS_LAST);
        }
        int64_t index[SV_MAX_RANK] = {0};
        do {
            float value = (float)rig_get(&r, 1, index);
            rig_set(&scaled, 1, index, value * scale[index[axis]] + shift[index[axis]]);
        } while (sv_index_next(4, r.desc[1].dim, index));
        const sv_packer *packer = sv_packer_get(SV_FORMAT_conv_panels);
        size_t bytes = packer->size(&r.problem, SV_CPU_BASELINE);
        void *want = malloc(bytes), *got = malloc(bytes);
        assert_true(want && got);
        sv_pack_source source = {.axis = axis};
        source.view = (sv_view){.data = scaled.ptr[1], .dtype = SV_F32, .rank = 4};
        memcpy(source.view.dim, r.desc[1].dim, sizeof source.view.dim);
        memcpy(source.view.stride, r.desc[1].stride, sizeof source.view.stride);
        packer->pack(&scaled.problem, SV_CPU_BASELINE, &source, want);
        source.view.data = r.ptr[1];
        source.scale = scale;
        source.shift = shift;
        packer->pack(&r.problem, SV_CPU_BASELINE, &source, got);
        assert_memory_equal(want, got, bytes);
        free(want);
        free(got);
        rig_release(&r);
        rig_release(&scaled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),       cmocka_unit_test(levels), cmocka_unit_test(dense),
        cmocka_unit_test(collapse),    cmocka_unit_test(faults), cmocka_unit_test(flops),
        cmocka_unit_test(pack_scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
