#include "server/migrate_link.h"

#include "base/clock.h"
#include "base/log.h"
#include "os/sock.h"
#include "os/tls.h"
#include "server/server_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    LOOK_MS = 100, /* between looks at whether to give up */
    CHUNK_BYTES = 64 * 1024,
    READ_BYTES = 4096,
    LINE_MAX_BYTES = 1024
};

/* The connection. Replies come as lines; what was received of later ones waits in `bytes`. */
struct target {
    const struct migrate_link *link;
    int fd;
    struct tls_session *tls; /* NULL: without */
    struct buf wire;         /* what it wants to be sent */
    size_t used, len;
    char bytes[READ_BYTES + TLS_RECORD_MAX];
};

static bool gives_up(const struct migrate_link *link)
{
    return atomic_load(link->cancelled) || atomic_load(&the_server->stopping);
}

/* False: the time is up, or nobody waits for the result any more. */
static bool wait_for(const struct migrate_link *link, int fd, short wanted)
{
    int64_t now_ms = clock_monotonic_ms(), until_ms;
    if (ckd_add(&until_ms, now_ms, link->timeout_ms))
        until_ms = INT64_MAX;
    for (; now_ms < until_ms && !gives_up(link); now_ms = clock_monotonic_ms()) {
        struct pollfd pfd = {.fd = fd, .events = wanted};
        if (poll(&pfd, 1, (int)MIN(until_ms - now_ms, (int64_t)LOOK_MS)) == 1)
            return true;
    }
    return false;
}

static bool send_bytes(const struct target *to, struct slice rest)
{
    while (rest.len) {
        ssize_t n = send(to->fd, rest.ptr, MIN(rest.len, (size_t)CHUNK_BYTES), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0 && !wait_for(to->link, to->fd, POLLOUT))
            return false;
        if (n > 0)
            rest = slice_make(rest.ptr + n, rest.len - (size_t)n);
    }
    return true;
}

static bool send_wire(struct target *to)
{
    bool sent = send_bytes(to, buf_slice(&to->wire));
    buf_clear(&to->wire);
    return sent;
}

static bool send_all(struct target *to, struct slice rest)
{
    if (!to->tls)
        return send_bytes(to, rest);
    while (rest.len) {
        size_t len = MIN(rest.len, (size_t)CHUNK_BYTES);
        if (tls_encrypt(to->tls, rest.ptr, len) != OK || !send_wire(to))
            return false;
        rest = slice_make(rest.ptr + len, rest.len - len);
    }
    return true;
}

/* What came, to `bytes`, perhaps nothing. False: there is no more. */
static bool receive(struct target *from)
{
    char cipher[READ_BYTES];
    from->used = from->len = 0;
    ssize_t n = recv(from->fd, from->tls ? cipher : from->bytes, READ_BYTES, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return false;
    if (n < 0)
        return wait_for(from->link, from->fd, POLLIN);
    if (from->tls) {
        n = tls_decrypt(from->tls, cipher, (size_t)n, from->bytes);
        if (n < 0 || !send_wire(from) || (n == 0 && tls_over(from->tls)))
            return false;
    }
    from->len = (size_t)n;
    return true;
}

static bool read_byte(struct target *from, char *out)
{
    while (from->used == from->len)
        if (!receive(from))
            return false;
    *out = from->bytes[from->used++];
    return true;
}

/* A line without its end; what is too long is cut. */
static bool read_line(struct target *from, char line[LINE_MAX_BYTES])
{
    size_t len = 0;
    char c;
    while (read_byte(from, &c)) {
        if (c == '\n') {
            line[len - (len && line[len - 1] == '\r')] = 0;
            return true;
        }
        if (len < LINE_MAX_BYTES - 1)
            line[len++] = c;
    }
    return false;
}

static void set_error(struct migrate_link *link, const char *prefix, const char *text)
{
    if (!link->error[0]) /* the first one is told */
        snprintf(link->error, sizeof(link->error), "%s%s", prefix, text);
}

static void read_replies(struct migrate_link *link, struct target *from)
{
    char line[LINE_MAX_BYTES];
    for (uint32_t i = 0; i < link->greetings + link->restores; i++) {
        if (!read_line(from, line)) {
            set_error(link, "IOERR error or timeout reading to target instance", "");
            return;
        }
        if (line[0] == '-')
            set_error(link, "ERR Target instance replied with error: ", line + 1);
        if (i >= link->greetings) /* a refused greeting leaves nothing to be trusted */
            link->accepted[i - link->greetings] = line[0] != '-';
        else if (line[0] == '-')
            return;
    }
}

static bool shake_hands(struct target *with)
{
    with->tls = tls_client_session_create(with->link->tls, &with->wire);
    if (!with->tls || !send_wire(with))
        return false;
    while (!tls_established(with->tls))
        if (!receive(with)) {
            log_notice("MIGRATE: no TLS with %s:%d: %s", with->link->host, with->link->port,
                       tls_failure(with->tls));
            return false;
        }
    return true;
}

static bool dial(struct target *to)
{
    const struct migrate_link *link = to->link;
    int connect_ms = (int)MIN(link->timeout_ms, (int64_t)INT32_MAX);
    if (gives_up(link) || sock_connect_tcp(link->host, link->port, connect_ms, &to->fd) != OK)
        return false;
    return !link->tls || shake_hands(to);
}

static void hang_up(struct target *to)
{
    if (to->tls && tls_established(to->tls)) {
        tls_end(to->tls);
        (void)send(to->fd, buf_ptr(&to->wire), buf_len(&to->wire), MSG_NOSIGNAL);
    }
    tls_session_destroy(to->tls);
    buf_deinit(&to->wire);
    if (to->fd >= 0)
        close(to->fd);
}

void migrate_link_run(struct migrate_link *link)
{
    struct target target = {.link = link, .fd = -1};
    buf_init(&target.wire, MEM_OTHER);
    link->error[0] = 0;
    if (!dial(&target))
        set_error(link, "IOERR error or timeout connecting to the client", "");
    else if (send_all(&target, link->request))
        read_replies(link, &target);
    else
        set_error(link, "IOERR error or timeout writing to target instance", "");
    hang_up(&target);
}
