/* ONNX models (onnx.proto of ONNX 1.22, IR versions 1 to 13) to modules. */
#ifndef SV_FORMATS_ONNX_ONNX_H
#define SV_FORMATS_ONNX_ONNX_H

#include "base/reader.h"
#include "ir/module.h"

/* Reads the ModelProto that fills `blob` into a normalised, verified module whose nodes are in the
 * versions of the file (src/lower brings them up). The module keeps a reference to the blob:
 * weights stay there where they are aligned. Larger ones that are not are copied, and their bytes
 * in the blob given back (sv_blob_discard): a blob can be read once. Tensors in side files are
 * read, never mapped, from beneath `folder` only; NULL refuses them. Unknown operators are kept by
 * name (SV_OP_UNKNOWN).
 *
 * Initialisers that are inputs as well are defaults that a caller may override from IR version 4
 * on, and plain constants before, when all initialisers had to be inputs. Names in nested graphs
 * shadow those around them; sparse initialisers become dense, within the budget.
 *
 * `budget` NULL: unlimited. Errors name the file, the byte offset, and the node or tensor. Returns
 * owned. Thread-safe. */
SV_MUST_USE sv_status sv_onnx_read(sv_blob *blob, const char *folder, const sv_allocator *allocator,
                                   sv_budget *budget, sv_module **out);

#endif
