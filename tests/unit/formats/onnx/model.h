/* Writing small ONNX models for the tests of the reader. */
#ifndef TESTS_UNIT_FORMATS_ONNX_MODEL_H
#define TESTS_UNIT_FORMATS_ONNX_MODEL_H

#include "codec/tensor_proto_fields.h"
#include "formats/onnx/fields.h"
#include "formats/onnx/onnx.h"
#include "support/check.h"
#include "wire/protobuf.h"

/* ---- parts, appended to `text` ------------------------------------------------------------- */

void put_opset(sv_text *text, const char *domain, int64_t version);
/* A tensor's ValueInfoProto as field `number`; dims below 0 are named "d<-dim>"; rank -1: no shape;
 * dtype 0: no type at all. */
void put_value(sv_text *text, uint32_t number, const char *name, int dtype, int rank,
               const int64_t *dims);
/* NodeProto as field `number`, names separated by blanks ("_" is an omitted one), without
 * attributes. */
void put_node(sv_text *text, uint32_t number, const char *op, const char *in, const char *out);
/* The same, left open for attributes: returns the mark for sv_pb_end. */
size_t begin_node(sv_text *text, uint32_t number, const char *op, const char *in, const char *out);
void put_int_attr(sv_text *text, const char *name, int64_t value);
void put_ints_attr(sv_text *text, const char *name, const int64_t *values, int count);
/* TensorProto as field `number`, with raw data. */
void put_tensor(sv_text *text, uint32_t number, const char *name, int dtype, int rank,
                const int64_t *dims, const void *data, size_t size);
void put_external(sv_text *text, uint32_t number, const char *name, int64_t floats,
                  const char *location, const char *offset, const char *length);
/* The head of a model of IR version 8 and opset 17; then its graph is begun. */
size_t begin_model(sv_text *text);
/* x[batch,2] -> MatMul w[2,3] -> Add b[3] -> y, Relu; with an If that captures x. */
void put_good_graph(sv_text *text);

/* ---- reading ------------------------------------------------------------------------------- */

/* Reads the bytes as "test.onnx" with the default budget (or `budget`). */
sv_status read_model(const sv_text *text, const char *folder, sv_budget *budget, sv_module **out);
sv_value *find_value(sv_graph *graph, const char *name);

#endif
