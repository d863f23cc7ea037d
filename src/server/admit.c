/* admit.c: the checks in front of a command, in the order of Redis, and their texts. */
#include "server/admit.h"

#include "base/clock.h"
#include "base/log.h"
#include "cmd/transaction.h"
#include "server/call_keys.h"
#include "server/protected.h"

#include <stdio.h>

enum {
    SECURITY_LOG_MS = 60 * 1000
};

/* A browser tricked into sending us its request: nothing of it may run, nothing is answered. */
COLD static bool is_http(const struct request *r)
{
    return slice_is(r->argv[0], "post") || slice_is(r->argv[0], "host:");
}

COLD static void log_http(const struct conn *c)
{
    static _Atomic int64_t last_ms = INT64_MIN / 2;
    int64_t now_ms = clock_monotonic_ms(), last = atomic_load(&last_ms);
    if (now_ms - last < SECURITY_LOG_MS || !atomic_compare_exchange_strong(&last_ms, &last, now_ms))
        return;
    log_warning(
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
        "commands to Redis. This is likely due to an attacker attempting to use Cross "
        "Protocol Scripting to compromise your Redis instance. Connection from %s aborted.",
        c->info.peer);
}

COLD static void reject_unknown(struct reply *reply, const struct request *r)
{
    char args[160];
    size_t len = 0;
    for (uint32_t i = 1; i < r->argc && len < 128; i++) {
        int room = (int)(128 - len), show = (int)MIN(r->argv[i].len, (size_t)room);
        len += (size_t)snprintf(args + len, sizeof(args) - len, "'%.*s' ", show, r->argv[i].ptr);
    }
    args[len] = 0;
    reply_errorf(reply, "ERR unknown command '%.*s', with args beginning with: %s",
                 (int)MIN(r->argv[0].len, (size_t)128), r->argv[0].ptr, args);
}

COLD static void reject_subcommand(struct reply *reply, const struct command *cmd,
                                   const struct request *r)
{
    char upper[32];
    snprintf(upper, sizeof(upper), "%s", cmd->name);
    for (char *p = upper; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    reply_errorf(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                 (int)MIN(r->argv[1].len, (size_t)128), r->argv[1].ptr, upper);
}

/* A name that is no command's. */
COLD static void reject_unnamed(const struct run *run, const struct request *r)
{
    if (!is_http(r)) {
        reject_unknown(&run->thread->reply, r);
        return;
    }
    log_http(run->conn);
    conn_close(run->conn);
}

/* An EXEC that is refused has a code of its own. */
COLD static void refuse(struct server_thread *t, const struct command *cmd, const char *text)
{
    if (cmd->id != CMD_ID_exec) {
        reply_error(&t->reply, text);
        return;
    }
    size_t skip = strncmp(text, "ERR ", 4) == 0 ? 4 : 0;
    reply_errorf(&t->reply, "EXECABORT Transaction discarded because of: %s", text + skip);
}

COLD static void refuse_arity(struct server_thread *t, const struct command *cmd)
{
    char text[128];
    snprintf(text, sizeof(text), "ERR wrong number of arguments for '%s' command", cmd->full_name);
    refuse(t, cmd, text);
}

/* What must be told before the command is queued. */
static bool may_be_queued(struct server_thread *t, const struct command *cmd)
{
    if (cmd->flags & CMD_NO_MULTI) {
        reply_error(&t->reply, "ERR Command not allowed inside a transaction");
        return false;
    }
    return protected_admits(t, cmd);
}

static bool is_for_listeners(const struct command *cmd)
{
    switch (cmd->id) {
    case CMD_ID_ping:
    case CMD_ID_quit:
    case CMD_ID_reset:
    case CMD_ID_subscribe:
    case CMD_ID_psubscribe:
    case CMD_ID_ssubscribe:
    case CMD_ID_unsubscribe:
    case CMD_ID_punsubscribe:
    case CMD_ID_sunsubscribe:
        return true;
    default:
        return false;
    }
}

COLD static void refuse_listener(struct server_thread *t, const struct command *cmd)
{
    char text[192];
    snprintf(text, sizeof(text),
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             cmd->full_name);
    refuse(t, cmd, text);
}

COLD static void refuse_user(struct server_thread *t, const struct command *cmd,
                             const struct buf *why)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    buf_printf(&text, "NOPERM %.*s", (int)buf_len(why), buf_ptr(why));
    refuse(t, cmd, buf_ptr(&text));
    buf_deinit(&text);
}

bool admit_by_rules(struct server_thread *t, const struct command *cmd, const struct request *r,
                    struct session *session)
{
    struct buf why; /* has memory only when there is something to say */
    buf_init(&why, MEM_OTHER);
    bool allowed = acl_permits(t, session, cmd, r->argv, r->argc,
                               session->in_multi ? ACL_MULTI : ACL_TOPLEVEL, &why);
    if (unlikely(!allowed)) {
        refuse_user(t, cmd, &why);
        buf_deinit(&why);
    }
    return allowed;
}

/* True: answered. */
COLD static bool refused_by_persistence(struct server_thread *t, const struct command *cmd,
                                        const struct session *session)
{
    const char *error;
    uint32_t flags = transaction_flags(session, cmd);
    if (persistence_admits(&t->server->persistence, flags, cmd->id == CMD_ID_ping, &error))
        return false;
    refuse(t, cmd, error);
    return true;
}

bool admit(const struct run *run, const struct command *cmd, const struct request *r)
{
    struct server_thread *t = run->thread;
    struct session *session = run->session;
    if (unlikely(!cmd)) {
        reject_unnamed(run, r);
        return false;
    }
    if (unlikely(cmd->subcommand_count && r->argc >= 2)) {
        reject_subcommand(&t->reply, cmd, r);
        return false;
    }
    if (unlikely(!command_takes(cmd, r->argc) || !cmd->handler)) {
        refuse_arity(t, cmd);
        return false;
    }
    if (unlikely(!session->authenticated && !(cmd->flags & CMD_NO_AUTH)) &&
        server_has_password(t->server)) {
        refuse(t, cmd, "NOAUTH Authentication required.");
        return false;
    }
    if (run->inside && !admit_user(t, cmd, r, session))
        return false;
    if (unlikely(atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed)) &&
        refused_by_persistence(t, cmd, session))
        return false;
    if (session_only_listens(session) && !is_for_listeners(cmd)) {
        refuse_listener(t, cmd);
        return false;
    }
    if (unlikely(session->monitors) &&
        cmd->flags & (CMD_WRITE | CMD_READONLY | CMD_MAY_REPLICATE)) {
        refuse(t, cmd, "ERR Replica can't interact with the keyspace");
        return false;
    }
    return likely(!session->in_multi) || may_be_queued(t, cmd);
}

bool admit_room(const struct run *run, const struct planned *p, const struct request *r,
                bool queued)
{
    struct server_thread *t = run->thread;
    const struct session *session = run->session;
    struct exec *ex = &t->exec;
    bool adds = transaction_flags(session, p->cmd) & CMD_DENYOOM;
    if (unlikely(pause_active(t->server) || t->keeps_for_log) ||
        snapshot_is_full(&t->server->persistence.snapshot))
        return true; /* evicting is writing */
    ex->key_count = 0;
    if (adds && store_settings.maxkeys)
        call_keys_collect(t, p, r);
    enum evict_verdict verdict =
        evict_make_room(&t->evictor, &t->txn, session->db, ex->keys, ex->key_count);
    if (p->cmd->exclusive.reason || p->cmd->id == CMD_ID_exec)
        evict_forget(&t->evictor); /* it may change the limits */
    push_deliver_before_reply(t);  /* the evicted are no work of this command */
    t->no_room = verdict == EVICT_FULL_MEMORY;
    if (verdict == EVICT_FITS || verdict == EVICT_LATER ||
        (!adds && !(queued && verdict == EVICT_FULL_MEMORY)))
        return true;
    refuse(t, p->cmd,
           verdict == EVICT_FULL_MEMORY
               ? "OOM command not allowed when used memory > 'maxmemory'."
               : "OOM command not allowed when the number of keys would pass 'maxkeys'.");
    return false;
}
