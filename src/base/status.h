/* Helpers for code that passes sv_status along. The type itself is declared in <serval/types.h>. */
#ifndef SV_BASE_STATUS_H
#define SV_BASE_STATUS_H

#include <serval/types.h>

#define SV_ERRNO_TEXT 128

/* Leaves the function with the error of `expression`, if it has one. */
#define SV_TRY(expression)                                                                         \
    do {                                                                                           \
        sv_status sv_try_status = (expression);                                                    \
        if (__builtin_expect(sv_try_status != SV_OK, 0)) return sv_try_status;                     \
    } while (0)

/* The same for functions with clean-up: stores into `status` and goes to `out`. */
#define SV_TRY_OUT(expression)                                                                     \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (__builtin_expect(status != SV_OK, 0)) goto out;                                        \
    } while (0)

/* RESOURCE_EXHAUSTED, "<what>: cannot allocate <size> bytes". Never allocates. */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_error_memory(const char *what, size_t size);

/* The text of an errno value; `buffer` is used when it needs one. */
const char *sv_errno_text(int error, char buffer[SV_ERRNO_TEXT]);

/* INVALID_ARGUMENT and UNIMPLEMENTED are by far the commonest: shorter to write. */
#define sv_error_invalid(...) sv_error(SV_CODE_INVALID_ARGUMENT, __VA_ARGS__)
#define sv_error_unsupported(...) sv_error(SV_CODE_UNIMPLEMENTED, __VA_ARGS__)
#define sv_error_internal(...) sv_error(SV_CODE_INTERNAL, __VA_ARGS__)

#endif
