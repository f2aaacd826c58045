/* Status records: made with malloc, or taken from a small static pool when memory is out, so that
 * running out of memory can always be reported. */
#define _GNU_SOURCE /* strerror_r that returns the text */
#include "base/status.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_LIMIT = 4096, POOL_RECORDS = 32, POOL_MESSAGE = 232 };

typedef enum { HOME_HEAP, HOME_POOL, HOME_STATIC } record_home;

struct sv_status_record {
    sv_code code;
    record_home home;
    const char *message;
};

/* The records that stand in for the heap. `used` is claimed by exchange and released by free. */
typedef struct {
    atomic_bool used;
    struct sv_status_record record;
    char message[POOL_MESSAGE];
} pool_slot;

static pool_slot pool[POOL_RECORDS];

/* The last resort: shared by all who find the pool empty, never freed. */
static const struct sv_status_record exhausted = {
    SV_CODE_RESOURCE_EXHAUSTED,
    HOME_STATIC,
    "out of memory",
};

static sv_status pool_take(sv_code code, const char *message, size_t size)
{
    for (int i = 0; i < POOL_RECORDS; i++) {
        if (atomic_exchange_explicit(&pool[i].used, true, memory_order_acquire)) continue;
        if (size > POOL_MESSAGE - 1) size = POOL_MESSAGE - 1;
        memcpy(pool[i].message, message, size);
        pool[i].message[size] = '\0';
        pool[i].record = (struct sv_status_record){code, HOME_POOL, pool[i].message};
        return &pool[i].record;
    }
    return (sv_status)(uintptr_t)&exhausted;
}

/* The largest size <= `size` that does not end inside a UTF-8 sequence: a cut message stays text.
 */
static size_t whole_characters(const char *text, size_t size)
{
    size_t at = size;
    while (at > 0 && size - at < 3 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    if (at == 0) return size;
    unsigned char lead = (unsigned char)text[at - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return need > size - at + 1 ? at - 1 : size;
}

static size_t cut_size(const char *buffer, int printed, size_t capacity)
{
    if (printed < 0) return 0;
    if ((size_t)printed < capacity) return (size_t)printed;
    return whole_characters(buffer, capacity - 1);
}

static sv_status record_create(sv_code code, const char *message, size_t size)
{
    sv_status status = malloc(sizeof *status + size + 1);
    if (!status) return pool_take(code, message, size);
    char *copy = (char *)(status + 1);
    memcpy(copy, message, size);
    copy[size] = '\0';
    *status = (struct sv_status_record){code, HOME_HEAP, copy};
    return status;
}

sv_status sv_error(sv_code code, const char *format, ...)
{
    char buffer[MESSAGE_LIMIT];
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    return record_create(code, buffer, cut_size(buffer, printed, sizeof buffer));
}

sv_status sv_error_memory(const char *what, size_t size)
{
    char buffer[POOL_MESSAGE];
    int printed = snprintf(buffer, sizeof buffer, "%s: cannot allocate %zu bytes", what, size);
    return pool_take(SV_CODE_RESOURCE_EXHAUSTED, buffer, cut_size(buffer, printed, sizeof buffer));
}

sv_status sv_status_annotate(sv_status status, const char *format, ...)
{
    if (!status) return SV_OK;
    char buffer[MESSAGE_LIMIT];
    va_list arguments;
    va_start(arguments, format);
    int printed = vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    size_t size = cut_size(buffer, printed, sizeof buffer);
    int more = snprintf(buffer + size, sizeof buffer - size, ": %s", status->message);
    size += cut_size(buffer + size, more, sizeof buffer - size);
    sv_status annotated = record_create(status->code, buffer, size);
    sv_status_free(status);
    return annotated;
}

sv_code sv_status_code(sv_status status)
{
    return status ? status->code : SV_CODE_OK;
}

const char *sv_status_message(sv_status status)
{
    return status ? status->message : "";
}

void sv_status_free(sv_status status)
{
    if (!status || status->home == HOME_STATIC) return;
    if (status->home == HOME_HEAP) {
        free(status);
        return;
    }
    pool_slot *slot = (pool_slot *)(void *)((char *)status - offsetof(pool_slot, record));
    atomic_store_explicit(&slot->used, false, memory_order_release);
}

const char *sv_errno_text(int error, char buffer[SV_ERRNO_TEXT])
{
    return strerror_r(error, buffer, SV_ERRNO_TEXT);
}

const char *sv_code_name(sv_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "UNKNOWN";
}
