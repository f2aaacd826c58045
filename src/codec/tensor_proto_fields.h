/* Field numbers of ONNX's TensorProto, SequenceProto, MapProto and OptionalProto (onnx.proto), for
 * their readers and writers here and for the model reader. */
#ifndef SV_CODEC_TENSOR_PROTO_FIELDS_H
#define SV_CODEC_TENSOR_PROTO_FIELDS_H

enum {
    SV_TENSOR_DIMS = 1,
    SV_TENSOR_DATA_TYPE = 2,
    SV_TENSOR_SEGMENT = 3,
    SV_TENSOR_FLOAT_DATA = 4,
    SV_TENSOR_INT32_DATA = 5,
    SV_TENSOR_STRING_DATA = 6,
    SV_TENSOR_INT64_DATA = 7,
    SV_TENSOR_NAME = 8,
    SV_TENSOR_RAW_DATA = 9,
    SV_TENSOR_DOUBLE_DATA = 10,
    SV_TENSOR_UINT64_DATA = 11,
    SV_TENSOR_EXTERNAL_DATA = 13,
    SV_TENSOR_DATA_LOCATION = 14,

    SV_STRING_ENTRY_KEY = 1,
    SV_STRING_ENTRY_VALUE = 2,

    /* SequenceProto and OptionalProto number their contents alike, and name their kinds alike. */
    SV_DATUM_NAME = 1,
    SV_DATUM_ELEMENT_TYPE = 2,
    SV_DATUM_TENSOR = 3,
    SV_DATUM_SPARSE_TENSOR = 4,
    SV_DATUM_SEQUENCE = 5,
    SV_DATUM_MAP = 6,
    SV_DATUM_OPTIONAL = 7,

    SV_MAP_NAME = 1,
    SV_MAP_KEY_TYPE = 2,
    SV_MAP_KEYS = 3,
    SV_MAP_STRING_KEYS = 4,
    SV_MAP_VALUES = 5,
};

/* TensorProto.DataLocation */
enum { SV_LOCATION_DEFAULT = 0, SV_LOCATION_EXTERNAL = 1 };

/* SequenceProto.DataType and OptionalProto.DataType */
enum {
    SV_ELEMENT_UNDEFINED = 0,
    SV_ELEMENT_TENSOR = 1,
    SV_ELEMENT_SPARSE_TENSOR = 2,
    SV_ELEMENT_SEQUENCE = 3,
    SV_ELEMENT_MAP = 4,
    SV_ELEMENT_OPTIONAL = 5,
};

#endif
