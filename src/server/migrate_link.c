#include "server/migrate_link.h"

#include "base/clock.h"
#include "os/sock.h"
#include "server/server_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    LOOK_MS = 100, /* between looks at whether to give up */
    CHUNK_BYTES = 64 * 1024,
    LINE_MAX_BYTES = 1024
};

/* Replies come as lines; what was received of later ones waits here. */
struct line_reader {
    int fd;
    size_t used, len;
    char bytes[4096];
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

static bool send_all(const struct migrate_link *link, int fd)
{
    struct slice rest = link->request;
    while (rest.len) {
        ssize_t n = send(fd, rest.ptr, MIN(rest.len, (size_t)CHUNK_BYTES), MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n < 0 && !wait_for(link, fd, POLLOUT))
            return false;
        if (n > 0)
            rest = slice_make(rest.ptr + n, rest.len - (size_t)n);
    }
    return true;
}

static bool read_byte(const struct migrate_link *link, struct line_reader *r, char *out)
{
    while (r->used == r->len) {
        ssize_t n = recv(r->fd, r->bytes, sizeof(r->bytes), 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n < 0 && !wait_for(link, r->fd, POLLIN))
            return false;
        r->used = 0;
        r->len = n > 0 ? (size_t)n : 0;
    }
    *out = r->bytes[r->used++];
    return true;
}

/* A line without its end; what is too long is cut. */
static bool read_line(const struct migrate_link *link, struct line_reader *r,
                      char line[LINE_MAX_BYTES])
{
    size_t len = 0;
    char c;
    while (read_byte(link, r, &c)) {
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

static void read_replies(struct migrate_link *link, int fd)
{
    struct line_reader reader = {.fd = fd};
    char line[LINE_MAX_BYTES];
    for (uint32_t i = 0; i < link->greetings + link->restores; i++) {
        if (!read_line(link, &reader, line)) {
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

void migrate_link_run(struct migrate_link *link)
{
    int fd, connect_ms = (int)MIN(link->timeout_ms, (int64_t)INT32_MAX);
    link->error[0] = 0;
    if (gives_up(link) || sock_connect_tcp(link->host, link->port, connect_ms, &fd) != OK) {
        set_error(link, "IOERR error or timeout connecting to the client", "");
        return;
    }
    if (send_all(link, fd))
        read_replies(link, fd);
    else
        set_error(link, "IOERR error or timeout writing to target instance", "");
    close(fd);
}
