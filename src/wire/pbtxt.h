/* Protocol Buffers' text format (https://protobuf.dev/reference/protobuf/textformat-spec/), read by
 * pulling: fields in their order, their values one by one. What a field means is its readers'
 * matter.
 *
 * The depth is limited (32); nothing else can grow beyond the text. Extension names in brackets are
 * given as they stand. Errors say line and column, which start at 1. Externally synchronised. By
 * hand, because no small library in C reads it. */
#ifndef SV_WIRE_PBTXT_H
#define SV_WIRE_PBTXT_H

#include "base/arena.h"

#define SV_PBTXT_MAX_DEPTH 32

typedef struct sv_pbtxt {
    const char *start, *at, *end;
    const char *origin; /* for messages; borrowed. NULL: they have no places, which say nothing
                           about a text that was made from another */
    sv_arena *arena;    /* where strings go */
    const char *token;  /* where the newest name or value stands, for errors */
    uint32_t depth;
    uint64_t angled; /* bit i: the message at depth i + 1 was opened by '<' */
} sv_pbtxt;

typedef enum sv_pbtxt_kind {
    SV_PBTXT_MESSAGE,
    SV_PBTXT_STRING,
    SV_PBTXT_NUMBER,
    SV_PBTXT_WORD, /* true, false, inf, nan, or the name of an enum's value */
    SV_PBTXT_OTHER,
} sv_pbtxt_kind;

/* `data` and `origin` (NULL: see above) are borrowed. */
void sv_pbtxt_init(sv_pbtxt *text, const void *data, size_t size, const char *origin,
                   sv_arena *arena);

/* INVALID_ARGUMENT "<origin>:<line>:<column>: <message>", where the newest token stands. */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_pbtxt_error(const sv_pbtxt *text, const char *format,
                                                       ...) SV_PRINTF(2, 3);
/* The line of the newest token. */
uint32_t sv_pbtxt_line(const sv_pbtxt *text);

/* The name of the next field of the innermost message, borrowed from the text; no *more at its end,
 * which is stepped over. All values of a field must have been read before. */
SV_MUST_USE sv_status sv_pbtxt_next(sv_pbtxt *text, sv_string *name, bool *more);

/* The values of a field: one, or those of a list in brackets. Zero-initialise for each field, then
 * read a value while next says *more. */
typedef struct sv_pbtxt_values {
    bool begun, list, first;
} sv_pbtxt_values;
SV_MUST_USE sv_status sv_pbtxt_value(sv_pbtxt *text, sv_pbtxt_values *values, bool *more);

/* What the value that comes next is, told by its first byte. */
sv_pbtxt_kind sv_pbtxt_peek(const sv_pbtxt *text);

/* Enters a message, whose fields sv_pbtxt_next gives. */
SV_MUST_USE sv_status sv_pbtxt_message(sv_pbtxt *text);
/* Strings are joined where several follow each other, unescaped, valid UTF-8 without NUL, in the
 * arena and NUL-terminated there. */
SV_MUST_USE sv_status sv_pbtxt_string(sv_pbtxt *text, sv_string *out);
/* Decimal, octal or hexadecimal. */
SV_MUST_USE sv_status sv_pbtxt_i64(sv_pbtxt *text, int64_t *out);
SV_MUST_USE sv_status sv_pbtxt_bool(sv_pbtxt *text, bool *out);
/* A word, borrowed from the text. */
SV_MUST_USE sv_status sv_pbtxt_word(sv_pbtxt *text, sv_string *out);
/* Steps over a value of any kind, checking its syntax. */
SV_MUST_USE sv_status sv_pbtxt_skip(sv_pbtxt *text);

#endif
