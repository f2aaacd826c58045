/* 200 clients at a server that may open 64 descriptors: accepting pauses, nothing spins, and all of
 * them are answered. The server is a process of its own, started before any thread. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLIENTS = 200, DESCRIPTORS = 64 };

static fixture served;

/* The child: a server under the limit, until its input ends; then says what it counted. */
static void serve(int in, int out, bool tight)
{
    struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    char byte;
    setrlimit(RLIMIT_NOFILE, &limit);
    fixture_start(&served, &(sv_server_options){.loops = 2});
    /* Descriptors that others have taken since the server counted: accept itself fails. */
    for (int i = 0; tight && i < 30; i++)
        if (dup(out) < 0) break;
    dprintf(out, "%u\n", served.port);
    while (read(in, &byte, 1) > 0)
        ;
    sv_server_stats stats;
    sv_server_get_stats(served.server, &stats);
    fixture_end(&served);
    dprintf(out, "%u\n%llu\n", stats.listen_pauses, (unsigned long long)stats.accepted);
    exit(0);
}

typedef struct child {
    pid_t pid;
    int to;
    FILE *from;
    uint16_t port;
} child;

static child children[2];

static unsigned long read_number(FILE *from)
{
    char line[64];
    if (!fgets(line, sizeof line, from)) abort();
    return strtoul(line, NULL, 10);
}

static void start_child(child *c, bool tight)
{
    int in[2], out[2];
    if (pipe(in) || pipe(out)) abort();
    c->pid = fork();
    if (c->pid == 0) {
        close(in[1]);
        close(out[0]);
        /* The end of the first child's input must not depend on the second. */
        if (c != children) close(children[0].to);
        serve(in[0], out[1], tight);
    }
    close(in[0]);
    close(out[1]);
    c->to = in[1];
    c->from = fdopen(out[0], "r");
    c->port = (uint16_t)read_number(c->from);
}

static void end_child(child *c, unsigned long *pauses)
{
    int status;
    close(c->to);
    *pauses = read_number(c->from);
    unsigned long accepted = read_number(c->from);
    fclose(c->from);
    waitpid(c->pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(accepted, CLIENTS);
}

/* Half of the clients close after their answer, half stay idle and must make room for the others.
 */
static void check_all_served(child *c)
{
    static client clients[CLIENTS];
    unsigned long pauses;
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], c->port);
        client_puts(clients[i].fd, i % 2 ? "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"
                                         : "GET /echo HTTP/1.1\r\nHost: h\r\n"
                                           "Connection: close\r\n\r\n");
    }
    for (int i = 0; i < CLIENTS; i++)
        client_expect(&clients[i], 200, "");
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    end_child(c, &pauses);
    /* Each pause has a reason, a connection that closed or some time: a listener that spins would
     * have thousands. */
    assert_true(pauses > 0 && pauses < 5 * CLIENTS);
}

static void test_limit_known(void **state)
{
    (void)state;
    check_all_served(&children[0]);
}

static void test_limit_met(void **state)
{
    (void)state;
    check_all_served(&children[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_known),
        cmocka_unit_test(test_limit_met),
    };
    signal(SIGPIPE, SIG_IGN);
    start_child(&children[0], false);
    start_child(&children[1], true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
