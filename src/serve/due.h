/* What falls due: an intrusive list by time. Most things wait equally long, so most are put at the
 * end. For the core's own files; a list is touched by one loop's thread only. */
#ifndef SV_SERVE_DUE_H
#define SV_SERVE_DUE_H

#include <stdint.h>

typedef struct sv_due {
    uint64_t at; /* monotonic nanoseconds; 0: in no list */
    struct sv_due *sooner, *later;
} sv_due;

typedef struct sv_due_list {
    sv_due *first, *last;
} sv_due_list;

/* Behind all that are due at the same time. `due` is in no list, `at` not 0. */
void sv_due_insert(sv_due_list *list, sv_due *due, uint64_t at);
/* Idempotent. */
void sv_due_remove(sv_due_list *list, sv_due *due);

#endif
