/* What a request is called: its id and its trace, the client's or made here.
 *
 * They are made where somebody will see them, and nowhere else: in the access log, in answers that
 * are errors, and for clients that ask by an empty header. */
#ifndef SV_SERVE_IDENTITY_H
#define SV_SERVE_IDENTITY_H

#include "observe/access_log.h"
#include "serve/call.h"
#include "serve/lane.h"

/* Whether a head has any of the headers that sv_identity_take reads. */
bool sv_identity_is_said(const sv_exchange *x);
/* Reads them, and puts those that the answer is to carry into it. */
void sv_identity_take(sv_call *call);

/* Before an error is sent, with a call or before there is one: the answer has both. */
void sv_identity_name_failure(sv_exchange *x);

/* What is made for one line of the log. */
typedef struct sv_identity {
    char id[33]; /* hexadecimal */
    sv_trace trace;
} sv_identity;

/* Fills in a line's id and trace; `room` holds what is made for it, and must last as long. `call`
 * may be NULL. */
void sv_identity_log(sv_lane *lane, const sv_exchange *x, const sv_call *call, sv_identity *room,
                     sv_access_entry *entry);
/* The same for a record of the trace log; the access log has them, too. */
void sv_identity_log_times(const sv_call *call, sv_access_times *times);

#endif
