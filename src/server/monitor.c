#include "server/monitor.h"

#include "base/clock.h"
#include "base/text.h"
#include "server/redact.h"
#include "server/server_internal.h"

_Atomic uint32_t monitor_count;

/* ---- who monitors ---- */

static void count(struct server_thread *t, int delta)
{
    atomic_fetch_add_explicit(&t->monitors.count, (uint32_t)delta, memory_order_relaxed);
    atomic_fetch_add_explicit(&monitor_count, (uint32_t)delta, memory_order_relaxed);
}

void monitor_join(struct server_thread *t, struct monitor *m)
{
    m->link = &t->monitors.first;
    m->next = t->monitors.first;
    if (m->next)
        m->next->link = &m->next;
    t->monitors.first = m;
    client_session(m->conn)->monitors = true;
    count(t, 1);
}

void monitor_leave(struct server_thread *t, struct monitor *m)
{
    if (!m->link)
        return;
    *m->link = m->next;
    if (m->next)
        m->next->link = m->link;
    m->link = NULL;
    client_session(m->conn)->monitors = false;
    count(t, -1);
}

void cmd_monitor(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    struct monitor *m = client_monitor(t->current);
    if (ex->in_exec) {
        fail(ex, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    if (!m->link)
        monitor_join(t, m);
    reply_ok(ex->reply);
}

/* ---- what they see ---- */

static void append_origin(struct buf *out, const struct conn *c, int db, bool by_script)
{
    if (by_script)
        buf_printf(out, " [%d lua]", db);
    else if (c->info.kind == CONN_UNIX)
        buf_printf(out, " [%d unix:%s]", db, server_settings.unixsocket);
    else
        buf_printf(out, " [%d %s]", db, c->info.peer);
}

static struct blob *make_line(const struct conn *c, const struct command *cmd,
                              const struct slice *argv, uint32_t argc, int db, bool by_script)
{
    struct buf out;
    int64_t now_us = clock_wall_us();
    buf_init(&out, MEM_CLIENT);
    buf_printf(&out, "+%lld.%06lld", (long long)(now_us / 1000000), (long long)(now_us % 1000000));
    append_origin(&out, c, db, by_script);
    for (uint32_t i = 0; i < argc; i++) {
        buf_putc(&out, ' ');
        text_quote(&out, redact_hides(cmd, argv, argc, i) ? SLICE(REDACTED_TEXT) : argv[i]);
    }
    buf_puts(&out, "\r\n");
    struct blob *b = blob_create(buf_len(&out), buf_len(&out));
    memcpy(b->bytes, buf_ptr(&out), b->len);
    buf_deinit(&out);
    return b;
}

struct sight { /* a line on its way to one reactor */
    struct message message;
    struct blob *line;
};

static void run_sight(void *receiver, struct message *self)
{
    struct server_thread *t = receiver;
    struct sight *sight = container_of(self, struct sight, message);
    for (struct monitor *m = t->monitors.first; m; m = m->next)
        push_bytes(t, m->conn, sight->line, persistence_log_newest(t));
    blob_unref(sight->line);
    mem_free(MEM_CLIENT, sight, sizeof(*sight));
}

COLD void monitor_feed(struct server_thread *t, const struct command *cmd, const struct slice *argv,
                       uint32_t argc, int db, bool by_script)
{
    if (cmd->flags & CMD_ADMIN || !t->current)
        return;
    struct blob *line = make_line(t->current, cmd, argv, argc, db, by_script);
    push_defer(&t->txn);
    for (unsigned i = 0; i < t->server->thread_count; i++) {
        struct server_thread *to = t->server->threads[i];
        if (!atomic_load_explicit(&to->monitors.count, memory_order_relaxed))
            continue;
        struct sight *sight = mem_alloc(MEM_CLIENT, sizeof(*sight));
        *sight = (struct sight){{.run = run_sight}, line};
        blob_ref(line);
        push_post(t, to, &sight->message);
    }
    push_defer_end(&t->txn);
    blob_unref(line);
}

COLD void monitor_feed_exec(struct exec *ex)
{
    if (ex->cmd->flags & CMD_SKIP_MONITOR)
        return;
    monitor_feed(exec_thread(ex), ex->cmd, ex->argv, ex->argc, ex->session->db, false);
}
