/* conn.h: a client's connection on its reactor: bytes in, requests out to the server, replies back.
 *
 * Owner: the net_thread that the connection was handed to, for life. Others hold the conn_info
 * (registry.h) or an id and post messages. Input: one recv per readiness into the thread's buffer;
 * requests are parsed in place and executed in batches; only an unfinished tail is copied to the
 * connection. Output: the replies of a turn stand one behind the other in the thread's output; at
 * the end of the turn each connection's run leaves in one send (reading all before writing all
 * makes turns, and so waits, fewer). What a socket does not take moves to its connection and waits
 * for writability. Closing: conn_close() only marks; the memory goes at the end of the reactor's
 * turn, so no callee frees a connection under its caller. */
#pragma once

#include "io/reactor.h"
#include "net/registry.h"
#include "net/transport.h"
#include "proto/reply.h"
#include "proto/request.h"

struct net_thread;

enum conn_state {
    CONN_OPEN,
    CONN_FLUSHING, /* no more input; closes when the output is sent */
    CONN_CLOSED,   /* in the graveyard */
};

/* How far an output has been sent. */
struct out_cursor {
    size_t bytes;    /* of output.bytes */
    uint32_t refs;   /* refs sent completely */
    size_t ref_part; /* bytes of the next ref */
};

struct conn {
    struct source source;
    struct net_thread *thread;
    struct conn *next, **link; /* all of the thread */
    struct conn *next_parked, *next_dead, *next_pushed;
    struct conn *next_gated, **gate_link; /* of the thread; gate_link NULL: not among them */
    struct parser parser;
    struct buf in; /* unread bytes: an unfinished request, or everything while parked */
    struct output pending;
    struct out_cursor sent;
    struct transport *transport; /* NULL: requests and replies stand on the socket as they are */
    uint64_t passed;             /* bytes of the pending output that have ever been sent */
    struct conn_gate *gate;      /* what of it must wait: conn_gate.h; NULL: never anything */
    enum conn_state state;
    bool parked;  /* waits in the thread's list for conn_resume_all() */
    bool pushed;  /* stands in the thread's list of those to be written at the end of the turn */
    bool held;    /* not read until conn_release(): CLIENT PAUSE */
    bool blocked; /* read, so that its end is noticed, but nothing executed: its command waits */
    bool away;    /* not read until conn_return(): its command runs elsewhere, or waits */
    enum client_class class;
    size_t queued_bytes;   /* of requests taken out of `in` and not yet run (MULTI): the input limit
                              counts them */
    size_t gathered_bytes; /* of replies that the server keeps until all of a message's are there:
                              the output limits count them */
    int64_t soft_since_ms; /* when the soft output limit was passed; 0: it is not */
    int64_t active_ms;     /* monotonic */
    int64_t opened_ms;     /* monotonic: when the time to authenticate began */
    int64_t
        message_ms; /* of HTTP: monotonic, when its unfinished message began; 0: there is none */
    uint64_t queued_at; /* the thread's `flushes` when a run was queued; older: none waits */
    struct conn_info info;
    void *session; /* of the server */
};

struct conn_ops {
    void (*opened)(struct conn *c);
    /* Its transport is ready: whose connection it is, is now known. May answer and close it. */
    void (*ready)(struct conn *c, struct output *out);
    /* Executes requests in order, replies into `out`; returns how many are done. Fewer than count:
     * the rest stays unread (the connection was parked or held, or is closing), or is given again
     * when the replies are sent (more than LIMIT_TURN_OUTPUT_BYTES of them). Requests with argc 0
     * count as done. */
    uint32_t (*execute)(struct conn *c, struct request *requests, uint32_t count,
                        struct output *out);
    /* Answers the parser's error; the connection closes after it. */
    void (*protocol_error)(struct conn *c, struct output *out);
    /* The connection is going away; its session is freed here. */
    void (*closed)(struct conn *c);
    /* Replies are about to leave that must not yet: makes them safe at once, or sees to it that
     * they will be. */
    void (*commit)(struct net_thread *t);
};

/* Adds to a counter that only its owner thread writes. */
INLINE void stat_bump(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

struct net_counters { /* of one thread, read by others */
    CACHE_ALIGNED _Atomic uint64_t bytes_in, bytes_out, reads, writes, limit_closed,
        query_limit_closed;
};

/* Replies of one connection in the thread's output, to be sent at the end of the turn. */
struct queued_reply {
    struct conn *conn;
    size_t begin, end;
    uint64_t lsn; /* what it waits for */
};

enum {
    QUEUED_MAX = 256,
    QUEUED_BYTES = 128 * 1024
};

struct net_thread {
    struct reactor reactor;
    struct registry registry;
    struct net_counters counters;
    const struct conn_ops *ops;
    struct conn *conns;
    struct conn *parked, **parked_tail, *dead, *pushed;
    uint64_t conn_count;
    struct timer cron;
    struct output out;
    struct queued_reply queued[QUEUED_MAX];
    uint32_t queued_count;
    uint64_t flushes; /* of the queued runs, from 1 */
    /* What replies wait for: conn_gate.h. */
    const _Atomic uint64_t *safe_lsn;
    uint64_t reply_lsn;  /* of the output since the last conn_reply() */
    uint64_t queued_lsn; /* the highest of the queued runs */
    struct conn *gated;
    uint64_t gate_looked;    /* the safe_lsn by which `gated` was looked through last */
    _Atomic bool gate_waits; /* wake the reactor when safe_lsn has risen */
    struct request_arena arena;
    char *receive;               /* LIMIT_RECV_BYTES */
    struct mailbox adoptions;    /* sockets handed over */
    const struct conn *occupied; /* whose command the turn is inside: inner_turn.c */
    struct transport_wire wire;
    struct handshakes handshakes;
    void *owner; /* of the server */
};

enum err net_thread_init(struct net_thread *t, const struct poller_ops *poller, unsigned id,
                         const struct conn_ops *ops) MUST_USE;
/* Closes all connections and frees everything. The reactor and its workers no longer run. */
void net_thread_deinit(struct net_thread *t);

/* A turn inside a command of `c` that takes long: accepts, reads, executes and answers for the
 * thread's other connections. No message is received, no timer fires, no connection is freed, and
 * what the command has written and been given stays as it is. The owner thread. */
void net_thread_inner_turn(struct net_thread *t, const struct conn *c);

/* Last in each turn: sends the replies, frees what was closed. */
void net_thread_end_turn(struct net_thread *t);

struct arrival { /* an accepted socket */
    int fd;
    enum conn_kind kind;
    uint64_t id;
    bool proxied;                   /* a PROXY header comes first */
    struct tls_context *tls;        /* NULL: plain; the reference goes along */
    struct worker_pool *handshakes; /* who does them */
};

/* Hands a socket over: any thread. */
void net_thread_adopt(struct net_thread *t, struct arrival arrival);

/* The owner thread only, from here on. */
void conn_close(struct conn *c);
void conn_close_after_flush(struct conn *c);
/* Keeps the connection's requests unread until conn_resume_all(): it must wait for its gate. */
void conn_park(struct conn *c);
void conn_resume_all(struct net_thread *t);
/* Stops and restarts reading and executing (CLIENT PAUSE). */
void conn_hold(struct conn *c);
void conn_release(struct conn *c);
/* Stops and restarts executing: what comes meanwhile is kept, up to the input limit. */
void conn_block(struct conn *c);
void conn_unblock(struct conn *c);
/* The same while a command of the connection runs on another thread, or waits for one that does. */
void conn_leave(struct conn *c);
void conn_return(struct conn *c);
/* Takes what was written to the thread's output from `begin` on as c's next bytes: they leave at
 * the end of the turn, if what reply_lsn says is safe then; it is 0 afterwards. */
void conn_reply(struct conn *c, size_t begin);
/* Appends what comes from elsewhere than the connection's own commands, behind all that was
 * queued: it leaves at the end of the turn. The caller may be in the middle of another connection's
 * reply; of c's own, never. */
void conn_push(struct conn *c, struct blob *bytes, uint64_t lsn);
/* The same for a reply made elsewhere: takes its content, however long, without copying it. */
void conn_deliver(struct conn *c, struct output *reply, uint64_t lsn);
/* Sends all queued replies; the thread's output is empty afterwards. */
void conn_flush_queued(struct net_thread *t);
/* Whether that many bytes of replies, not yet given to it, are within the hard limit of its class;
 * gathered ones are among them. */
bool conn_allows(const struct conn *c, size_t bytes);
/* So many bytes of replies are gathered for it now; beyond its limits it is closed. */
void conn_gather(struct conn *c, size_t bytes);
/* Pending output in bytes. */
size_t conn_pending(const struct conn *c);
/* Wakes the thread's reactor if output waits for safe_lsn, which has risen. Any thread. */
void net_thread_safe(struct net_thread *t);
/* Sends what is pending, blocking at most until that monotonic time: for a graceful stop. */
void conn_drain(struct conn *c, int64_t until_ms);
