/* The element types that NumPy and we both know; shared by the reader and the writer of .npy. */
#ifndef SV_CODEC_NPY_TYPES_H
#define SV_CODEC_NPY_TYPES_H

#include "tensor/dtype.h"

/* The type of "<kind><bytes>"; SV_DTYPE_NONE when there is none. */
sv_dtype sv_npy_find(char kind, size_t bytes);
/* The letter of NumPy's kind; 0 for types that it does not know, strings among them. */
char sv_npy_kind(sv_dtype dtype);

#endif
