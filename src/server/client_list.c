/* client_list.c: CLIENT LIST and CLIENT INFO: one line per connection, from the registries of all
 * threads. Nobody is stopped: a line shows its client as of the end of its last batch. */
#include "base/assert.h"
#include "base/clock.h"
#include "server/client_evict.h"
#include "server/server_internal.h"

#include <stdlib.h>

void clients_visit(struct server *s, const struct client_filter *filter,
                   void (*visit)(void *arg, struct server_thread *t, struct conn_info *info),
                   void *arg)
{
    int64_t now_ms = clock_wall_ms();
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct server_thread *t = s->threads[i];
        lock_acquire(&t->net.registry.lock);
        for (struct conn_info *info = t->net.registry.first; info; info = info->next)
            if (client_filter_passes(filter, info, now_ms))
                visit(arg, t, info);
        lock_release(&t->net.registry.lock);
    }
}

/* ---- a line ---- */

#define RELAXED(field) atomic_load_explicit(&(field), memory_order_relaxed)

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

struct own_request { /* the command that asks: its bytes are in no connection's buffer */
    const struct conn_info *info;
    size_t bytes, argument_bytes;
};

static void append_line(struct buf *out, const struct conn_info *info,
                        const struct own_request *own)
{
    char flags[CLIENT_FLAGS_MAX];
    int64_t now_ms = clock_wall_ms(), active_ms = RELAXED(info->active_ms);
    size_t waiting = RELAXED(info->in_bytes), room = RELAXED(info->in_free), arguments = 0;
    size_t pending = RELAXED(info->out_bytes), refs = RELAXED(info->out_refs);
    size_t queued = RELAXED(info->multi_bytes);
    unsigned command = RELAXED(info->command);
    unsigned watching = RELAXED(info->touched) ? 0 : RELAXED(info->watching);
    if (own->info == info) {
        waiting = MAX(waiting, own->bytes);
        arguments = own->argument_bytes;
    }
    client_format_flags(info, flags);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=%d",
               (unsigned long long)info->id, info->peer, info->local, info->fd,
               text_or(info->name, ""), (long long)(now_ms - info->created_ms) / 1000,
               (long long)MAX(now_ms - active_ms, (int64_t)0) / 1000, flags, RELAXED(info->db));
    buf_printf(out,
               " sub=%u psub=%u ssub=%u multi=%d watch=%u qbuf=%zu qbuf-free=%zu argv-mem=%zu"
               " multi-mem=%zu"
               " rbs=0 rbp=0 obl=0 oll=%zu omem=%zu tot-mem=%zu events=%s",
               RELAXED(info->subscriptions[PUBSUB_CHANNEL]),
               RELAXED(info->subscriptions[PUBSUB_PATTERN]),
               RELAXED(info->subscriptions[PUBSUB_SHARD]), RELAXED(info->multi), watching, waiting,
               room, arguments, queued, pending ? refs + 1 : 0, pending,
               client_memory(info) - RELAXED(info->in_bytes) + waiting, pending ? "rw" : "r");
    buf_printf(out,
               " cmd=%s user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s tot-net-in=%llu"
               " tot-net-out=%llu tot-cmds=%llu\n", /* the last three as Redis 8 */
               command ? commands[command - 1].full_name : "NULL", text_or(info->user, "default"),
               (long long)RELAXED(info->redirect), RELAXED(info->resp), text_or(info->lib_name, ""),
               text_or(info->lib_version, ""), (unsigned long long)RELAXED(info->net_in),
               (unsigned long long)RELAXED(info->net_out),
               (unsigned long long)RELAXED(info->commands));
}

/* ---- the lines in the order of ids, as Redis has them ---- */

struct line {
    uint64_t id;
    size_t at, len;
};

void client_describe(struct buf *out, const struct conn_info *info)
{
    append_line(out, info, &(struct own_request){0});
    out->end--; /* the line end */
}

struct listing {
    struct own_request own;
    struct buf text, lines; /* lines: struct line[] */
};

static void add_line(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct listing *l = arg;
    struct line line = {info->id, buf_len(&l->text), 0};
    append_line(&l->text, info, &l->own);
    line.len = buf_len(&l->text) - line.at;
    buf_append(&l->lines, &line, sizeof(line));
}

static int compare_lines(const void *a, const void *b)
{
    uint64_t left = ((const struct line *)a)->id, right = ((const struct line *)b)->id;
    return (left > right) - (left < right);
}

static void reply_lines(struct reply *r, struct listing *l)
{
    struct line *lines = (struct line *)buf_ptr(&l->lines);
    size_t count = buf_len(&l->lines) / sizeof(*lines);
    struct buf sorted;
    buf_init(&sorted, MEM_CLIENT);
    if (count)
        qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        buf_append(&sorted, buf_ptr(&l->text) + lines[i].at, lines[i].len);
    reply_verbatim(r, "txt", buf_slice(&sorted));
    buf_deinit(&sorted);
}

void client_publish_self(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    client_publish(t->current, (uint16_t)((ex->in_exec ? CMD_ID_exec : ex->cmd->id) + 1),
                   t->txn.now_ms);
}

static void listing_init(struct listing *l, struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    l->own = (struct own_request){&t->current->info, t->requests[t->at].bytes, 0};
    for (uint32_t i = 0; i < ex->argc; i++)
        l->own.argument_bytes += ex->argv[i].len;
    buf_init(&l->text, MEM_CLIENT);
    buf_init(&l->lines, MEM_CLIENT);
    client_publish_self(ex);
}

static void listing_deinit(struct listing *l)
{
    buf_deinit(&l->text);
    buf_deinit(&l->lines);
}

void cmd_client_info(struct exec *ex)
{
    struct listing l;
    listing_init(&l, ex);
    append_line(&l.text, l.own.info, &l.own); /* this thread's own: nobody else changes its texts */
    reply_verbatim(ex->reply, "txt", buf_slice(&l.text));
    listing_deinit(&l);
}

/* ---- CLIENT LIST ---- */

void cmd_client_list(struct exec *ex)
{
    struct client_filter filter;
    bool skip_me = false;
    client_filter_init(&filter);
    if (client_filter_parse(ex, 2, &filter, &skip_me, false)) {
        struct listing l;
        if (skip_me)
            filter.skip = &exec_thread(ex)->current->info;
        listing_init(&l, ex);
        clients_visit(exec_thread(ex)->server, &filter, add_line, &l);
        reply_lines(ex->reply, &l);
        listing_deinit(&l);
    }
    client_filter_deinit(&filter);
}
