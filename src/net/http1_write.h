/* Writing HTTP/1.1 answers. Private to this folder. */
#ifndef SV_NET_HTTP1_WRITE_H
#define SV_NET_HTTP1_WRITE_H

#include "net/conn.h"

/* Queues the answer of `x` (its code, added headers and `body`, whose contents are taken) on `c`;
 * returns its size on the wire. `coding` is the body's Content-Encoding or NULL. Out of memory
 * kills the connection. */
uint64_t sv_http1_write(sv_conn *c, sv_exchange *x, bool keep, const char *content_type,
                        sv_text *body, const char *coding);

#endif
