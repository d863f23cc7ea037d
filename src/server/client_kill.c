/* client_kill.c: CLIENT KILL. Only its own thread may close a connection: the others get a flag in
 * their descriptor and their threads a wake. A flagged connection executes nothing any more, since
 * its thread looks at the flag before it reads. */
#include "server/blocked.h"
#include "server/server_internal.h"

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

static int64_t kill_all(struct exec *ex, const struct client_filter *filter)
{
    struct server *s = exec_thread(ex)->server;
    struct killer killer = {.ex = ex};
    clients_visit(s, filter, kill_one, &killer);
    for (unsigned i = 0; i < s->thread_count; i++)
        if (killer.hit[i])
            clients_wake(s->threads[i]);
    return killer.count;
}

void client_kill_user(struct exec *ex, struct slice user)
{
    struct client_filter filter;
    client_filter_init(&filter);
    filter.texts[WANTED][CLIENT_USER] = user;
    (void)kill_all(ex, &filter);
    client_filter_deinit(&filter);
}

/* The old form, which may hit its sender: an address. */
static void kill_address(struct exec *ex)
{
    struct client_filter filter;
    client_filter_init(&filter);
    filter.texts[WANTED][CLIENT_ADDR] = ex->argv[2].len ? ex->argv[2] : SLICE("");
    if (kill_all(ex, &filter))
        reply_ok(ex->reply);
    else
        fail(ex, "ERR No such client");
    client_filter_deinit(&filter);
}

void cmd_client_kill(struct exec *ex)
{
    struct client_filter filter;
    bool skip_me = true;
    if (ex->argc == 3) {
        kill_address(ex);
        return;
    }
    client_filter_init(&filter);
    if (client_filter_parse(ex, 2, &filter, &skip_me, true)) {
        if (skip_me)
            filter.skip = &exec_thread(ex)->current->info;
        reply_int(ex->reply, kill_all(ex, &filter));
    }
    client_filter_deinit(&filter);
}
