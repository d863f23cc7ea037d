#include "server/blocked.h"
#include "server/slow_internal.h"

enum {
    WAITS_MAX = 3 /* then the command runs alone */
};

/* Under pins.lock. */
static void woken(struct pin_waiter *w)
{
    struct slow_client *c = container_of(w, struct slow_client, waiter);
    struct server_thread *t = thread_of(c->conn);
    atomic_store(&t->slow.event, true);
    reactor_wake(&t->net.reactor);
}

static void list(struct slow_thread *s, struct slow_client *c)
{
    c->next = NULL;
    c->link = s->last;
    *s->last = c;
    s->last = &c->next;
    s->waiting_count++;
}

static void unlist(struct slow_thread *s, struct slow_client *c)
{
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    else
        s->last = c->link;
    c->link = NULL;
    s->waiting_count--;
}

void slow_wait(struct server_thread *t, struct slow_client *c, bool slow)
{
    uint64_t at = atomic_load_explicit(&c->conn->info.commands, memory_order_relaxed) + t->at;
    c->waits = c->waited_at == at ? c->waits + 1 : 1;
    c->waited_at = at;
    client_session(c->conn)->run_alone = !slow && c->waits >= WAITS_MAX;
    stat_bump(&t->slow.waits, 1);
    list(&t->slow, c);
    conn_leave(c->conn);
}

/* Whether the command may begin to wait for a key that it then empties into another one. */
static bool moves(const struct command *cmd)
{
    return cmd->flags & CMD_BLOCKING && cmd->flags & CMD_WRITE && cmd->key_spec_count > 1;
}

/* Serving those who wait for the command's keys may change more keys: their shards are held. */
static bool must_wait_to_serve(struct server_thread *t, struct slow_client *c)
{
    uint64_t hashes[WAIT_ALSO_MAX];
    int count = wait_here(&t->txn) ? blocked_targets(t, t->exec.cmd, hashes) : 0;
    for (int i = 0; i < count; i++)
        if (pins_wait(t->server->ks, &(struct key){.hash = hashes[i]}, &c->waiter, PIN_BARS_WRITES))
            return true;
    return false;
}

/* What bars the command at its key `i`: a slow one only reads its sources. A command that may
 * become a waiter that moves things waits for who stores there, too. */
static enum pin_bar bar_at(const struct command *cmd, bool writes, uint32_t i)
{
    bool source_first = cmd->flags & CMD_SLOW && cmd->keys[0].flags & KEY_RO;
    bool some_read = cmd->flags & CMD_SLOW && cmd->key_spec_count > 1;
    if (!writes || (some_read && (i == 0) == source_first))
        return PIN_BARS_READS;
    return moves(cmd) ? PIN_BARS_ALL : PIN_BARS_WRITES;
}

bool slow_wait_must(struct server_thread *t, struct slow_client *c)
{
    const struct exec *ex = &t->exec;
    bool writes = transaction_flags(ex->session, ex->cmd) & CMD_WRITE;
    for (uint32_t i = 0; i < ex->key_count; i++)
        if (pins_wait(ex->txn->ks, &ex->keys[i], &c->waiter, bar_at(ex->cmd, writes, i)))
            return true;
    return writes && must_wait_to_serve(t, c);
}

void slow_wait_resume(struct server_thread *t)
{
    for (uint32_t left = t->slow.waiting_count; left; left--) {
        struct slow_client *c = t->slow.waiting;
        unlist(&t->slow, c);
        if (pins_is_waiting(t->server->ks, &c->waiter))
            list(&t->slow, c);
        else
            conn_return(c->conn);
    }
}

void slow_wait_init(struct slow_client *c)
{
    c->waiter.wake = woken;
    c->waited_at = UINT64_MAX;
}

void slow_wait_forget(struct server_thread *t, struct slow_client *c)
{
    pins_forget(t->server->ks, &c->waiter);
    if (c->link)
        unlist(&t->slow, c);
}
