/* Serval: the ground that every part stands on: status codes, statuses, dtypes, allocators.
 *
 * Compiles alone as C11 and C++17. Nothing here needs a runtime; what does is in serval.h. */
#ifndef SERVAL_TYPES_H
#define SERVAL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SV_API __attribute__((visibility("default")))
#define SV_MUST_USE __attribute__((warn_unused_result))
#define SV_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define SV_NONNULL_RESULT __attribute__((returns_nonnull))
#else
#define SV_API
#define SV_MUST_USE
#define SV_PRINTF(format_at, first_at)
#define SV_NONNULL_RESULT
#endif

/* Status codes: the numbers and meanings of gRPC
 * (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), so that a status crosses the wire
 * unchanged. */
typedef enum sv_code {
    SV_CODE_OK = 0,
    SV_CODE_CANCELLED = 1,
    SV_CODE_UNKNOWN = 2,
    SV_CODE_INVALID_ARGUMENT = 3,
    SV_CODE_DEADLINE_EXCEEDED = 4,
    SV_CODE_NOT_FOUND = 5,
    SV_CODE_ALREADY_EXISTS = 6,
    SV_CODE_PERMISSION_DENIED = 7,
    SV_CODE_RESOURCE_EXHAUSTED = 8,
    SV_CODE_FAILED_PRECONDITION = 9,
    SV_CODE_ABORTED = 10,
    SV_CODE_OUT_OF_RANGE = 11,
    SV_CODE_UNIMPLEMENTED = 12,
    SV_CODE_INTERNAL = 13,
    SV_CODE_UNAVAILABLE = 14,
    SV_CODE_DATA_LOSS = 15,
    SV_CODE_UNAUTHENTICATED = 16,
} sv_code;

/* The result of a fallible call. NULL is success; anything else is an error that the receiver owns
 * and gives back with sv_status_free, or passes on. Immutable once it has left its maker. */
typedef struct sv_status_record *sv_status;

#define SV_OK ((sv_status)0)

/* Makes an error. The message names the thing, what was expected and what was found; it is cut at
 * 4 KiB. Returns owned, never NULL (a static record stands in when memory is out). */
SV_API SV_MUST_USE SV_NONNULL_RESULT sv_status sv_error(sv_code code, const char *format, ...)
    SV_PRINTF(2, 3);

/* Puts "<context>: " before an error's message. Takes `status`; passes success through. */
SV_API SV_MUST_USE sv_status sv_status_annotate(sv_status status, const char *format, ...)
    SV_PRINTF(2, 3);

SV_API sv_code sv_status_code(sv_status status);
/* The message, "" for success. Valid until the status is freed. */
SV_API const char *sv_status_message(sv_status status);
/* Takes `status`; NULL is allowed. */
SV_API void sv_status_free(sv_status status);
/* "INVALID_ARGUMENT" and so on; static. */
SV_API const char *sv_code_name(sv_code code);

/* Element types: the numbers of ONNX's TensorProto.DataType.
 * In memory every element has a whole number of bytes: the types of 4 and 2 bits take one byte an
 * element (packing is the codecs' work), a string is an sv_string. */
typedef enum sv_dtype {
    SV_DTYPE_NONE = 0,
    SV_F32 = 1,
    SV_U8 = 2,
    SV_I8 = 3,
    SV_U16 = 4,
    SV_I16 = 5,
    SV_I32 = 6,
    SV_I64 = 7,
    SV_STRING = 8,
    SV_BOOL = 9,
    SV_F16 = 10,
    SV_F64 = 11,
    SV_U32 = 12,
    SV_U64 = 13,
    SV_C64 = 14,
    SV_C128 = 15,
    SV_BF16 = 16,
    SV_F8E4M3FN = 17,
    SV_F8E4M3FNUZ = 18,
    SV_F8E5M2 = 19,
    SV_F8E5M2FNUZ = 20,
    SV_U4 = 21,
    SV_I4 = 22,
    SV_F4E2M1 = 23,
    SV_F8E8M0 = 24,
    SV_U2 = 25,
    SV_I2 = 26,
    SV_DTYPE_COUNT = 27
} sv_dtype;

/* Bytes of one element in memory; 16 for strings. 0 for SV_DTYPE_NONE and numbers out of range. */
SV_API size_t sv_dtype_size(sv_dtype dtype);
/* "float32", "int64" ... as numpy writes them; "none". */
SV_API const char *sv_dtype_name(sv_dtype dtype);

/* Tensors have at most this many dimensions. ONNX sets no bound; 8 covers what exporters write
 * (window attention and space-to-depth chains reach 6), and keeps shapes in fixed structures. */
#define SV_MAX_RANK 8

/* An element of a string tensor: bytes (UTF-8 by ONNX's rule, not checked), not NUL-terminated. */
typedef struct sv_string {
    const char *data;
    size_t size;
} sv_string;

/* What a value of a model is. */
typedef enum sv_kind {
    SV_KIND_TENSOR = 0,
    SV_KIND_SEQUENCE = 1,
    SV_KIND_OPTIONAL = 2,
    SV_KIND_MAP = 3,
} sv_kind;

/* A value of any kind: a tensor, or a tree of them. */
typedef struct sv_datum sv_datum;

/* Where memory comes from. `resize` behaves as realloc for (pointer, old size, new size), new size
 * 0 frees and returns NULL; the result is aligned to 16 bytes. Must be thread-safe if the object it
 * is given to is. A NULL sv_allocator pointer means malloc. */
typedef struct sv_allocator {
    void *(*resize)(void *self, void *pointer, size_t old_size, size_t new_size);
    void *self;
} sv_allocator;

#ifdef __cplusplus
}
#endif

#endif
