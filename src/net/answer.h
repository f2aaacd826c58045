/* Answers of any protocol: the one answer of an exchange, error bodies, compression. The protocol's
 * `send` puts it on the wire. Private to this folder. */
#ifndef SV_NET_ANSWER_H
#define SV_NET_ANSWER_H

#include "net/hub.h"

/* reply and fail for all protocols that answer with an HTTP status, headers and a body. */
extern const sv_xops sv_answer_ops;

/* The socket layer itself answers with an error, takes `status`, and tells the handler that the
 * exchange is gone. Nothing happens (but to `status`) if it has been answered. */
void sv_answer_refuse(sv_exchange *x, int http, sv_status status);
/* The peer is gone: nobody will take an answer. Tells the handler if it has not answered. */
void sv_answer_lose(sv_exchange *x);

#endif
