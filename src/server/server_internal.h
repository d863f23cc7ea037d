/* server_internal.h: the state of the server, private to this folder.
 *
 * Threads: the main thread accepts and handles signals; each server_thread is one reactor with its
 * gate, its txn and its statistics, all of which only it writes. What is shared is in struct
 * server, each field with its rule. */
#pragma once

#include "cmd/exec.h"
#include "io/worker.h"
#include "net/conn.h"
#include "script/cache.h"
#include "script/library.h"
#include "server/acl.h"
#include "server/big_keys.h"
#include "server/busy.h"
#include "server/client_filter.h"
#include "server/dispatch.h"
#include "server/hot_keys.h"
#include "server/latency.h"
#include "server/monitor.h"
#include "server/observe.h"
#include "server/persistence.h"
#include "server/persistence_log.h"
#include "server/push.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/slow.h"
#include "server/tracking.h"
#include "store/evict.h"
#include "store/keyspace.h"
#include "store/settings.h"

/* What clients that look at it expect: the version whose replies we give. */
#define REDIS_VERSION "7.2.4"

enum {
    THREADS_MAX = 64,
    LISTENERS_MAX = 64,
    ERROR_CODES_MAX = 128,
    ERROR_CODE_BYTES = 24
};

struct command_stats { /* of one command on one thread; read by others */
    _Atomic uint64_t calls, cycles, rejected, failed;
    _Atomic(struct latency *) latency; /* NULL before the first call */
};

struct error_stat { /* of one code on one thread; the code never changes once it is counted in
                       error_codes */
    char code[ERROR_CODE_BYTES];
    _Atomic uint64_t count;
};

enum pause_kind {
    PAUSE_NONE,
    PAUSE_WRITE,
    PAUSE_ALL
};

struct server_thread {
    struct net_thread net;
    struct server *server;
    struct hot_keys hot;
    struct txn txn;
    struct evictor evictor;
    struct exec exec;
    struct reply reply;
    struct key *keys; /* of the command that runs, when it has more than one */
    uint32_t key_cap;
    uint32_t at;                    /* index in the batch of the command that runs */
    bool rerun_exclusive;           /* its key spec was wrong: again, alone */
    bool raised;                    /* exclusive mode is asked for and not yet used … */
    const struct conn *raiser;      /* … by this one, or by it last */
    _Atomic bool gate_event;        /* a gate wake has come */
    _Atomic bool client_event;      /* somebody was killed, or a pause ended: look at all clients */
    struct conn *current;           /* whose command runs */
    uint64_t serving;               /* id of the client whose parked command runs instead, or 0 */
    struct output_mark mark;        /* where its reply begins */
    const struct request *requests; /* its batch; requests[at] is the command */
    struct command_stats stats[COMMAND_COUNT];
    struct error_stat errors[ERROR_CODES_MAX];
    _Atomic uint32_t error_codes; /* used slots of errors; release after the slot is written */
    _Atomic uint64_t error_replies;
    _Atomic uint32_t held_clients;                      /* by CLIENT PAUSE */
    _Atomic uint32_t blocked_clients, blocked_timeouts; /* their commands wait; not for ever */
    struct timer expire_timer;
    struct push_hub push;
    struct slow_thread slow;
    struct tracking_hub tracking;
    struct monitor_hub monitors;
    struct command_logs logs;
    struct big_keys big;
    unsigned expire_from;     /* the shard that its next turn starts with */
    struct timer pause_timer; /* armed while clients are held */
    bool keeps_for_log;       /* txn.keep_expired is set because the log cannot be written */

    struct {          /* the commands of the EXEC or script that runs: persistence_log.h */
        uint64_t lsn; /* the newest record that they can have seen the effect of */
        bool any;     /* there is one */
        bool acted;   /* they did more than look */
    } parts;
    struct http_client *turns, **last_turn; /* HTTP messages that do their work in parts */
    struct blocked *served, **served_tail; /* their replies go when the record is in the log */
    struct blocked_client *log_waiters;    /* WAITAOF */
    struct interpreter *interpreter;       /* of scripts; NULL before the first */
    _Atomic size_t interpreter_bytes;
    struct interpreter *functions; /* of function libraries; NULL before the first */
    _Atomic size_t function_bytes; /* that it takes */
    struct nested *nested;         /* the script that runs: nested_call.h */
    struct script *nested_script;  /* its text, referenced; NULL for a function */
    struct key *nested_keys;       /* of its command that runs */
    uint32_t nested_key_cap;
    bool no_room;   /* memory was full, and nothing could go, when it was last looked at */
    bool postponed; /* the command that ran has not answered: it comes again … */
    enum reply_mode postponed_reply_mode; /* … in this mode */
};

struct listener {
    struct source source;
    struct server *server;
    enum conn_kind kind;
    bool tls;
};

/* What instantaneous_* shows: computed by the main thread, ten times a second. */
struct rates {
    _Atomic uint64_t commands, bytes_in, bytes_out; /* per second */
};

struct stats_totals { /* sums over all threads since the start or the last CONFIG RESETSTAT */
    uint64_t commands, errors, bytes_in, bytes_out, reads, writes, limit_closed, query_limit_closed;
    uint64_t hits, misses, expired, expired_members, evicted, keyspec_fallbacks;
};

struct command_sum { /* of one command */
    uint64_t calls, cycles, rejected, failed;
};

struct server {
    CACHE_ALIGNED _Atomic int
        pause; /* enum pause_kind; read for every command, changed under pause_lock */
    _Atomic int64_t pause_until_ms; /* monotonic */
    struct lock pause_lock;
    /* the user `default` for those outside the gates: clients from this id on must authenticate,
     * older ones were in before that; UINT64_MAX: nobody must */
    _Atomic uint64_t password_since_id;
    struct acl acl;
    struct slow_state slow;
    struct script_cache scripts;
    struct libraries libraries; /* functions; changed in exclusive mode */
    struct busy_state busy;
    struct snapshot_pins snapshot_pins;
    struct pubsub pubsub;
    struct prefixes prefixes; /* of clients that are tracked by them */
    _Atomic bool trimming;    /* a thread is in tracking_trim() */
    struct keyspace *ks;
    struct persistence persistence;
    struct worker_pool *pool;
    struct lock pools_lock;
    /* NULL before the first MIGRATE, the first file_job.h; guarded by pools_lock */
    struct worker_pool *migrate_pool, *file_pool;
    struct server_thread *threads[THREADS_MAX];
    unsigned thread_count;
    struct reactor acceptor; /* on the main thread */
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    struct tls_context *tls; /* of new connections; the main thread's; NULL: no port for it yet */
    struct tls_context *tls_outgoing; /* NULL: plain; changes in exclusive mode */
    struct worker_pool *handshakes;   /* there before a context is */
    struct timer accept_retry;        /* after EMFILE */
    int reserve_fd; /* given up to accept and refuse one when descriptors run out */
    struct source signal_source;
    _Atomic uint64_t next_client_id;
    _Atomic uint64_t connections_received, connections_rejected;
    _Atomic unsigned connected; /* clients accepted and not yet gone */
    _Atomic bool stopping;      /* a graceful stop has begun */
    int64_t started_ms;         /* monotonic */
    int64_t started_wall_s;
    _Atomic bool cron_paused, active_expire_off; /* DEBUG */
    _Atomic bool scripts_may_debug;              /* the same */
    char run_id[41], replication_id[41];
    /* ---- statistics: stats.c ---- */
    struct timer sample_timer; /* on the main thread */
    struct rates rates;
    _Atomic uint64_t next_log_id[COMMAND_LOGS];
    _Atomic uint64_t evicted_clients; /* since the start or CONFIG RESETSTAT */
    struct hot_session hot_session;
    struct stats_totals baseline; /* what CONFIG RESETSTAT forgot; written in exclusive mode */
    size_t startup_bytes;
    _Atomic size_t peak_bytes;
    _Atomic uint64_t lazy_freed;                  /* values and tables freed by workers */
    _Atomic int64_t main_user_us, main_system_us; /* CPU time of the main thread */
    /* ---- calls to the main thread: acceptor_call.c ---- */
    struct lock acceptor_lock;
    bool acceptor_gone; /* guarded by acceptor_lock */
};

/* The one server of this process, for the few places that have no way to it (handlers). Set by
 * server_create(). */
extern struct server *the_server;

INLINE bool server_has_password(const struct server *s)
{
    return atomic_load(&s->password_since_id) != UINT64_MAX;
}

/* Of all reactors. */
INLINE size_t server_interpreter_bytes(const struct server *s)
{
    size_t sum = 0;
    for (unsigned i = 0; i < s->thread_count; i++)
        sum += atomic_load_explicit(&s->threads[i]->interpreter_bytes, memory_order_relaxed);
    return sum;
}

INLINE struct server_thread *thread_of(struct conn *c)
{
    return container_of(c->thread, struct server_thread, net);
}

INLINE struct server_thread *exec_thread(struct exec *ex)
{
    return container_of(ex, struct server_thread, exec);
}

/* auth.c: makes the client the user whom its certificate names, if there is such a user, and it is
 * on; false: nothing has changed. The client's thread, outside the gate. */
bool auth_by_certificate(struct conn *c, struct slice name);

/* client.c: sessions. */
struct session *client_session(struct conn *c);
struct subscriber *client_subscriber(struct conn *c);
struct blocked **client_blocked(struct conn *c); /* its parked command, or NULL */
struct slow_client *client_slow(struct conn *c);
struct tracker *client_tracker(struct conn *c);
struct monitor *client_monitor(struct conn *c);
struct http_client *client_http(struct conn *c); /* NULL: it does not speak HTTP */
extern const struct conn_ops client_conn_ops;

/* client.c: what other threads asked for: closes killed clients, releases held ones. The owner
 * thread. */
void clients_look(struct server_thread *t);
/* Makes the thread call clients_look() soon. Any thread. */
void clients_wake(struct server_thread *t);
/* Publishes what CLIENT LIST shows of the connection. The owner thread. */
void client_publish(struct conn *c, uint16_t command_id, int64_t now_ms);

/* cmd_client.c */
/* False: answered with the error for names that CLIENT LIST could not show. */
bool client_check_name(struct exec *ex, struct slice name);
/* "" takes the name away. */
void client_set_name(struct conn *c, struct slice name);

/* client_list.c */
/* Calls visit for each client that passes, with its registry locked: visit takes no lock. */
void clients_visit(struct server *s, const struct client_filter *filter,
                   void (*visit)(void *arg, struct server_thread *t, struct conn_info *info),
                   void *arg);
/* Appends what CLIENT INFO shows, without a line end. The thread of the connection, or its registry
 * is locked. */
void client_describe(struct buf *out, const struct conn_info *info);
/* client_kill.c: closes the clients of a user that is about to go; its own after the reply.
 * Exclusive mode. */
void client_kill_user(struct exec *ex, struct slice user);
/* Updates what is shown of the client whose command runs. */
void client_publish_self(struct exec *ex);

/* pause.c: CLIENT PAUSE. */
/* True when the command must wait; the pause has not ended. */
bool pause_applies(struct server_thread *t, uint32_t command_flags);
/* Holds the connection until the pause ends; its command is asked again then. */
void pause_hold(struct server_thread *t, struct conn *c);
/* The same until pause_release(), or until others are released: its command may hold it again. */
void pause_hold_untimed(struct server_thread *t, struct conn *c);
void pause_release(struct server_thread *t, struct conn *c);
void pause_fired(struct timer *self);
/* The connection is no longer held, or closes. */
void pause_forget(struct server_thread *t, struct conn *c);
bool pause_active(struct server *s);

/* stats.c */
void stats_count_error(struct server_thread *t);
/* Counts a call that dispatch did not time: of EXEC, of a client that was served, of the worker
 * pool. `errors_before`: of t->reply; returns whether it failed. */
bool stats_count_call(struct server_thread *t, const struct observed *o, uint64_t cycles,
                      uint32_t errors_before);
void stats_sum(const struct server *s, struct stats_totals *out);
void stats_sum_command(const struct server *s, int id, struct command_sum *out);
/* How long its calls took; returns how many there were. */
uint64_t stats_sum_latency(const struct server *s, int id, uint64_t sums[LATENCY_BUCKETS]);
/* Exclusive mode only. */
void stats_reset(struct server *s);
void stats_start(struct server *s);
/* Also moves the peak. */
size_t stats_memory(struct server *s);

/* acceptor_call.c: runs a function on the main thread and waits for it. Exclusive mode or start
 * only; false: the server stops. */
bool acceptor_call(struct server *s, void (*run)(void *arg), void *arg);
void acceptor_call_end(struct server *s);

/* config_apply.c */
void config_apply_register(void);

/* server.c: begins a graceful stop. Any thread. */
void server_stop(struct server *s);
/* Raises the limit of descriptors for maxclients; false when the system refuses (the limit then
 * stands in *out_max). */
bool server_raise_file_limit(unsigned clients, unsigned *out_max);

/* listen.c */
extern const char error_protected[]; /* what a client from elsewhere is told in protected mode */
enum err listeners_open(struct server *s);
void listeners_close(struct server *s);
/* Logs that clients may come. */
void listeners_announce(void);
/* Opens the TCP ports anew after port or bind changed. The main thread. */
enum err listeners_reopen(struct server *s);

/* expire_cron.c: each reactor fires the timers of its share of the shards. */
void expire_cron_start(struct server_thread *t);
