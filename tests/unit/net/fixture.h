/* A server on a thread of its own with a handler that echoes in every way there is, and a blocking
 * client, for the tests of this folder. */
#ifndef SV_TESTS_NET_FIXTURE_H
#define SV_TESTS_NET_FIXTURE_H

#include "base/thread.h"
#include "net/server.h"
#include "support/check.h"

#include <stdatomic.h>

/* Paths of the handler:
 *   /echo     gathers, answers in `end`             /keep    the same from kept memory, from a
 * thread /stream   copies pieces from `body`             /sink    sinks of 1000 bytes, then pieces
 *   /drop     answers the number of bytes           /async   answers from another thread
 *   /early    answers 403 in `open`                 /fail    fails in `end`, 405 with Allow
 *   /hang     holds until `gone`                    /big     as many bytes as ?n says
 *   /piece    answers 200 from within `body`        /close   asks to close the connection
 *   /charge   charges ?n bytes, 503 if refused */
typedef struct fixture {
    sv_server *server;
    sv_handler handler;
    pthread_t thread, worker;
    char address[SV_SERVER_ADDRESS];
    uint16_t port;
    atomic_uint opened, ended, gone, done, lost, failed;
    atomic_uint repeated; /* heads whose note was not new */
    atomic_uint loops_open;
    _Atomic uint64_t done_received; /* bytes of bodies, as `done` saw them */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct job *jobs, **jobs_tail;
    bool worker_ends;
    bool paused; /* the worker takes no jobs */
} fixture;

/* Starts a server with these options; listen and handler are the fixture's where they are not set.
 */
void fixture_start(fixture *f, const sv_server_options *options);
/* Waits for the server's end after a drain (or stop), which this asks for. */
void fixture_end(fixture *f);
void fixture_join(fixture *f); /* without asking */
/* Holds back, or lets go, what /async and /keep answer. */
void fixture_pause(fixture *f, bool paused);
/* Waits (at most 20 s) until `counter` is at least `least`. */
void fixture_wait(atomic_uint *counter, unsigned least);
/* Blocks the first loop until fixture_unblock. */
void fixture_block(fixture *f);
void fixture_unblock(fixture *f);

int client_connect(uint16_t port);
void client_send(int fd, const void *data, size_t size);
void client_puts(int fd, const char *text);

/* A client's view of answers. */
typedef struct client {
    int fd;
    char data[1 << 16];
    size_t size;
} client;

typedef struct answer {
    int http;
    char head[4096];
    char *body; /* to be freed */
    size_t size;
} answer;

void client_open(client *c, uint16_t port);
void client_close(client *c);
/* Reads the next answer; a body is read unless `head_only`. False at the end of the stream. */
bool client_read(client *c, answer *a, bool head_only);
/* The next answer has this code and body (NULL: any). */
void client_expect(client *c, int http, const char *body);
/* The peer has closed, orderly. */
void client_expect_end(client *c);
bool answer_has(const answer *a, const char *header);
void answer_free(answer *a);

#endif
