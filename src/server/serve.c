/* serve.c: runs the commands of parked clients in the txn that made their keys ready. */
#include "base/clock.h"
#include "cmd/key_guard.h"
#include "server/acl_session.h"
#include "server/blocked.h"
#include "server/server_internal.h"

/* ---- locks ---- */

/* What one command may put into a key that had nothing: only the list commands say how much by
 * their length. */
static uint32_t most_elements(const struct exec *ex, const struct command *cmd)
{
    return strcmp(cmd->group, "list") == 0 ? ex->argc : UINT32_MAX;
}

static bool holds_all(const struct txn *t, const uint64_t *hashes, int count)
{
    for (int i = 0; i < count; i++)
        if (!txn_holds(t, hashes[i]))
            return false;
    return true;
}

static void lock_more(struct exec *ex, const uint64_t *hashes, int count)
{
    uint32_t all = ex->key_count + (uint32_t)count;
    struct key *keys = mem_alloc(MEM_OTHER, all * sizeof(*keys));
    memcpy(keys, ex->keys, ex->key_count * sizeof(*keys));
    for (int i = 0; i < count; i++)
        keys[ex->key_count + (uint32_t)i] = (struct key){SLICE(""), hashes[i]};
    txn_lock(ex->txn, keys, all);
    mem_free(MEM_OTHER, keys, all * sizeof(*keys));
}

int blocked_targets(struct server_thread *t, const struct command *cmd,
                    uint64_t hashes[WAIT_ALSO_MAX])
{
    const struct exec *ex = &t->exec;
    uint32_t most = most_elements(ex, cmd);
    int db = most == UINT32_MAX ? -1 : t->txn.db->id;
    return wait_also(&t->txn, ex->keys, ex->key_count, most, db, hashes);
}

/* While the locks are open the waiters may change: once more, then alone. */
bool blocked_lock_targets(struct server_thread *t, const struct command *cmd)
{
    uint64_t hashes[WAIT_ALSO_MAX];
    for (int round = 0; round < 2; round++) {
        int count = blocked_targets(t, cmd, hashes);
        if (count >= 0 && holds_all(&t->txn, hashes, count))
            return true;
        txn_unlock(&t->txn);
        if (count < 0)
            return false;
        if (round == 0)
            lock_more(&t->exec, hashes, count);
    }
    return false;
}

/* ---- running ---- */

static void run_handler(struct server_thread *t, struct blocked *b, struct session *session)
{
    struct exec *ex = &t->exec;
    const struct queued_command *q = b->command;
    *ex = (struct exec){.txn = &t->txn,
                        .reply = &t->reply,
                        .argv = q->argv,
                        .argc = q->argc,
                        .key_count = q->key_count,
                        .keys = q->keys,
                        .cmd = q->cmd,
                        .session = session,
                        .served = true,
                        .slow_limit = UINT64_MAX};
    t->txn.no_touch = b->no_touch;
    txn_group(&t->txn);
    txn_select(&t->txn, b->waiter.db);
    key_guard_call(ex);
    txn_next(&t->txn, q->argv, q->argc);
}

/* Rules may have changed since it began to wait. False: answered. */
static bool still_permitted(struct server_thread *t, const struct blocked *b)
{
    const struct blocked_client *client = b->client;
    const struct queued_command *q = b->command;
    struct buf why;
    if (likely(!atomic_load_explicit(&client->user->restricted, memory_order_relaxed)))
        return true;
    buf_init(&why, MEM_OTHER);
    bool permitted =
        acl_permits_blocked(t, client->user, b->session_id, q->cmd, q->argv, q->argc, &why);
    if (!permitted)
        reply_errorf(&t->reply, "NOPERM %.*s", (int)buf_len(&why), buf_ptr(&why));
    buf_deinit(&why);
    return permitted;
}

static void count_refused(struct server_thread *t, const struct command *cmd)
{
    stat_bump(&t->stats[cmd->id].rejected, 1);
    stats_count_error(t);
}

/* The claimed command runs and its reply goes to its client. */
static void serve_one(struct server_thread *t, struct blocked *b)
{
    struct blocked_client *client = b->client;
    struct session session = {.id = b->session_id, .db = b->waiter.db, .proto = b->proto};
    const struct queued_command *q = b->command;
    struct observed o = {.cmd = q->cmd, .argv = q->argv, .argc = q->argc, .client = b->session_id};
    uint64_t started = clock_cycles();
    wait_leave(&t->txn, &b->waiter);
    t->reply = (struct reply){.out = &client->reply, .proto = b->proto};
    reply_begin(&t->reply);
    bool permitted = still_permitted(t, b);
    if (likely(permitted)) {
        t->serving = b->session_id;
        run_handler(t, b, &session);
        t->serving = 0;
    }
    reply_end(&t->reply);
    if (likely(permitted))
        stats_count_call(t, &o, clock_cycles() - started, 0);
    else
        count_refused(t, q->cmd);
    *t->served_tail = b;
    t->served_tail = &b->next_served;
}

void blocked_post_served(struct txn *txn)
{
    struct server_thread *t = container_of(txn, struct server_thread, txn);
    struct blocked *b = t->served, *next;
    t->served = NULL;
    t->served_tail = &t->served;
    for (; b; b = next) {
        struct blocked_client *client = b->client;
        next = b->next_served;
        client->lsn = txn->lsn;
        blocked_post(t, b);
    }
}

static void serve_key(struct server_thread *t, const struct ready_key *r)
{
    uint64_t after = 0;
    struct waiter *w;
    struct ref ref;
    do {
        txn_find_in(&t->txn, r->db, &r->key, &ref);
        w = wait_claim_next(&t->txn, r->db, &ref, &after);
        if (w)
            serve_one(t, container_of(w, struct blocked, waiter));
    } while (w);
}

void blocked_serve(struct txn *txn)
{
    struct server_thread *t = container_of(txn, struct server_thread, txn);
    struct exec exec = t->exec;
    struct reply reply = t->reply;
    struct ready_key *r;
    txn->now_ms = MAX(txn->now_ms, clock_wall_ms()); /* a long EXEC: its keys may have expired */
    while ((r = wait_take_ready(txn))) {
        serve_key(t, r);
        wait_free_ready(r);
    }
    t->exec = exec;
    t->reply = reply;
}
