/* The table of element types. Conversion of values is in small_float.c and scalar.c. */
#include "tensor/dtype.h"

#include <serval/types.h>
#include <string.h>

static const sv_dtype_info rows[SV_DTYPE_COUNT] = {
    [SV_DTYPE_NONE] = {"none", "UNDEFINED", NULL, 0, 0, SV_CLASS_NONE},
    [SV_F32] = {"float32", "FLOAT", "FP32", 4, 32, SV_CLASS_FLOAT},
    [SV_U8] = {"uint8", "UINT8", "UINT8", 1, 8, SV_CLASS_UINT},
    [SV_I8] = {"int8", "INT8", "INT8", 1, 8, SV_CLASS_INT},
    [SV_U16] = {"uint16", "UINT16", "UINT16", 2, 16, SV_CLASS_UINT},
    [SV_I16] = {"int16", "INT16", "INT16", 2, 16, SV_CLASS_INT},
    [SV_I32] = {"int32", "INT32", "INT32", 4, 32, SV_CLASS_INT},
    [SV_I64] = {"int64", "INT64", "INT64", 8, 64, SV_CLASS_INT},
    [SV_STRING] = {"string", "STRING", "BYTES", sizeof(sv_string), 0, SV_CLASS_STRING},
    [SV_BOOL] = {"bool", "BOOL", "BOOL", 1, 8, SV_CLASS_BOOL},
    [SV_F16] = {"float16", "FLOAT16", "FP16", 2, 16, SV_CLASS_FLOAT},
    [SV_F64] = {"float64", "DOUBLE", "FP64", 8, 64, SV_CLASS_FLOAT},
    [SV_U32] = {"uint32", "UINT32", "UINT32", 4, 32, SV_CLASS_UINT},
    [SV_U64] = {"uint64", "UINT64", "UINT64", 8, 64, SV_CLASS_UINT},
    [SV_C64] = {"complex64", "COMPLEX64", NULL, 8, 64, SV_CLASS_COMPLEX},
    [SV_C128] = {"complex128", "COMPLEX128", NULL, 16, 128, SV_CLASS_COMPLEX},
    [SV_BF16] = {"bfloat16", "BFLOAT16", "BF16", 2, 16, SV_CLASS_FLOAT},
    [SV_F8E4M3FN] = {"float8_e4m3fn", "FLOAT8E4M3FN", NULL, 1, 8, SV_CLASS_FLOAT},
    [SV_F8E4M3FNUZ] = {"float8_e4m3fnuz", "FLOAT8E4M3FNUZ", NULL, 1, 8, SV_CLASS_FLOAT},
    [SV_F8E5M2] = {"float8_e5m2", "FLOAT8E5M2", NULL, 1, 8, SV_CLASS_FLOAT},
    [SV_F8E5M2FNUZ] = {"float8_e5m2fnuz", "FLOAT8E5M2FNUZ", NULL, 1, 8, SV_CLASS_FLOAT},
    [SV_U4] = {"uint4", "UINT4", NULL, 1, 4, SV_CLASS_UINT},
    [SV_I4] = {"int4", "INT4", NULL, 1, 4, SV_CLASS_INT},
    [SV_F4E2M1] = {"float4_e2m1fn", "FLOAT4E2M1", NULL, 1, 4, SV_CLASS_FLOAT},
    [SV_F8E8M0] = {"float8_e8m0fnu", "FLOAT8E8M0", NULL, 1, 8, SV_CLASS_FLOAT},
    [SV_U2] = {"uint2", "UINT2", NULL, 1, 2, SV_CLASS_UINT},
    [SV_I2] = {"int2", "INT2", NULL, 1, 2, SV_CLASS_INT},
};

const sv_dtype_info *sv_dtype_get(sv_dtype dtype)
{
    return &rows[(unsigned)dtype < SV_DTYPE_COUNT ? dtype : SV_DTYPE_NONE];
}

sv_dtype sv_dtype_find(const char *name)
{
    for (int i = SV_DTYPE_NONE + 1; i < SV_DTYPE_COUNT; i++) {
        const sv_dtype_info *row = &rows[i];
        if (strcmp(name, row->name) == 0 || strcmp(name, row->onnx_name) == 0 ||
            (row->oip_name && strcmp(name, row->oip_name) == 0))
            return (sv_dtype)i;
    }
    return SV_DTYPE_NONE;
}

size_t sv_dtype_size(sv_dtype dtype)
{
    return sv_dtype_get(dtype)->size;
}

const char *sv_dtype_name(sv_dtype dtype)
{
    return sv_dtype_get(dtype)->name;
}
