/* load_client.h: one connection of the load, plain or TLS: bytes out, bytes in, and which requests
 * are under way.
 *
 * Ownership: the client owns its socket, session and buffers. One thread. Errors: a text in
 * `failure` (LOAD_FAILURE_MAX bytes), after which the client is only to be closed. */
#pragma once

#include "base/err.h"
#include "os/tls.h"

#include "tools/load_plan.h"

struct load_target {
    const char *host; /* numeric */
    int port;
    const struct load_codec *codec;
    const char *user, *password; /* may be NULL */
    unsigned database;
    struct tls_context *tls; /* NULL: plain */
};

struct load_flight {
    uint64_t since_ns; /* when the request was sent, or should have been */
    unsigned item;
};

struct load_client {
    int fd;
    bool wants_write;
    unsigned waiting, first, cap; /* the ring of flights */
    struct load_flight *flights;
    struct tls_session *tls;
    struct buf out, in, wire; /* wire: ciphertext to be sent */
};

/* Connects, shakes hands and logs in, waiting for each. cap: requests that may be under way. */
enum err load_client_open(struct load_client *c, const struct load_target *target, unsigned cap,
                          char *failure) MUST_USE;
/* Of a zeroed client with fd -1 too. */
void load_client_close(struct load_client *c);
/* Sends what is in `out`, as far as the socket takes it; load_client_blocked() tells of a rest. */
enum err load_client_flush(struct load_client *c, char *failure) MUST_USE;
bool load_client_blocked(const struct load_client *c);
/* One read: appends to `in` what there is, possibly nothing. */
enum err load_client_receive(struct load_client *c, char *failure) MUST_USE;
/* Sends one command and waits for its reply; *text is borrowed until the next call. Nothing else
 * may be under way. */
enum err load_client_ask(struct load_client *c, const struct load_target *target,
                         const struct slice *argv, uint32_t argc, enum load_reply_kind *kind,
                         struct slice *text, char *failure) MUST_USE;

INLINE void load_client_add_flight(struct load_client *c, uint64_t since_ns, unsigned item)
{
    unsigned at = c->first + c->waiting++;
    c->flights[at >= c->cap ? at - c->cap : at] = (struct load_flight){since_ns, item};
}

INLINE struct load_flight load_client_take_flight(struct load_client *c)
{
    struct load_flight flight = c->flights[c->first];
    c->first = c->first + 1 == c->cap ? 0 : c->first + 1;
    c->waiting--;
    return flight;
}
