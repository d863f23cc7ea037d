#include "net/conn_gate.h"

#include "net/conn_internal.h"

static void list(struct conn *c)
{
    struct net_thread *t = c->thread;
    if (c->gate_link)
        return;
    c->next_gated = t->gated;
    c->gate_link = &t->gated;
    if (t->gated)
        t->gated->gate_link = &c->next_gated;
    t->gated = c;
}

static void unlist(struct conn *c)
{
    if (!c->gate_link)
        return;
    *c->gate_link = c->next_gated;
    if (c->next_gated)
        c->next_gated->gate_link = c->gate_link;
    c->gate_link = NULL;
}

void conn_gate_output(struct conn *c, uint64_t lsn)
{
    struct conn_gate *g = c->gate;
    if (likely(lsn <= net_safe_lsn(c->thread)))
        return;
    if (!g)
        g = c->gate = mem_zalloc(MEM_CLIENT, sizeof(*g));
    if (g->count && g->marks[g->count - 1].lsn >= lsn)
        return;
    if (g->count == GATE_MARKS) {
        g->marks[GATE_MARKS - 1].lsn = lsn;
        return;
    }
    g->marks[g->count++] = (struct gate_mark){c->passed + conn_pending(c), lsn};
    list(c);
}

size_t conn_sendable(const struct conn *c)
{
    size_t pending = conn_pending(c);
    if (likely(!c->gate || !c->gate->count))
        return pending;
    return MIN(pending, (size_t)(c->gate->marks[0].from - c->passed));
}

void conn_gate_passed(struct conn *c, size_t bytes)
{
    c->passed += bytes;
}

/* Drops the marks that hold nothing back any more; true when there were some. */
static bool release(struct conn *c, uint64_t safe)
{
    struct conn_gate *g = c->gate;
    uint32_t passed = 0;
    while (passed < g->count && g->marks[passed].lsn <= safe)
        passed++;
    if (!passed)
        return false;
    g->count -= passed;
    memmove(g->marks, g->marks + passed, g->count * sizeof(g->marks[0]));
    if (!g->count)
        unlist(c);
    return true;
}

/* What stood in front of this LSN before has left, and nothing is marked that is safe already. */
static void release_all(struct net_thread *t, uint64_t safe)
{
    if (safe == t->gate_looked)
        return;
    t->gate_looked = safe;
    for (struct conn *c = t->gated, *next; c; c = next) {
        next = c->next_gated;
        if (release(c, safe))
            conn_write(c);
    }
}

/* Dekker: we store gate_waits and read safe_lsn, the log the other way round, so either we see what
 * has become safe, or it sees that we wait and wakes us. */
void conn_gate_look(struct net_thread *t)
{
    if (likely(!t->gated))
        return;
    release_all(t, net_safe_lsn(t));
    if (!t->gated || atomic_load(&t->gate_waits))
        return;
    atomic_store(&t->gate_waits, true);
    release_all(t, atomic_load(t->safe_lsn));
}

void conn_gate_deinit(struct conn *c)
{
    unlist(c);
    if (c->gate)
        mem_free(MEM_CLIENT, c->gate, sizeof(*c->gate));
}
