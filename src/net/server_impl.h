/* The server's insides that its hubs and listeners share. Private to this folder. */
#ifndef SV_NET_SERVER_IMPL_H
#define SV_NET_SERVER_IMPL_H

#include "net/hub.h"
#include "net/tls.h"

#include <event2/event_struct.h>
#include <pthread.h>

typedef struct sv_listener sv_listener;

struct sv_server {
    const sv_allocator *allocator;
    const sv_handler *handler;
    sv_net_limits limits;
    bool signals, watching; /* signals are asked for; are being watched */
    uint64_t spin_ns;
    uint32_t drain_grace_ms, drain_limit_ms;
    void (*on_drain)(void *self);
    void *on_drain_self;
    void (*on_limit)(void *self);
    void *on_limit_self;
    void (*on_hangup)(void *self);
    void *on_hangup_self;
    sv_hub **hubs;
    uint32_t hub_count;
    sv_tls_server *tls; /* NULL: connections are plain */
    sv_listener *listeners;
    uint32_t listener_count, listener_room;
    sv_memory memory;
    _Atomic uint32_t connections;
    atomic_bool paused; /* accepting waits for a connection to close */
    _Atomic uint32_t listen_pauses;
    _Atomic uint64_t accepted;

    /* The first loop's thread only, but for the flags. */
    struct event signal_events[3];
    sv_timer *drain_timer; /* the grace time, then the limit, then the time for last answers */
    bool draining, listening, limited, stopping;
    _Atomic uint32_t hubs_left; /* that have not reported that they are done */
    sv_timer *retry_timer;      /* accepting is tried again while it is paused */
    uint32_t max_connections;
    sv_task drain_task, stop_task, resume_task;
    atomic_flag drain_posted, stop_posted, resume_posted;

    /* The threads' start. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t ready; /* threads whose loop_open was called */
    int decision;   /* 0: wait, 1: go, -1: end */
    sv_status start_status;
};

/* Listeners; all on the first loop's thread, but for create and destroy. */
SV_MUST_USE sv_status sv_listeners_create(struct sv_server *server,
                                          const sv_server_options *options);
void sv_listeners_destroy(struct sv_server *server);
void sv_listeners_start(struct sv_server *server);
void sv_listeners_stop(struct sv_server *server); /* closes them */
/* Any thread: a connection has closed, accepting may go on if it was paused. */
void sv_listeners_resume(struct sv_server *server);
void sv_listener_address(const struct sv_server *server, uint32_t i, char out[SV_SERVER_ADDRESS]);

/* Any thread: a hub has nothing left after a drain or stop. */
void sv_server_hub_done(struct sv_server *server);

#endif
