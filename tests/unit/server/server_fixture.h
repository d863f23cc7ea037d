/* server_fixture.h: a server whose reactors do not run: a test plays them, one at a time. Clients
 * are socket pairs. */
#pragma once

#include "net/conn_internal.h"
#include "server/config.h"
#include "server/server_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <sys/socket.h>

#include <cmocka.h>

enum {
    FIXTURE_THREADS = 3
};

static inline struct server *fixture_server(void)
{
    struct server *s;
    assert_int_equal(config_init_defaults(), OK);
    server_settings.io_threads = FIXTURE_THREADS;
    server_settings.worker_threads = 1;
    server_settings.port = 0;
    net_settings.maxclients = 100;
    assert_int_equal(server_create(&s), OK);
    return s;
}

static inline void fixture_server_destroy(struct server *s)
{
    server_destroy(s);
    config_deinit();
}

struct peer { /* a client's end */
    struct server_thread *thread;
    struct conn *conn;
    int fd;
};

static inline struct peer fixture_peer(struct server *s, unsigned thread, enum reply_proto proto)
{
    struct server_thread *t = s->threads[thread];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    net_thread_adopt(&t->net, (struct arrival){.fd = fds[0],
                                               .kind = CONN_RESP,
                                               .id = atomic_fetch_add(&s->next_client_id, 1)});
    conn_adopt_all(&t->net);
    client_session(t->net.conns)->proto = proto;
    return (struct peer){t, t->net.conns, fds[1]};
}

/* The end of every reactor's turn, often enough that nothing is on its way any more. */
static inline void fixture_turns(struct server *s)
{
    for (int round = 0; round < 4; round++)
        for (unsigned i = 0; i < s->thread_count; i++)
            s->threads[i]->net.reactor.after_turn(&s->threads[i]->net.reactor);
}

/* What the client has received; "" when nothing. */
static inline const char *fixture_received(const struct peer *p)
{
    static char text[65536];
    ssize_t n = read(p->fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = 0;
    return text;
}
