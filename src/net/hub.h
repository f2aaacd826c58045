/* The socket layer's insides: a hub for each loop of a server, with its connections, its exchanges
 * and what they share. Private to this folder.
 *
 * Everything in a hub belongs to its loop's thread, except the counters, which any thread reads. */
#ifndef SV_NET_HUB_H
#define SV_NET_HUB_H

#include "base/counter.h"
#include "net/compress.h"
#include "net/inflate.h"
#include "net/list.h"
#include "net/pool.h"
#include "net/server.h"
#include "net/spare.h"

#include <stdatomic.h>

typedef struct sv_conn sv_conn;
typedef struct sv_hub sv_hub;

#define SV_HUB_SCRATCH 65536

/* Memory charged by all hubs of a server. */
typedef struct sv_memory {
    _Atomic size_t used;
    size_t high, limit;
} sv_memory;

/* What a connection is waiting for; each has its own time limit. */
typedef enum sv_stage {
    SV_STAGE_IDLE,   /* the first byte of a head */
    SV_STAGE_HEAD,   /* the rest of a head, or of a body that is being skipped */
    SV_STAGE_BUSY,   /* a body (see sv_hub.bodies) or the handler */
    SV_STAGE_WRITE,  /* the peer to take an answer */
    SV_STAGE_LINGER, /* the peer to close */
    SV_STAGE_COUNT
} sv_stage;

struct sv_hub {
    struct sv_server *server;
    sv_loop *loop;
    const sv_allocator *allocator;
    const sv_handler *handler;
    const sv_net_limits *limits;
    sv_link stages[SV_STAGE_COUNT]; /* connections, the longest waiting first */
    sv_link bodies;                 /* exchanges whose body is incomplete */
    sv_link answers; /* exchanges whose answer waits for the peer to take it, where other exchanges
                        of the connection may go on */
    sv_timer *tick;  /* runs each second while there are connections */
    bool ticking;
    bool draining, stopping; /* as this loop has heard of them */
    bool reported;           /* nothing is left, and the server knows */
    sv_exchange *pool;
    uint32_t pooled;
    uint32_t conn_count, exchange_count;
    sv_compressor compressor;
    sv_spares spares; /* for gathered bodies */
    sv_pool blocks;   /* for the library of HTTP/2, and for output */
    uint8_t *decoded; /* SV_HUB_SCRATCH bytes, made when first needed */
    uint64_t date_second;
    char date[32]; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    sv_task drain_task, stop_task, shed_task, memory_task;
    atomic_flag shed_posted;
    bool memory_queued;
    /* Written by this loop only. */
    _Atomic uint32_t load; /* connections, for the acceptor, which adds those on their way */
    _Atomic uint64_t exchanges, refused, shed, timed_out, bytes_in, bytes_out;
    uint8_t scratch[SV_HUB_SCRATCH];
};

/* The private part of an exchange. */
typedef struct sv_exchange_wire {
    sv_hub *hub;
    sv_conn *conn; /* NULL once the wire hold is released */
    void (*send)(sv_exchange *x, const char *content_type, sv_text *body, const char *coding);
    void (*stall)(sv_exchange *x); /* the peer takes too little of an answer in sv_hub.answers */
    void *stream;                  /* the protocol's, where a connection has many */
    struct sv_grpc *grpc;          /* of a gRPC call */
    struct sv_kept_head *head;     /* what the exchange's head points into; NULL: its arena */
    sv_link body_link;             /* in sv_hub.bodies */
    sv_link answer_link;           /* in sv_hub.answers */
    uint64_t answer_from; /* the time over which its rate is taken, and x->bytes_out then */
    uint64_t answer_sent;
    uint64_t body_received;   /* on the wire */
    uint64_t window_from;     /* the time over which the rate is taken: its start, and what had */
    uint64_t window_received; /* been received then */
    uint64_t out_end;         /* position in the connection's output behind the last byte */
    uint8_t *memory;          /* of a gathered body, which begins at `gathered` */
    size_t memory_size;
    uint8_t *gathered;
    size_t gathered_capacity; /* from there on */
    sv_inflate *inflate;
    bool body_borrowed; /* x->body lies in a buffer of the connection */
    bool complete;      /* the body has been read to its end */
    bool keep;          /* the request allows another one after it */
    bool expects;       /* the client may be waiting for 100 Continue */
} sv_exchange_wire;

SV_MUST_USE sv_status sv_hub_create(struct sv_server *server, uint32_t index, sv_hub **out);
void sv_hub_destroy(sv_hub *hub); /* NULL is allowed; nothing may be open */

/* An exchange with its wire hold, NULL when memory is out. */
sv_exchange *sv_hub_open_exchange(sv_hub *hub, sv_conn *conn);
/* The wire hold of `x` goes: sent, or lost. */
void sv_exchange_release_wire(sv_exchange *x);

/* Counts `bytes`; over the high mark the slowest incomplete bodies of this loop will be shed later
 * in the round. False beyond the limit (the bytes are counted all the same, until uncharged). */
bool sv_hub_charge(sv_hub *hub, size_t bytes);
void sv_hub_uncharge(sv_hub *hub, size_t bytes);

/* The text of the Date header now, SV_HTTP_DATE characters and a NUL. */
#define SV_HTTP_DATE 29
const char *sv_hub_date(sv_hub *hub);

/* Bookkeeping of connections: when one is in its stage list, when it is dead, and when its memory
 * is gone. */
void sv_hub_conn_opened(sv_hub *hub);
void sv_hub_conn_closed(sv_hub *hub);
void sv_hub_conn_freed(sv_hub *hub);
/* Any thread: close the connections of the hub that idle; stop taking requests and report when
 * all are done; end everything now. */
void sv_hub_post_shed(sv_hub *hub);
void sv_hub_post_drain(sv_hub *hub);
void sv_hub_post_stop(sv_hub *hub);

#endif
