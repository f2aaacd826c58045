/* JSON (RFC 8259), read by pulling: the caller says what it expects next and gets it, or an error
 * with the byte where it stands. There is no tree, so that numbers go straight into tensors.
 *
 * Strict, with one option: the tokens NaN, Infinity and -Infinity. Text must be UTF-8. The depth is
 * limited by the budget (64 without one); nothing else can grow beyond the text. An sv_json is a
 * value: a copy remembers a place to read from again. Externally synchronised. Writing is done with
 * sv_text. Written by hand because generic readers build trees, and numbers are what we read. */
#ifndef SV_WIRE_JSON_H
#define SV_WIRE_JSON_H

#include "base/arena.h"
#include "base/reader.h"

typedef struct sv_json {
    sv_reader reader;
    sv_arena *arena;       /* where strings with escapes go */
    uint32_t depth;        /* levels still to be entered */
    bool first;            /* no element of the innermost array or object has been seen */
    bool allow_non_finite; /* set after sv_json_init; false */
} sv_json;

typedef enum sv_json_kind {
    SV_JSON_END, /* of the text */
    SV_JSON_OBJECT,
    SV_JSON_ARRAY,
    SV_JSON_STRING,
    SV_JSON_NUMBER, /* NaN and the like too, where they are allowed */
    SV_JSON_BOOL,
    SV_JSON_NULL,
    SV_JSON_CLOSE, /* ']' or '}' */
    SV_JSON_OTHER, /* no JSON */
} sv_json_kind;

/* `data` and `origin` (a name for messages) are borrowed. `arena` may be NULL where strings with
 * escapes are not expected. */
void sv_json_init(sv_json *json, const void *data, size_t size, const char *origin, sv_arena *arena,
                  sv_budget *budget);

/* What comes next, told by its first byte; white space is stepped over. */
sv_json_kind sv_json_peek(sv_json *json);
/* "an array", "a string" ... */
const char *sv_json_kind_name(sv_json_kind kind);
/* INVALID_ARGUMENT "<origin>: at byte <offset>: <message>", where the reader stands. */
SV_MUST_USE SV_NONNULL_RESULT sv_status sv_json_error(const sv_json *json, const char *format, ...)
    SV_PRINTF(2, 3);

/* Arrays:  begin, then while next says *more read one value. */
SV_MUST_USE sv_status sv_json_array_begin(sv_json *json);
SV_MUST_USE sv_status sv_json_array_next(sv_json *json, bool *more);

/* Objects: begin, then while next says *more read the value of *key (as sv_json_string gives it).
 */
SV_MUST_USE sv_status sv_json_object_begin(sv_json *json);
SV_MUST_USE sv_status sv_json_object_next(sv_json *json, sv_string *key, bool *more);

/* Objects with known keys: the same, but says which of `names` the key is (`count` when none of
 * them), and refuses one that comes twice. */
typedef struct sv_json_fields {
    const char *const *names;
    size_t count;  /* at most 64 */
    uint64_t seen; /* bit i: names[i] has come; starts at 0 */
} sv_json_fields;
SV_MUST_USE sv_status sv_json_field_next(sv_json *json, sv_json_fields *fields, sv_string *key,
                                         size_t *index, bool *more);

/* What is known of an object's keys: how the value of one is read into what the caller gives. */
typedef struct sv_json_member {
    const char *name;
    sv_status (*read)(sv_json *json, void *into);
} sv_json_member;
#define SV_JSON_MEMBERS 16
/* Reads an object with at most SV_JSON_MEMBERS known keys, each at most once. `others` says what
 * was expected where a key is another one; NULL: such are stepped over. *seen (may be NULL): bit i
 * for members[i]. */
SV_MUST_USE sv_status sv_json_members(sv_json *json, const sv_json_member *members, size_t count,
                                      const char *others, void *into, uint64_t *seen);

/* Values. Strings are borrowed from the text where they have no escapes, else lie in the arena.
 * Numbers are rounded correctly; what the type cannot hold is an error, fractions for integers too.
 */
SV_MUST_USE sv_status sv_json_string(sv_json *json, sv_string *out);
SV_MUST_USE sv_status sv_json_bool(sv_json *json, bool *out);
SV_MUST_USE sv_status sv_json_null(sv_json *json);
SV_MUST_USE sv_status sv_json_f32(sv_json *json, float *out);
SV_MUST_USE sv_status sv_json_f64(sv_json *json, double *out);
SV_MUST_USE sv_status sv_json_i64(sv_json *json, int64_t *out);
SV_MUST_USE sv_status sv_json_u64(sv_json *json, uint64_t *out);

/* Numbers of the array that was begun: as many as come and `room` holds. *ended: the array is over
 * (its ']' is consumed); otherwise more may come. Anything but a number is an error. */
SV_MUST_USE sv_status sv_json_f32_run(sv_json *json, float *out, size_t room, size_t *count,
                                      bool *ended);
SV_MUST_USE sv_status sv_json_f64_run(sv_json *json, double *out, size_t room, size_t *count,
                                      bool *ended);
SV_MUST_USE sv_status sv_json_i64_run(sv_json *json, int64_t *out, size_t room, size_t *count,
                                      bool *ended);
SV_MUST_USE sv_status sv_json_u64_run(sv_json *json, uint64_t *out, size_t room, size_t *count,
                                      bool *ended);

/* Whether the number that comes next has neither fraction nor exponent. */
bool sv_json_is_integer(const sv_json *json);
/* Steps over one value of any kind, checking its syntax. */
SV_MUST_USE sv_status sv_json_skip(sv_json *json);
/* Nothing but white space is left. */
SV_MUST_USE sv_status sv_json_end(sv_json *json);

#endif
