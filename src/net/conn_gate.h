/* conn_gate.h: output that must not leave before the log has what it tells of.
 *
 * Every reply has a number, the newest record of the log that it can have seen the effect of (0:
 * none), and may leave when the thread's `safe_lsn` is not below it. A connection's pending output
 * has marks: from this place on, bytes wait for this LSN. The LSNs of the marks rise, so only the
 * bytes in front of the first mark may leave. When everything is safe there are no marks.
 *
 * Owner: the connection's reactor. Memory: a connection's marks are made when it needs the first
 * one, and stay. Complexity: O(1) per run of output, O(gated connections) when safe_lsn has risen.
 */
#pragma once

#include "net/conn.h"

enum {
    GATE_MARKS = 8 /* more are merged with the last one: it then waits longer than it must */
};

struct conn_gate {
    uint32_t count;

    struct gate_mark {
        uint64_t from; /* place in all that ever went through the pending output */
        uint64_t lsn;
    } marks[GATE_MARKS];
};

INLINE uint64_t net_safe_lsn(const struct net_thread *t)
{
    /* acquire: pairs with the log's thread, which has written what it declares safe */
    return atomic_load_explicit(t->safe_lsn, memory_order_acquire);
}

/* What is appended to the pending output next waits for this LSN. Call before appending. */
void conn_gate_output(struct conn *c, uint64_t lsn);
/* How many bytes of the pending output may leave. */
size_t conn_sendable(const struct conn *c);
/* So many of them have left. */
void conn_gate_passed(struct conn *c, size_t bytes);
/* safe_lsn may have risen: sends what may leave now. At the end of a turn. */
void conn_gate_look(struct net_thread *t);
/* The connection is destroyed. */
void conn_gate_deinit(struct conn *c);
