/* listen.c: the listeners, on the main thread: accept, check the limits, hand over to a reactor. */
#include "base/log.h"
#include "server/http.h"
#include "server/server_internal.h"
#include "server/supervise.h"
#include "server/tls_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

#define ERROR_MAXCLIENTS "ERR max number of clients reached"

enum {
    ACCEPT_RETRY_MS = 100
};

const char error_protected[] =
    "DENIED Redis is running in protected mode because protected mode is enabled and no "
    "password is set for the default user. In this mode connections are only accepted "
    "from the loopback interface. If you want to connect from external computers to "
    "Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    "sending the command 'CONFIG SET protected-mode no' from the loopback interface by "
    "connecting to Redis from the same host the server is running, however MAKE SURE "
    "Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to "
    "make this change permanent. 2) Alternatively you can just disable the protected "
    "mode by editing the Redis configuration file, and setting the protected mode option "
    "to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Set up an "
    "authentication password for the default user. NOTE: You only need to do one of the "
    "above things in order for the server to start accepting connections from the "
    "outside.";

/* One error in the protocol of the port, and the end. Before its handshake TLS has no words. */
static void refuse(int fd, const struct listener *l, const char *error)
{
    enum conn_kind kind = l->kind;
    if (l->tls) {
        close(fd);
        return;
    }
    struct output out;
    struct reply reply = {.out = &out, .proto = kind == CONN_FRAME ? REPLY_FRAME : REPLY_RESP2};
    output_init(&out);
    if (kind == CONN_HTTP) {
        http_put_refusal(&out.bytes, error == error_protected ? 403 : 503, error);
    } else {
        reply_begin(&reply);
        reply_error(&reply, error);
        reply_end(&reply);
    }
    ssize_t ignored = send(fd, buf_ptr(&out.bytes), buf_len(&out.bytes), MSG_NOSIGNAL);
    (void)ignored; /* best effort: the peer may be gone */
    output_deinit(&out);
    close(fd);
}

static struct server_thread *least_loaded(struct server *s)
{
    static unsigned turn; /* main thread only */
    return s->threads[turn++ % s->thread_count];
}

static bool is_protected(int fd)
{
    return server_settings.protected_mode && atomic_load(&the_server->acl.default_nopass) &&
           !sock_is_local(fd);
}

static void take(const struct listener *l, int fd)
{
    struct server *s = l->server;
    atomic_fetch_add(&s->connections_received, 1);
    if (atomic_load(&s->connected) >= net_settings.maxclients) {
        atomic_fetch_add(&s->connections_rejected, 1);
        refuse(fd, l, ERROR_MAXCLIENTS);
        return;
    }
    if (is_protected(fd)) {
        refuse(fd, l, error_protected);
        return;
    }
    if (l->tls && !s->tls) { /* CONFIG SET is about to close the port */
        close(fd);
        return;
    }
    atomic_fetch_add(&s->connected, 1);
    struct arrival arrival = {.fd = fd,
                              .kind = l->kind,
                              .id = atomic_fetch_add(&s->next_client_id, 1),
                              .proxied = l->kind != CONN_UNIX && server_settings.proxy_protocol};
    if (l->tls) {
        arrival.tls = tls_context_ref(s->tls);
        arrival.handshakes = s->handshakes;
    }
    net_thread_adopt(&least_loaded(s)->net, arrival);
}

static void set_listening(struct server *s, bool on)
{
    for (unsigned i = 0; i < s->listener_count; i++)
        reactor_modify(&s->acceptor, &s->listeners[i].source, on ? POLLER_READ : 0);
}

/* No descriptor left: give up the reserve to accept and refuse one, so that it does not hang, then
 * rest: level-triggered readiness would spin. */
static void out_of_descriptors(struct listener *l)
{
    struct server *s = l->server;
    log_warning("Accepting client connection: %s", strerror(errno));
    close(s->reserve_fd);
    int fd;
    if (sock_accept(l->source.fd, &fd) == OK) {
        atomic_fetch_add(&s->connections_rejected, 1);
        refuse(fd, l, ERROR_MAXCLIENTS);
    }
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_listening(s, false);
    reactor_arm(&s->acceptor, &s->accept_retry, s->acceptor.now_ms + ACCEPT_RETRY_MS);
}

static void retry_accept(struct timer *self)
{
    struct server *s = container_of(self, struct server, accept_retry);
    set_listening(s, true);
}

static void accept_ready(struct source *self, unsigned bits)
{
    struct listener *l = container_of(self, struct listener, source);
    for (int i = 0; i < LIMIT_ACCEPT_BATCH; i++) {
        int fd;
        enum err err = sock_accept(self->fd, &fd);
        if (err == ERR_AGAIN)
            return;
        if (err != OK) {
            out_of_descriptors(l);
            return;
        }
        take(l, fd);
    }
}

static enum err add_listener(struct server *s, int fd, enum conn_kind kind, bool tls)
{
    if (s->listener_count == LISTENERS_MAX)
        return ERR_LIMIT;
    struct listener *l = &s->listeners[s->listener_count];
    *l = (struct listener){.source.ready = accept_ready, .server = s, .kind = kind, .tls = tls};
    enum err err = reactor_add(&s->acceptor, &l->source, fd, POLLER_READ);
    if (!err)
        s->listener_count++;
    return err;
}

static enum err open_port(struct server *s, int port, enum conn_kind kind, bool tls)
{
    int opened = 0;
    for (int i = 0; port && i < server_settings.bind.count; i++) {
        const char *address = server_settings.bind.items[i];
        bool optional = *address == '-';
        int fd;
        if (sock_listen_tcp(address + optional, port, net_settings.tcp_backlog, &fd) != OK) {
            int reason = errno;
            bool missing =
                reason == EADDRNOTAVAIL || reason == EAFNOSUPPORT || reason == EPROTONOSUPPORT;
            if (optional && missing)
                continue;
            log_warning("Warning: Could not create server TCP listening socket %s:%d: bind: %s",
                        address + optional, port, strerror(reason));
            return ERR_SYS;
        }
        enum err err = add_listener(s, fd, kind, tls);
        if (err)
            return err;
        opened++;
    }
    if (!port || opened)
        return OK;
    log_warning("Failed listening on port %d (TCP), aborting.", port);
    return ERR_SYS;
}

static enum err open_ports(struct server *s)
{
    const struct server_settings *set = &server_settings;

    const struct {
        int port;
        enum conn_kind kind;
        bool tls;
    } ports[] = {{set->port, CONN_RESP, false},
                 {set->tls_port, CONN_RESP, true},
                 {set->frame_port, CONN_FRAME, false},
                 {set->http_port, CONN_HTTP, false},
                 {set->http_tls_port, CONN_HTTP, true}};

    enum err err = OK;
    for (size_t i = 0; i < ARRAY_LEN(ports) && !err; i++)
        err = open_port(s, ports[i].port, ports[i].kind, ports[i].tls);
    return err;
}

enum err listeners_open(struct server *s)
{
    timer_init(&s->accept_retry, retry_accept);
    s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    enum err err = tls_setup_begin(s);
    if (!err)
        err = open_ports(s);
    if (err || !*server_settings.unixsocket)
        return err;
    int fd;
    err = sock_listen_unix(server_settings.unixsocket, server_settings.unixsocketperm,
                           net_settings.tcp_backlog, &fd);
    if (err) {
        log_warning("Failed opening Unix socket: bind: %s", strerror(errno));
        return err;
    }
    return add_listener(s, fd, CONN_UNIX, false);
}

/* Closes the TCP listeners; the unix socket's moves to the front of the array. */
static void close_ports(struct server *s)
{
    unsigned count = s->listener_count;
    s->listener_count = 0;
    for (unsigned i = 0; i < count; i++) {
        enum conn_kind kind = s->listeners[i].kind;
        int fd = s->listeners[i].source.fd;
        reactor_remove(&s->acceptor, &s->listeners[i].source);
        if (kind != CONN_UNIX || add_listener(s, fd, kind, false) != OK)
            close(fd);
    }
}

enum err listeners_reopen(struct server *s)
{
    close_ports(s); /* first: an address that stays could not be bound twice */
    enum err err = open_ports(s);
    if (err)
        close_ports(s);
    return err;
}

void listeners_announce(void)
{
    const struct server_settings *set = &server_settings;
    if (set->port)
        log_notice("Ready to accept connections tcp");
    if (*set->unixsocket)
        log_notice("Ready to accept connections unix");
    if (set->tls_port)
        log_notice("Ready to accept connections tls");
    supervise_ready();
}

void listeners_close(struct server *s)
{
    for (unsigned i = 0; i < s->listener_count; i++) {
        int fd = s->listeners[i].source.fd;
        reactor_remove(&s->acceptor, &s->listeners[i].source);
        close(fd);
    }
    if (s->listener_count && *server_settings.unixsocket)
        unlink(server_settings.unixsocket);
    s->listener_count = 0;
    tls_setup_end(s);
    reactor_disarm(&s->acceptor, &s->accept_retry);
    close(s->reserve_fd);
}
