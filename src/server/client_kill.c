/* client_kill.c: CLIENT KILL. Only its own thread may close a connection: the others get a flag in
 * their descriptor and their threads a wake. A flagged connection executes nothing any more, since
 * its thread looks at the flag before it reads. */
#include "server/blocked.h"
#include "server/server_internal.h"

struct kill_request {
    struct client_filter filter;
    uint64_t id; /* what filter.ids points to */
    bool skip_me;
};

static bool parse_id(struct exec *ex, uint32_t index, struct kill_request *kill)
{
    int64_t id;
    if (!arg_int_range(ex, index, 1, INT64_MAX, &id, "ERR client-id should be greater than 0"))
        return false;
    kill->id = (uint64_t)id;
    kill->filter.ids = &kill->id;
    kill->filter.id_count = 1;
    return true;
}

static bool parse_max_age(struct exec *ex, uint32_t index, struct kill_request *kill)
{
    int64_t *age = &kill->filter.max_age_s;
    if (!arg_int(ex, index, age, "ERR maxage is not an integer or out of range"))
        return false;
    return *age > 0 || fail(ex, "ERR maxage should be greater than 0");
}

static bool parse_user(struct exec *ex, uint32_t index, struct kill_request *kill)
{
    kill->filter.user = ex->argv[index];
    if (acl_find(&exec_thread(ex)->server->acl, ex->argv[index]))
        return true;
    reply_errorf(ex->reply, "ERR No such user '%.*s'", (int)MIN(ex->argv[index].len, (size_t)128),
                 ex->argv[index].ptr);
    return false;
}

static bool parse_skip_me(struct exec *ex, uint32_t index, struct kill_request *kill)
{
    kill->skip_me = arg_is(ex, index, "yes");
    return kill->skip_me || arg_is(ex, index, "no") || fail_syntax(ex);
}

static bool parse_option(struct exec *ex, uint32_t i, struct kill_request *kill)
{
    if (i + 1 == ex->argc)
        return fail_syntax(ex);
    if (arg_is(ex, i, "id"))
        return parse_id(ex, i + 1, kill);
    if (arg_is(ex, i, "maxage"))
        return parse_max_age(ex, i + 1, kill);
    if (arg_is(ex, i, "type"))
        return client_parse_type(ex, i + 1, &kill->filter.class);
    if (arg_is(ex, i, "user"))
        return parse_user(ex, i + 1, kill);
    if (arg_is(ex, i, "skipme"))
        return parse_skip_me(ex, i + 1, kill);
    if (arg_is(ex, i, "addr"))
        kill->filter.addr = ex->argv[i + 1];
    else if (arg_is(ex, i, "laddr"))
        kill->filter.laddr = ex->argv[i + 1];
    else
        return fail_syntax(ex);
    return true;
}

static bool parse_kill(struct exec *ex, struct kill_request *kill)
{
    if (ex->argc == 3) { /* the old form, which may hit its sender */
        kill->filter.addr = ex->argv[2];
        return true;
    }
    kill->skip_me = true;
    for (uint32_t i = 2; i < ex->argc; i += 2)
        if (!parse_option(ex, i, kill))
            return false;
    return true;
}

struct killer {
    struct exec *ex;
    bool hit[THREADS_MAX]; /* threads with something to close */
    int64_t count;
};

static void kill_one(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct killer *k = arg;
    if (info == &exec_thread(k->ex)->current->info) {
        k->ex->session->close_after_reply = true;
        k->count++;
    } else if (!atomic_exchange(&info->kill, true)) {
        blocked_kill(info);
        k->hit[t->net.reactor.id] = true;
        k->count++;
    }
}

static void wake_hit(struct server *s, const struct killer *killer)
{
    for (unsigned i = 0; i < s->thread_count; i++)
        if (killer->hit[i])
            clients_wake(s->threads[i]);
}

void client_kill_user(struct exec *ex, struct slice user)
{
    struct server *s = exec_thread(ex)->server;
    struct client_filter filter = {.class = -1, .user = user};
    struct killer killer = {.ex = ex};
    clients_visit(s, &filter, kill_one, &killer);
    wake_hit(s, &killer);
}

void cmd_client_kill(struct exec *ex)
{
    struct server *s = exec_thread(ex)->server;
    struct kill_request kill = {.filter.class = -1};
    struct killer killer = {.ex = ex};
    if (!parse_kill(ex, &kill))
        return;
    if (kill.skip_me)
        kill.filter.skip = &exec_thread(ex)->current->info;
    clients_visit(s, &kill.filter, kill_one, &killer);
    wake_hit(s, &killer);
    if (ex->argc > 3)
        reply_int(ex->reply, killer.count);
    else if (killer.count)
        reply_ok(ex->reply);
    else
        fail(ex, "ERR No such client");
}
