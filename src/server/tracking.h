/* tracking.h: CLIENT TRACKING: clients keep copies of what they read and are told when it changes.
 *
 * Default mode: the keys of a client's reads are remembered in the shards' tables
 * (store/readers.h), by reactor and client id, before the read's locks drop. Whoever changes such a
 * key takes its readers out, under the same lock, and posts one message to each reactor that has
 * some. BCAST mode: prefix.h. Messages travel through the mailbox of publications (push.h) and so
 * keep their order with replies: a client hears of a change after every reply that was made before
 * it. With REDIRECT the client's reactor passes them on to the reactor of the other connection,
 * which reports back when that is gone. Owner of a tracker and of the hub: the reactor's thread.
 * Semantics and messages: redis.io/docs/latest/develop/reference/client-side-caching. */
#pragma once

#include "cmd/exec.h"
#include "net/conn.h"
#include "server/invalidation.h"
#include "server/prefix.h"
#include "store/readers.h"

struct server;
struct server_thread;

enum tracking_mode {
    TRACKING_ON = 1 << 0,
    TRACKING_BCAST = 1 << 1,
    TRACKING_OPTIN = 1 << 2,
    TRACKING_OPTOUT = 1 << 3,
    TRACKING_NOLOOP = 1 << 4,
    TRACKING_BROKEN = 1 << 5,  /* the redirection leads nowhere */
    TRACKING_CACHING = 1 << 6, /* CLIENT CACHING was given for the next command */
};

struct tracker { /* part of a client; all zero when new */
    struct conn *conn;
    unsigned modes;    /* enum tracking_mode; 0: off */
    uint64_t redirect; /* client id, 0: none */
    struct server_thread *redirect_thread;
    struct prefix_link *prefixes;
    uint32_t prefix_count;
    bool remembers; /* some read of it stands in the shards' tables, maybe */
    bool targeted;  /* in hub.targets: another client redirects to it */
};

struct tracking_hub {      /* part of a server_thread */
    struct table trackers; /* tracked clients of this reactor, by id */
    struct table targets;  /* clients of this reactor that got redirected messages, by id */
    struct prefix_hub prefix;
    _Atomic uint32_t clients; /* tracked; read by others */
    uint32_t over;     /* times in a row that trimming did not bring the table to its limit */
    uint32_t gone;     /* trackers that left since the last sweep began */
    unsigned sweep_at; /* the next shard to be swept */
    bool sweeping;
};

void tracking_hub_deinit(struct tracking_hub *hub); /* all clients are gone */

/* Begins tracking or changes its modes; prefixes (BCAST) are added. `to`: 0, or a client on
 * `to_thread`. */
void tracking_enable(struct server_thread *t, struct tracker *k, unsigned modes, uint64_t to,
                     struct server_thread *to_thread);
void tracking_disable(struct server_thread *t, struct tracker *k);
/* The client goes away. */
void tracking_forget(struct server_thread *t, struct tracker *k);
/* enum conn_flag bits. */
uint32_t tracking_flags(const struct tracker *k);

/* The command that just ran has read its keys, whose shards are still held: remembers that, if the
 * client's modes want it. */
void tracking_remember(struct exec *ex);
/* A command of a tracked client has ended (cmd may be NULL): CLIENT CACHING lasts for one command,
 * or one transaction. */
void tracking_after(struct server_thread *t, const struct command *cmd);

/* From the store, with the key's shard held: `by` as in struct changed_key. */
void tracking_changed(struct server_thread *t, const struct key *key, uint64_t by);
/* Exclusive mode: keys of whole databases are gone. */
void tracking_flushed(struct server_thread *t);

/* Sends keys to a tracked client of this reactor, or where it redirects. `cache`: the messages made
 * so far for this range, by protocol. */
struct encodings {
    struct blob *by_proto[REPLY_FRAME + 1];
};

/* Appends the invalidation of these keys to the client's output, each form encoded once per cache.
 * Its thread. */
void tracking_send(struct server_thread *t, struct tracker *k, const struct key_range *range,
                   struct encodings *cache);
void encodings_deinit(struct encodings *cache);

/* More keys than tracking-table-max-keys are remembered. */
bool tracking_is_full(const struct server_thread *t);
/* Invalidates some of them, unless another thread does; inside the gate, no lock held. */
void tracking_trim(struct server_thread *t);
/* From a timer, inside the gate: trims, and forgets what left clients have read. */
void tracking_cron(struct server_thread *t);

/* For INFO. */
uint64_t tracking_clients(const struct server *s);
