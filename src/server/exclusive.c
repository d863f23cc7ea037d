/* exclusive.c: taking all gates, giving them back, and giving the request up. */
#include "server/exclusive.h"

/* Who is parked on this thread asks again: a wake may have been meant for the turn that has ended.
 */
static void retry_parked(struct server_thread *t)
{
    atomic_store(&t->gate_event, true);
    t->net.reactor.again = true;
}

bool exclusive_enter(struct run *run)
{
    struct server_thread *t = run->thread;
    struct gates *gates = &t->server->ks->gates;
    if (run->inside)
        gate_leave(gates, t->txn.self);
    run->inside = false;
    if (!slow_bar(t, run->conn))
        return false;
    enum gate_grant grant = gate_exclusive(gates, t->txn.self);
    t->raised = grant != GATE_BUSY;
    t->raiser = run->conn;
    return grant == GATE_GRANTED;
}

void exclusive_leave(struct run *run)
{
    struct server_thread *t = run->thread;
    t->raised = false;
    t->rerun_exclusive = run->session->run_alone = false;
    gate_open(&t->server->ks->gates, t->txn.self);
    slow_unbar(t);
    if (unlikely(t->net.parked)) /* another one's request was used up */
        retry_parked(t);
}

void exclusive_forget(struct server_thread *t, const struct conn *c)
{
    if (t->slow.barrer == c && t->slow.barred) {
        slow_unbar(t);
        retry_parked(t);
    }
    if (!t->raised || t->raiser != c)
        return;
    t->raised = false;
    gate_open(&t->server->ks->gates, t->txn.self);
    retry_parked(t);
}
