/* push.h: a reactor's side of publish/subscribe: which of its clients listen to what, and the
 * publications on their way to them.
 *
 * A publication is copied once for all reactors; its bytes are made once per protocol, by the first
 * reactor that needs them, and shared. It comes through a mailbox of its own, which is emptied
 * before each command, at the end of a batch (so that a client's own PUBLISH is answered first) and
 * at the end of a turn. A subscription gets the publications numbered above `since` and not above
 * `until`: exactly those that PUBLISH counted it for.
 * Owner: the reactor's thread, except for push_publish(), which posts. Complexity: subscribing O(1)
 * expected, delivery O(subscribers of this reactor), leaving O(own subscriptions). */
#pragma once

#include "cmd/exec.h"
#include "cmd/pubsub.h"
#include "io/mailbox.h"
#include "net/conn.h"

struct server_thread;

struct subscription {
    struct subscription *next, **link;         /* of the topic */
    struct subscription *next_own, **link_own; /* of the subscriber and kind */
    struct local_topic *topic;
    struct subscriber *owner;
    uint64_t hash, since, until;
};

struct local_topic { /* a channel or pattern with a subscriber on this reactor */
    uint64_t hash;
    struct subscription *first;
    enum pubsub_kind kind;
    size_t len;
    char name[];
};

struct subscriber { /* part of a client; all zero when new */
    struct conn *conn;
    struct subscription *first[PUBSUB_KINDS];
    uint32_t count[PUBSUB_KINDS];
};

struct push_hub { /* part of a server_thread */
    struct mailbox mailbox;
    bool defers;   /* what is posted waits for the record of the change: push_defer() */
    bool releases; /* what has waited is being posted */
    struct deferred *deferred, **deferred_tail; /* tail NULL: empty */
    struct table topics[PUBSUB_KINDS];
    struct table subscriptions;   /* by topic and subscriber */
    _Atomic uint32_t subscribers; /* clients with a subscription */
};

void push_hub_deinit(struct push_hub *hub); /* all clients are gone */

/* Subscribes; false: it was subscribed. */
bool push_subscribe(struct subscriber *s, enum pubsub_kind kind, struct slice name);
/* Delivers what was published before and unsubscribes; false: it was not subscribed. */
bool push_unsubscribe(struct exec *ex, struct subscriber *s, enum pubsub_kind kind,
                      struct slice name);
/* The client resets or goes away: leaves all at once, and nothing more is delivered. */
void push_forget(struct subscriber *s);

INLINE uint32_t push_total(const struct subscriber *s)
{
    return s->count[PUBSUB_CHANNEL] + s->count[PUBSUB_PATTERN] + s->count[PUBSUB_SHARD];
}

/* Publishes; returns the number of receivers. Posts under the locks of pubsub.h. The message leaves
 * when what the current client has done or seen is safe; between push_defer() and push_defer_end(),
 * when all that is logged at its delivery is. */
uint64_t push_publish(struct server_thread *t, enum pubsub_kind kind, struct slice channel,
                      struct slice payload);

/* Other things that are delivered in this order: a message to a reactor (`run` gets its
 * server_thread). Any thread; `self` is the caller's. */
void push_post(struct server_thread *self, struct server_thread *to, struct message *m);
/* Between the two, on a txn that logs, messages wait until its record is in the log: then
 * push_logged() (keyspace.logged) posts them, so at delivery the newest LSN covers the change. What
 * was published is numbered only then: so messages of a channel come in one order to all. */
void push_defer(struct txn *txn);
void push_defer_end(struct txn *txn);
void push_logged(struct txn *txn);

/* Sends bytes to a client of this reactor, behind all that was written before, once the log is safe
 * up to `lsn`. */
void push_bytes(struct server_thread *t, struct conn *c, struct blob *b, uint64_t lsn);
/* The bytes of an output without references. The caller's reference. */
struct blob *push_blob(const struct output *o);
/* Delivers in front of the reply that has begun, but holds nothing yet. */
void push_deliver_before_reply(struct server_thread *t);

/* Delivers what has come: not in the middle of a reply. */
INLINE void push_deliver(struct push_hub *hub, struct server_thread *t)
{
    mailbox_drain(&hub->mailbox, t);
}
