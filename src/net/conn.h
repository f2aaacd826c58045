/* A connection: one socket with its buffers, and the protocol that it turned out to speak. Private
 * to this folder; everything happens on its loop's thread. */
#ifndef SV_NET_CONN_H
#define SV_NET_CONN_H

#include "net/hub.h"
#include "net/output.h"
#include "net/tls.h"

#include <event2/event_struct.h>

/* A protocol: what becomes of the bytes of a connection. None of these frees the connection; any of
 * them may end it (sv_conn_kill), which callers see in c->dead. */
typedef struct sv_proto {
    const char *name;
    /* The connection speaks this from now on: makes c->session. False when memory is out. */
    bool (*open)(sv_conn *c);
    /* Reads from `data` and returns how many bytes are consumed; the rest is kept and comes again
     * in front of what follows, or after sv_conn_resume. */
    size_t (*feed)(sv_conn *c, uint8_t *data, size_t size);
    /* Memory that the next bytes of the socket may be read into directly; *room 0: none. `sunk`
     * says how many came. */
    void (*sink)(sv_conn *c, uint8_t **at, size_t *room);
    void (*sunk)(sv_conn *c, size_t size);
    /* The peer will send no more; comes after the last feed. */
    void (*ended)(sv_conn *c);
    /* Called before output is sent: the place for a protocol that makes its output only when there
     * is room for it. May be NULL. */
    void (*fill)(sv_conn *c);
    /* Output went to the kernel: c->sent has grown. */
    void (*sent)(sv_conn *c);
    /* SV_STAGE_HEAD has lasted too long. */
    void (*late)(sv_conn *c);
    /* The server drains: true when the connection has nothing more to do and may be closed. */
    bool (*quit)(sv_conn *c);
    /* Says goodbye to the peer: the connection has idled too long, or the server drains (then this
     * is called in place of `quit`, in any stage). May be NULL. */
    void (*leave)(sv_conn *c);
    /* The connection is dead: let go of c->session and its exchanges. */
    void (*closed)(sv_conn *c);
} sv_proto;

struct sv_conn {
    sv_hub *hub;
    const sv_proto *proto;
    void *session; /* the protocol's */
    struct event read_event, write_event;
    sv_task read_task, send_task, free_task;
    sv_link link; /* in hub->stages[stage] */
    uint64_t since;
    uint64_t since_sent; /* c->sent when the stage began */
    sv_output out;
    uint8_t *in; /* bytes read and not consumed: [in_at, in_size) */
    size_t in_at, in_size, in_capacity;
    uint64_t queued, sent; /* bytes of output, ever */
    uint64_t read_at;      /* when the last read returned, monotonic nanoseconds */
    uint64_t round;        /* of the loop, when the socket was last found readable */
    uint32_t pass;         /* counts the times that it was read */
    sv_stage stage;
    sv_peer peer;
    int fd;
    sv_tls *tls;           /* NULL: plain */
    bool reading, blocked; /* waiting for the socket to be readable, writable */
    bool read_queued, send_queued;
    bool closing; /* nothing more is read from it for the protocol; ends when the output is sent */
    bool linger;  /* then shut down and wait for the peer, lest a reset overtakes the answer */
    bool ended, dead;
};

extern const sv_proto sv_proto_sniff;
extern const sv_proto sv_proto_http1;
extern const sv_proto sv_proto_http2;

/* Takes `fd`. False when memory is out; `fd` is then closed. */
bool sv_conn_create(sv_hub *hub, int fd, const sv_peer *peer);
/* Ends it now; nothing more is read or sent. The memory goes at the end of the round. Idempotent.
 */
void sv_conn_kill(sv_conn *c);
/* The same for a peer that takes nothing: what the kernel has still to send to it is forgotten too,
 * which it would otherwise keep in memory for minutes. */
void sv_conn_abort(sv_conn *c);
/* No more requests: ends when all output is sent. */
void sv_conn_finish(sv_conn *c, bool linger);
/* Feeds the protocol what is kept, in this round or the next. */
void sv_conn_resume(sv_conn *c);
/* Moves to `stage`; the time in it begins anew unless it is the same one. */
void sv_conn_set_stage(sv_conn *c, sv_stage stage);
/* The time in the present stage begins anew. */
void sv_conn_restart_stage(sv_conn *c);

/* Calls the protocol's `fill` and sends, later in the round. */
void sv_conn_wake(sv_conn *c);
/* Output; kills the connection when memory is out. All of a round goes in one send. */
void sv_conn_write(sv_conn *c, const void *data, size_t size);
void sv_conn_take(sv_conn *c, sv_text *text); /* takes its contents */

#endif
