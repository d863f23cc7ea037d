/* server_internal.h: the state of the server, private to this folder.
 *
 * Threads: the main thread accepts and handles signals; each server_thread is one reactor with its gate, its txn and its statistics,
 * all of which only it writes. What is shared is in struct server, each field with its rule. */
#pragma once

#include "cmd/exec.h"
#include "io/worker.h"
#include "net/conn.h"
#include "server/server.h"
#include "server/settings.h"
#include "store/evict.h"
#include "store/keyspace.h"
#include "store/settings.h"

enum { THREADS_MAX = 64, LISTENERS_MAX = 40 };

enum engine_status { ENGINE_WAITING, ENGINE_BUSY, ENGINE_SHUTTING_DOWN };

struct command_stats { /* of one command on one thread; read by others */
    _Atomic uint64_t calls, cycles, rejected, failed;
};

struct server_thread {
    struct net_thread net;
    struct server *server;
    struct txn txn;
    struct evictor evictor;
    struct exec exec;
    struct reply reply;
    struct key *keys; /* of the command that runs, when it has more than one */
    uint32_t key_cap;
    uint32_t at;      /* index in the batch of the command that runs */
    bool rerun_exclusive;   /* its key spec was wrong: again, alone */
    bool raised;            /* exclusive mode is asked for and not yet used */
    _Atomic bool gate_event; /* a gate wake has come */
    struct conn *current;    /* whose command runs */
    struct command_stats stats[COMMAND_COUNT];
    struct timer expire_timer;
};

struct listener {
    struct source source;
    struct server *server;
    enum conn_kind kind;
};

struct error_stat;

struct server {
    struct keyspace *ks;
    struct worker_pool *pool;
    struct server_thread *threads[THREADS_MAX];
    unsigned thread_count;
    struct reactor acceptor; /* on the main thread */
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    struct timer accept_retry; /* after EMFILE */
    int reserve_fd;            /* given up to accept and refuse one when descriptors run out */
    struct source signal_source;
    _Atomic uint64_t next_client_id;
    _Atomic uint64_t connections_received, connections_rejected;
    _Atomic unsigned connected; /* clients accepted and not yet gone */
    _Atomic int status;         /* enum engine_status */
    int64_t started_ms;         /* monotonic */
    _Atomic bool cron_paused, active_expire_off; /* DEBUG */
    char run_id[41];
};

/* The one server of this process, for the few places that have no way to it (handlers). Set by server_create(). */
extern struct server *the_server;

INLINE struct server_thread *thread_of(struct conn *c)
{
    return container_of(c->thread, struct server_thread, net);
}

INLINE struct server_thread *exec_thread(struct exec *ex)
{
    return container_of(ex, struct server_thread, exec);
}

/* client.c: sessions. */
struct session *client_session(struct conn *c);
extern const struct conn_ops client_conn_ops;

/* dispatch.c */
uint32_t dispatch(struct conn *c, struct request *requests, uint32_t count, struct output *out);
void dispatch_gate_wake(void *arg);

/* listen.c */
enum err listeners_open(struct server *s);
void listeners_close(struct server *s);

/* expire_cron.c: each reactor fires the timers of its share of the shards. */
void expire_cron_start(struct server_thread *t);
