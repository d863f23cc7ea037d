/* session.h: what a client has told the server about itself. One per connection, owned by the
 * connection's reactor; only that thread touches it. What others may see of a client is its
 * descriptor (net/registry.h). */
#pragma once

#include "proto/reply.h"

#include <stdatomic.h>

struct transaction;
struct migration;
struct acl_user;

enum reply_mode {
    REPLY_ON,
    REPLY_OFF,
    REPLY_SKIP_NEXT,
    REPLY_SKIP
};

struct session {
    uint64_t id;
    int db;
    enum reply_proto proto;
    bool authenticated;
    bool no_touch, no_evict;
    bool close_after_reply;

    union {
        struct {
            bool in_multi;
            bool run_alone; /* its next command: it has waited for others often enough */
            bool monitors;  /* it sees what others do, and touches no key */
            bool tracked;   /* client-side caching: the server looks at each command */
            enum reply_mode reply_mode;
        };

        uint64_t special; /* one look at them all: 0 when none is set and replies are on */
    };

    uint64_t lsn; /* the newest record of the log that it has written or seen the effect of */
    uint32_t subscribed;             /* channels and patterns of all kinds */
    struct transaction *transaction; /* NULL: there was no MULTI and no WATCH yet */
    struct migration *migration;     /* of a MIGRATE that is under way: server/migrate.h */
    _Atomic bool *touched;           /* a watched key has changed: set by any thread */
    struct acl_user *user;           /* a reference; NULL: it may do everything */
    void *client;                    /* the server's own part */
};

_Static_assert(sizeof(enum reply_mode) == 4 && REPLY_ON == 0, "all of them are in `special`");

/* Subscribed, and with a protocol that cannot tell pushes from replies: only a few commands are
 * allowed. */
INLINE bool session_only_listens(const struct session *s)
{
    return unlikely(s->subscribed) && s->proto != REPLY_RESP3;
}
