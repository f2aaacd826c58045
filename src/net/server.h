/* The server: listeners, a number of loops with a thread each, limits, and its orderly end.
 *
 * One acceptor (the first loop) gives each connection to the loop that has the fewest. That spreads
 * few connections evenly, where SO_REUSEPORT's hash leaves one loop with most of them, keeps one
 * place that counts connections, and loses none when listening stops. */
#ifndef SV_NET_SERVER_H
#define SV_NET_SERVER_H

#include "net/exchange.h"
#include "net/loop.h"

/* Everything that one client, or all of them, may cost. A zero stands for the default. */
typedef struct sv_net_limits {
    uint32_t head_bytes;      /* of a request's head: 16 KiB */
    uint32_t head_fields;     /* 64, at most SV_HTTP1_MAX_FIELDS */
    uint64_t body_bytes;      /* decompressed too: 64 MiB */
    uint64_t inflate_ratio;   /* decompressed to compressed, beyond the first MiB: 200 */
    uint64_t memory_bytes;    /* of all bodies and what is charged for exchanges: 1 GiB; from 3/4 of
                                 it on the slowest incomplete bodies are shed */
    uint32_t connections;     /* open at once; 0: 10,000, and never more than the descriptors that
                                 the process may still open, less a reserve */
    uint32_t idle_ms;         /* a kept connection without a request: 75 s */
    uint32_t head_ms;         /* from a head's first byte to its last: 10 s */
    uint32_t body_rate;       /* bytes a second that a body must keep on average, and an answer that
                                 is being sent: 1024 */
    uint32_t body_grace_ms;   /* time from which body_rate applies: 5 s */
    uint32_t pipelined_bytes; /* that wait behind a running exchange: 64 KiB */
    uint32_t drain_bytes;  /* of a body that is not wanted, read to keep the connection: 64 KiB */
    uint32_t output_bytes; /* waiting to be sent, before a connection's next request is read: 256
                              KiB (a single answer may be larger) */
    uint32_t compress_min; /* smallest answer that is compressed for clients that accept it:
                              1024 */
    uint32_t compress_max; /* largest: 1 MiB, since it is the loop that compresses */
} sv_net_limits;

/* Loops for so many cores, where nobody says how many: more than 8 are rarely of use, as what a
 * loop does for a request takes some microseconds. */
static inline uint32_t sv_server_usual_loops(uint32_t cores)
{
    return cores < 8 ? cores : 8;
}

typedef struct sv_server_options {
    /* "HOST:PORT": a name, 127.0.0.1, 0.0.0.0, [::1], [::]; port 0: any. "unix:PATH": a socket in
     * the file system, which replaces one that nobody listens on. */
    const char *const *listen;
    uint32_t listen_count;  /* at least 1 */
    uint32_t metrics_count; /* of these, the last: sv_peer.metrics is set for who comes in there */
    uint32_t admin_count;   /* those before them: sv_peer.admin is set */
    uint32_t loops;         /* 0: sv_server_usual_loops of the granted cores */
    uint32_t spin_us;       /* as sv_loop_set_spin, in microseconds; 0: never */
    /* PEM files of a certificate with its chain and of its key, both or none: connections over TCP
     * speak TLS. Read again when they change. */
    const char *tls_cert, *tls_key;
    sv_net_limits limits;
    bool signals;            /* SIGTERM and SIGINT drain, also between creation and run; a second
                                one ends the wait as the limit does; a third ends the process,
                                whatever runs, unless it was ignored before */
    uint32_t drain_grace_ms; /* between on_drain and the end of listening: time for a balancer to
                                see that readiness has turned false; 0: none */
    uint32_t drain_limit_ms; /* what still runs then is cut off; 0: 30 s */
    void (*on_limit)(void *self); /* the limit has passed, what runs should be answered now: who has
                                     not read the answer a second later is cut off; on the first
                                     loop's thread; NULL: everybody is cut off at once */
    void *on_limit_self;
    void (*on_drain)(void *self); /* the drain begins: on the first loop's thread; may be NULL */
    void *on_drain_self;
    void (*on_hangup)(void *self); /* SIGHUP, with `signals`: on the first loop's thread; NULL: the
                                      signal does what it did before */
    void *on_hangup_self;
    const sv_allocator *allocator; /* NULL: malloc; thread-safe */
} sv_server_options;

typedef struct sv_server sv_server;

/* Binds and listens; nothing is accepted yet. Options are copied, `handler` is borrowed and must
 * outlive the server. INVALID_ARGUMENT for an address that cannot be read, UNAVAILABLE with the
 * system's reason when it cannot be bound; both name it. */
SV_MUST_USE sv_status sv_server_create(const sv_server_options *options, const sv_handler *handler,
                                       sv_server **out);
/* The server must not run. NULL is allowed. */
void sv_server_destroy(sv_server *server);

/* Serves: starts a thread for each loop but the first, runs the first on the caller's thread,
 * returns when the server was drained or stopped and all threads have ended. May be run once. */
SV_MUST_USE sv_status sv_server_run(sv_server *server);
/* Any thread: the orderly end. Calls on_drain, waits the grace time, stops listening, closes idle
 * connections, lets running exchanges finish (their answers say "Connection: close"), then
 * sv_server_run returns. Idempotent. */
void sv_server_drain(sv_server *server);
/* Any thread: the end at once. Exchanges that run get `gone`; their core holds are still waited
 * for. Idempotent. */
void sv_server_stop(sv_server *server);

/* Where listener `i` is bound, with the real port: "127.0.0.1:8080", "unix:/run/serval.sock". */
#define SV_SERVER_ADDRESS 128
void sv_server_address(const sv_server *server, uint32_t i, char out[SV_SERVER_ADDRESS]);
uint32_t sv_server_loop_count(const sv_server *server);
/* Valid until the server is destroyed. */
sv_loop *sv_server_loop(const sv_server *server, uint32_t i);

/* Any thread: figures for metrics; each is right by itself. */
typedef struct sv_server_stats {
    uint64_t accepted;  /* connections, ever */
    uint64_t exchanges; /* heads read, ever */
    uint64_t refused;   /* answered by the socket layer itself */
    uint64_t shed;      /* of these, for memory */
    uint64_t timed_out; /* of these, for slowness, and idle connections that were closed */
    uint64_t bytes_in, bytes_out;
    uint64_t memory_bytes;  /* charged now */
    uint32_t connections;   /* open now */
    uint32_t listen_pauses; /* times that accepting paused for want of descriptors or room */
} sv_server_stats;
void sv_server_get_stats(const sv_server *server, sv_server_stats *out);

#endif
