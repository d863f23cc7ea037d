#include "server/acl_session.h"

#include "server/server_internal.h"

#include <pthread.h>
#include <time.h>

enum {
    REVOKE_POLL_NS = 50 * 1000
};

/* ---- who it is ---- */

void acl_login(struct conn *c, struct acl_user *user)
{
    struct session *session = client_session(c);
    struct acl_user *before = session->user;
    bool is_default = slice_equal(acl_user_name(user), SLICE("default"));
    session->user = acl_user_ref(user);
    if (before != user && (!is_default || c->info.user)) /* only this thread changes it */
        registry_set_text(&c->thread->registry, &c->info.user, is_default ? NULL : user->name);
    acl_user_unref(before);
}

/* ---- what it may do ---- */

/* What was denied to whom: the argument, or the command. */
static void name_denial(struct acl_denial *d, const struct acl_user *user,
                        const struct command *cmd, const struct slice *argv, uint32_t at)
{
    d->object = at ? argv[at] : slice_cstr(cmd->full_name);
    d->user = acl_user_name(user);
}

/* Of the current client: its descriptor is this thread's own. */
static void log_current(struct server_thread *t, struct acl_denial *d)
{
    struct buf line;
    buf_init(&line, MEM_OTHER);
    client_describe(&line, &t->current->info);
    d->client = buf_slice(&line);
    acl_log_add(&t->server->acl.log, d);
    buf_deinit(&line);
}

static enum acl_verdict judge(struct server_thread *t, struct session *session,
                              const struct command *cmd, const struct slice *argv, uint32_t argc,
                              enum acl_context context)
{
    struct acl_denial d = {.context = context};
    const struct acl_user *user = session->user;
    uint32_t at;
    if (!acl_is_limited(session))
        return ACL_ALLOWED;
    if (unlikely(atomic_load(&user->deleted))) {
        conn_close(t->current);
        return ACL_DENIED_COMMAND;
    }
    d.verdict = acl_check(user, cmd, argv, argc, &at);
    if (likely(d.verdict == ACL_ALLOWED))
        return ACL_ALLOWED;
    name_denial(&d, user, cmd, argv, at);
    if (context != ACL_SCRIPT) /* else what runs the script is published */
        client_publish(t->current, (uint16_t)((t->exec.in_exec ? CMD_ID_exec : cmd->id) + 1),
                       t->txn.now_ms);
    log_current(t, &d);
    return d.verdict;
}

bool acl_permits(struct server_thread *t, struct session *session, const struct command *cmd,
                 const struct slice *argv, uint32_t argc, enum acl_context context, struct buf *why)
{
    enum acl_verdict verdict = judge(t, session, cmd, argv, argc, context);
    if (likely(verdict == ACL_ALLOWED))
        return true;
    acl_verdict_text(why, verdict, session->user, cmd, NULL);
    return false;
}

static void describe_found(void *arg, struct server_thread *t, struct conn_info *info)
{
    client_describe(arg, info);
}

bool acl_permits_blocked(struct server_thread *t, const struct acl_user *user, uint64_t client_id,
                         const struct command *cmd, const struct slice *argv, uint32_t argc,
                         struct buf *why)
{
    struct acl_denial d = {.context = ACL_TOPLEVEL};
    struct client_filter filter = {.class = -1, .ids = &client_id, .id_count = 1};
    struct buf line;
    uint32_t at;
    d.verdict = acl_check(user, cmd, argv, argc, &at);
    if (likely(d.verdict == ACL_ALLOWED))
        return true;
    buf_init(&line, MEM_OTHER);
    clients_visit(t->server, &filter, describe_found, &line);
    name_denial(&d, user, cmd, argv, at);
    d.client = buf_slice(&line);
    acl_log_add(&t->server->acl.log, &d); /* no leaf lock is held any more */
    acl_verdict_text(why, d.verdict, user, cmd, NULL);
    buf_deinit(&line);
    return false;
}

bool acl_permits_queued(struct exec *ex)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_DENIED_KEY] = "no permission to touch the specified keys",
        [ACL_DENIED_CHANNEL] =
            "no permission to access one of the channels used as arguments to the command"};

    enum acl_verdict verdict =
        judge(exec_thread(ex), ex->session, ex->cmd, ex->argv, ex->argc, ACL_MULTI);
    if (likely(verdict == ACL_ALLOWED))
        return true;
    reply_errorf(ex->reply,
                 "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
                 "the EXEC call. This command is no longer allowed for the following reason: %s",
                 reasons[verdict]);
    return false;
}

bool acl_reads_all_keys(const struct exec *ex)
{
    return !acl_is_limited(ex->session) ||
           acl_check_all_keys(ex->session->user, ex->cmd, ex->argv, ex->argc);
}

void acl_log_login(struct exec *ex, struct slice user)
{
    struct server_thread *t = exec_thread(ex);
    struct acl_denial d = {.verdict = ACL_DENIED_AUTH,
                           .context = ex->in_exec ? ACL_MULTI : ACL_TOPLEVEL,
                           .object = ex->argv[0],
                           .user = user};
    client_publish_self(ex);
    log_current(t, &d);
}

/* ---- what happens to clients ---- */

/* One message to each reactor; whoever is the last to leave frees all. */
struct revocation {
    struct message message;
    struct revoking *all;
};

struct revoking {
    _Atomic uint32_t refs;
    struct acl_user *user;
    unsigned count;
    struct revocation messages[];
};

static void leave_revoking(struct revoking *all)
{
    if (atomic_fetch_sub(&all->refs, 1) != 1)
        return;
    acl_user_unref(all->user);
    mem_free(MEM_OTHER, all, sizeof(*all) + all->count * sizeof(struct revocation));
}

static bool loses_any(const struct subscriber *s, enum pubsub_kind kind,
                      const struct acl_user *user)
{
    for (const struct subscription *n = s->first[kind]; n; n = n->next_own)
        if (!acl_check_channel(user, slice_make(n->topic->name, n->topic->len),
                               kind == PUBSUB_PATTERN))
            return true;
    return false;
}

static bool loses_channel(struct acl *acl, struct conn *c, const struct acl_user *user)
{
    bool loses = false;
    lock_acquire(&acl->lock);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        loses |= loses_any(client_subscriber(c), (enum pubsub_kind)kind, user);
    lock_release(&acl->lock);
    return loses;
}

/* On the reactor of the clients, maybe outside the gate. */
static void revoke_here(struct server_thread *t, struct acl_user *user)
{
    for (struct conn *c = t->net.conns; c; c = c->next) {
        if (c->state != CONN_OPEN || client_session(c)->user != user ||
            !loses_channel(&t->server->acl, c, user))
            continue;
        push_forget(client_subscriber(c));
        if (c == t->current) {
            client_session(c)->close_after_reply = true;
            continue;
        }
        atomic_store(&c->info.kill, true); /* for CLIENT LIST */
        conn_close(c);
    }
}

static void revoke(void *receiver, struct message *self)
{
    struct revocation *r = container_of(self, struct revocation, message);
    revoke_here(receiver, r->all->user);
    leave_revoking(r->all);
}

static bool anybody_listens(const struct server *s)
{
    uint64_t count = 0;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        count += pubsub_count(&s->pubsub, (enum pubsub_kind)kind);
    return count != 0;
}

/* The other reactors wait for nothing that this thread holds, but that they may have ended. */
static void await_others(const struct server *s, const struct revoking *all)
{
    while (atomic_load(&all->refs) > 1 && !atomic_load(&s->stopping))
        nanosleep(&(struct timespec){0, REVOKE_POLL_NS}, NULL);
}

void acl_revoke_channels(struct server *s, struct acl_user *user)
{
    if (user->rules.selectors[0].all_channels || !anybody_listens(s))
        return;
    struct revoking *all =
        mem_alloc(MEM_OTHER, sizeof(*all) + s->thread_count * sizeof(struct revocation));
    *all = (struct revoking){.refs = 1, .user = acl_user_ref(user), .count = s->thread_count};
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct server_thread *t = s->threads[i];
        if (pthread_equal(t->net.reactor.thread, pthread_self())) {
            revoke_here(t, user);
            continue;
        }
        all->messages[i] = (struct revocation){{.run = revoke}, all};
        atomic_fetch_add(&all->refs, 1);
        push_post(NULL, t, &all->messages[i].message);
    }
    await_others(s, all);
    leave_revoking(all);
}
