/* An exchange: one HTTP request and its answer (or one gRPC call), whatever the protocol on the
 * wire. The socket layer makes it, hands it to the one sv_handler, and sends what the handler
 * replies.
 *
 * An exchange belongs to one loop: every function here and every call of the handler happens on
 * that loop's thread. Work for other threads copies or holds what it needs and comes back by
 * sv_loop_post.
 *
 * The life of an exchange:
 *   open   the head is there
 *   body   once for each piece of the body (SV_BODY_STREAM only)
 *   message  once for each message of a gRPC call (SV_BODY_MESSAGES only)
 *   end    the body is whole
 *   ...    one reply or fail, from any of these calls or later
 *   gone   instead, or before the reply: nobody waits for the answer any more
 *   done   the last call: the answer's last byte went to the kernel (or the peer is gone) and
 *          no core hold is left; the memory goes right after
 * Routes, models and error bodies do not belong here. */
#ifndef SV_NET_EXCHANGE_H
#define SV_NET_EXCHANGE_H

#include "base/arena.h"
#include "base/text.h"
#include "net/loop.h"

typedef struct sv_exchange sv_exchange;

typedef enum sv_method {
    SV_METHOD_OTHER, /* a token that is none of the below: see method_name */
    SV_METHOD_GET,
    SV_METHOD_HEAD, /* the answer's body is left out by the socket layer: reply as to a GET */
    SV_METHOD_POST,
    SV_METHOD_PUT,
    SV_METHOD_DELETE,
    SV_METHOD_OPTIONS,
    SV_METHOD_PATCH,
} sv_method;

/* Views that live as long as the exchange; names as they were sent (compare without case), values
 * without the blanks around them. */
typedef struct sv_header {
    sv_string name, value;
} sv_header;

/* What `open` wants done with the body; the default is SV_BODY_GATHER. */
typedef enum sv_body_mode {
    SV_BODY_GATHER,   /* contiguous in x->body when `end` is called; `body` is never called */
    SV_BODY_STREAM,   /* every piece goes to `body`, first into x->sink if one is set */
    SV_BODY_DROP,     /* counted and dropped; `end` is called */
    SV_BODY_MESSAGES, /* gRPC calls that stream: every message goes to `message`. Calls of one
                         message are SV_BODY_GATHER: x->body is that message */
} sv_body_mode;

#define SV_NOTE_BYTES 112

/* Memory that the next bytes of a streamed body go to directly. The handler sets it in `open` or
 * `body`; the socket layer moves `at` forward and takes from `room` as it fills. With room 0 pieces
 * lie in memory that is valid during the call only. The memory must stay until it is full, until
 * `end` or until `gone`; from `gone` on nothing is written to it. */
typedef struct sv_sink {
    uint8_t *at;
    size_t room;
} sv_sink;

/* Time stamps in monotonic nanoseconds, 0 when that point was not reached. */
typedef struct sv_stamps {
    uint64_t first; /* the read that brought the head's first byte */
    uint64_t head;  /* the read that completed the head: `open` */
    uint64_t body;  /* the read that completed the body: `end` */
    uint64_t last;  /* the last byte was handed to the kernel, or the peer was found gone */
} sv_stamps;

typedef struct sv_peer {
    uint8_t address[16]; /* 4 or 16 bytes, network order */
    uint16_t port;
    bool v6;
    bool admin;   /* came in where the operator lets management in */
    bool metrics; /* came in where only metrics and probes are asked */
    bool local;   /* over a socket in the file system: it has no address */
} sv_peer;

/* What an exchange's protocol does with an answer. Each exchange takes one reply or one fail; later
 * ones are dropped (their arguments are still taken). May be called after `gone`: dropped too. */
typedef struct sv_xops {
    /* Answers with HTTP status `http`. `content_type` (static or in the arena) may be NULL when the
     * body is empty. Takes the contents of `body`, which is left empty; NULL: no body. A body whose
     * `failed` is set becomes a 503. Headers of sv_exchange_add_header are sent too. */
    void (*reply)(sv_exchange *x, int http, const char *content_type, sv_text *body);
    /* Answers with an error. Takes `status` (not SV_OK). `http` 0: by the status's code
     * (sv_http_from_code); else the HTTP code where the status's codes have none. The handler's
     * `error` writes the body. */
    void (*fail)(sv_exchange *x, int http, sv_status status);
    /* gRPC, SV_BODY_MESSAGES: sends one message before the reply; takes the contents of `message`.
     * The call then ends with a reply without a body, or with fail. NULL where there is no gRPC. */
    void (*send)(sv_exchange *x, sv_text *message);
} sv_xops;

/* The one receiver of all exchanges of a server. `open` and `end` are required, and `body` where
 * bodies are streamed. Calls never nest for one exchange; what a reply sets off comes later: it
 * never frees the exchange under its caller and calls nothing but `error`. */
typedef struct sv_handler {
    void *self; /* for the handler: x->handler->self */

    /* The head is complete. May choose x->mode and x->sink, set x->state, and may already reply or
     * fail: then the body is not wanted and neither `body` nor `end` is called. A client that waits
     * for "100 Continue" gets it when this returns without an answer. */
    void (*open)(sv_exchange *x);
    /* `size` > 0 bytes of a streamed body, decompressed. With a sink set they lie in the sink and
     * x->sink has already moved on; a piece never runs across the end of a sink. */
    void (*body)(sv_exchange *x, const uint8_t *data, size_t size);
    /* A message of a streaming gRPC call, decompressed; borrowed for the call. May be NULL where no
     * exchange is given SV_BODY_MESSAGES. */
    void (*message)(sv_exchange *x, sv_string message);
    /* The body is complete; in SV_BODY_GATHER it is x->body, borrowed until this returns unless
     * sv_exchange_keep_body is called. Exchanges without a body get this too. */
    void (*end)(sv_exchange *x);
    /* SV_BODY_MESSAGES: the server drains; a call that would go on for as long as its client likes
     * should end. At most once; may be NULL. */
    void (*drain)(sv_exchange *x);
    /* At most once, only between `open` and a reply or fail of the handler: the peer is gone, or
     * the socket layer itself has answered (x->http is set: a bad or slow or too large body, memory
     * is short). Running work should be cancelled; no answer is needed. May be NULL. */
    void (*gone)(sv_exchange *x);
    /* An error answer is about to be written, by whomever: headers may still be added. Also before
     * `open` (x->state is NULL then). May be NULL. */
    void (*failing)(sv_exchange *x);
    /* Writes the body of an error answer in the protocol that x speaks and returns its content type
     * (static). Called from fail and for errors of the socket layer; also before `open` when a head
     * cannot be read (x->state is NULL then). `status` is borrowed. NULL: {"error": message}. */
    const char *(*error)(sv_exchange *x, int http, sv_status status, sv_text *body);
    /* The last call, exactly once for every exchange, also for those that failed before `open`.
     * Stamps, http and bytes are final: the place for metrics and the access log. May be NULL. */
    void (*done)(sv_exchange *x);

    /* On each loop's thread before its first and after its last round, for state kept by
     * sv_loop_set_user; both may be NULL. An error of loop_open ends the server's start. */
    sv_status (*loop_open)(void *self, sv_loop *loop);
    void (*loop_close)(void *self, sv_loop *loop);
} sv_handler;

/* What a request's head says. All texts live as long as the exchange, none is NUL-terminated. */
typedef struct sv_head {
    sv_method method;
    sv_string method_name;
    sv_string target;      /* as sent */
    sv_string path, query; /* of the target, still encoded, without the '?' */
    sv_string authority;   /* of an absolute target, else of Host; may be empty */
    /* The path split at '/', each then percent-decoded, never with a NUL; "/" has none, "/a/" has
     * "a" and "". None for gRPC, whose paths are names. */
    const sv_string *segments;
    uint32_t segment_count;
    uint32_t header_count;
    const sv_header *headers;
    sv_string content_type; /* value of Content-Type, empty without */
} sv_head;

/* Readable by the handler; it may write `state`, `identity`, `mode`, `sink`, `aligned_at`,
 * `retry_after`, `close` and `no_compress` only. */
#define SV_BODY_ALIGNMENT 64
struct sv_exchange {
    sv_loop *loop;
    const sv_handler *handler;
    const sv_xops *ops;
    sv_arena arena; /* for anything that lives as long as the exchange; limited (head and 64 KiB) */
    void *state;    /* the handler's; NULL at `open` */
    void *identity; /* likewise, also for those that are never opened; NULL until it is set */

    sv_head head;
    int64_t length; /* bytes of the body as the handler will see them; -1: not known yet */
    uint8_t http_major, http_minor;
    bool grpc;         /* a gRPC call: a reply's body is a message, its content type and HTTP code
                          count for nothing; fail sends the status */
    uint64_t deadline; /* of grpc-timeout, monotonic nanoseconds; 0: none */
    /* For what the handler learns from the head alone: SV_NOTE_BYTES, aligned, zero at first. A
     * connection that sends the same head again brings it as it was left, and views into the head's
     * texts are still good. NULL where heads are not remembered. */
    void *note;

    /* The body. */
    sv_body_mode mode;
    sv_sink sink;
    uint64_t aligned_at; /* SV_BODY_GATHER: a gathered body's byte whose address should be a
                            multiple of SV_BODY_ALIGNMENT; 0: its first */
    sv_string body;      /* SV_BODY_GATHER, from `end` on */
    uint64_t received;   /* bytes of the body so far, decompressed */

    /* The answer. */
    int http;             /* the code that was answered; 0: none yet */
    uint32_t retry_after; /* seconds, sent with 429 and 503; 0: 1 is sent with 503 */
    bool close;           /* close the connection after this answer */
    bool no_compress;     /* never compress this answer */
    bool opened;          /* `open` was called */
    bool replied;         /* by the handler: reply or fail was called */
    bool failed;          /* answered by fail or by the socket layer itself */
    bool lost;            /* the peer went before the last byte */
    sv_stamps at;
    uint64_t bytes_in, bytes_out; /* on the wire, heads included */
    sv_peer peer;

    /* The socket layer's own. */
    struct sv_exchange_wire *wire;
    sv_task task;
    struct sv_exchange *next;
    sv_text extra; /* added headers */
    size_t charged;
    uint32_t holds;
    bool wire_held;
};

/* The core holds: `done` waits until each hold is released. A handler whose work outlives its calls
 * takes one for each request and releases it when that request's done was delivered, also after
 * `gone`. (The other hold, for the wire, is the socket layer's.) */
void sv_exchange_hold(sv_exchange *x);
void sv_exchange_release(sv_exchange *x);

static inline void sv_exchange_reply(sv_exchange *x, int http, const char *content_type,
                                     sv_text *body)
{
    x->ops->reply(x, http, content_type, body);
}

static inline void sv_exchange_fail(sv_exchange *x, int http, sv_status status)
{
    x->ops->fail(x, http, status);
}

static inline void sv_exchange_send(sv_exchange *x, sv_text *message)
{
    x->ops->send(x, message);
}

/* SV_BODY_MESSAGES: no further message comes until sv_exchange_resume, which calls nothing itself;
 * the client is held back by flow control. Both are idempotent. */
void sv_exchange_pause(sv_exchange *x);
void sv_exchange_resume(sv_exchange *x);

/* True when an answer is neither given nor useless: work for it is worth starting. */
static inline bool sv_exchange_is_waiting(const sv_exchange *x)
{
    return x->http == 0 && !x->replied && !x->lost;
}

/* The value of the first header called `name` (without case); false when there is none. */
bool sv_exchange_header(const sv_exchange *x, const char *name, sv_string *out);
/* True when the header, a list with commas, holds `token` (without case; parameters are ignored,
 * "q=0" excludes). */
bool sv_exchange_header_has(const sv_exchange *x, const char *name, const char *token);
/* The decoded value of the query parameter `name` ("" for a bare name), in the arena; false when
 * there is none, it is badly encoded, or memory is out. */
bool sv_exchange_query(sv_exchange *x, const char *name, sv_string *out);

/* Adds a header to the answer; before the reply. Names and values with controls are ignored, and so
 * are Content-Length, Content-Type, Connection, Date and Transfer-Encoding, which are not the
 * handler's. */
void sv_exchange_add_header(sv_exchange *x, const char *name, const char *value);

/* In `end`, SV_BODY_GATHER: makes x->body valid until the exchange goes, copying it if it lies in a
 * buffer of the connection. RESOURCE_EXHAUSTED when memory is out. */
SV_MUST_USE sv_status sv_exchange_keep_body(sv_exchange *x);

/* From `end` on, SV_BODY_GATHER: whether `data` points into x->body, and that is valid until the
 * exchange goes, by itself or by sv_exchange_keep_body. */
bool sv_exchange_keeps(const sv_exchange *x, const void *data);

/* Counts memory that the exchange makes the core touch, such as inputs, against the server's
 * budget. Bytes of the body are charged already. Everything is given back before `done`'s memory
 * goes. RESOURCE_EXHAUSTED beyond the budget: fail the exchange with it and HTTP 503. */
SV_MUST_USE sv_status sv_exchange_charge(sv_exchange *x, size_t bytes);
/* Gives back a part early. */
void sv_exchange_uncharge(sv_exchange *x, size_t bytes);

/* "192.0.2.1:4711", "[2001:db8::1]:4711", "unix"; `out` holds 64 bytes. */
void sv_peer_format(const sv_peer *peer, char out[64]);

#endif
