/* HTTP's status codes: their names, and what each sv_code becomes. */
#ifndef SV_NET_HTTP_STATUS_H
#define SV_NET_HTTP_STATUS_H

#include <serval/types.h>

/* The HTTP code of a status code: INVALID_ARGUMENT 400, UNAUTHENTICATED 401, PERMISSION_DENIED 403,
 * NOT_FOUND 404, ALREADY_EXISTS and ABORTED 409, RESOURCE_EXHAUSTED 429, CANCELLED 499,
 * UNIMPLEMENTED 501, UNAVAILABLE 503, DEADLINE_EXCEEDED 504, the rest 500 or 400. */
int sv_http_from_code(sv_code code);
/* "Not Found"; "Unknown" for a code that is not in the table. Static. */
const char *sv_http_reason(int http);

#endif
