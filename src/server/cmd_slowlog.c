/* SLOWLOG and COMMANDLOG: what command_log.h has kept, merged over all threads. */
#include "cmd/help.h"
#include "server/server_internal.h"

#include <stdlib.h>

enum {
    SHOWN = 10 /* without a count */
};

static size_t max_len(enum command_log_kind kind)
{
    const struct server_settings *s = &server_settings;
    switch (kind) {
    case COMMAND_LOG_SLOW:
        return s->slowlog_max_len;
    case COMMAND_LOG_LARGE_REQUEST:
        return s->commandlog_large_request_max_len;
    default:
        return s->commandlog_large_reply_max_len;
    }
}

static size_t count_all(const struct server *s, enum command_log_kind kind)
{
    size_t count = 0;
    for (unsigned i = 0; i < s->thread_count; i++)
        count += command_log_count(&s->threads[i]->logs, kind);
    return count;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t left = (*(struct command_log_entry *const *)a)->id;
    uint64_t right = (*(struct command_log_entry *const *)b)->id;
    return (left < right) - (left > right);
}

static void reply_entry(struct reply *r, const struct command_log_entry *e)
{
    reply_array(r, 6);
    reply_int(r, (int64_t)e->id);
    reply_int(r, e->time_s);
    reply_int(r, e->value);
    reply_array(r, e->argc);
    for (uint32_t i = 0; i < e->argc; i++)
        reply_bulk(r, e->argv[i]);
    reply_bulk(r, e->peer);
    reply_bulk(r, e->name);
}

static void reply_log(struct exec *ex, enum command_log_kind kind, size_t wanted)
{
    const struct server *s = exec_thread(ex)->server;
    size_t room = count_all(s, kind), count = 0;
    struct command_log_entry **all = mem_alloc(MEM_CLIENT, MAX(room, 1u) * sizeof(*all));
    for (unsigned i = 0; i < s->thread_count; i++)
        count += command_log_collect(&s->threads[i]->logs, kind, all + count, room - count);
    if (count)
        qsort(all, count, sizeof(*all), newest_first);
    wanted = MIN(MIN(wanted, count), max_len(kind));
    reply_array(ex->reply, wanted);
    for (size_t i = 0; i < count; i++) {
        if (i < wanted)
            reply_entry(ex->reply, all[i]);
        command_log_unref(all[i]);
    }
    mem_free(MEM_CLIENT, all, MAX(room, 1u) * sizeof(*all));
}

/* A count of entries; -1 is all. */
static bool parse_count(struct exec *ex, uint32_t index, size_t *out)
{
    int64_t count;
    if (!arg_int_range(ex, index, -1, INT64_MAX, &count,
                       "ERR count should be greater than or equal to -1"))
        return false;
    *out = count < 0 ? SIZE_MAX : (size_t)count;
    return true;
}

static void reply_len(struct exec *ex, enum command_log_kind kind)
{
    size_t count = count_all(exec_thread(ex)->server, kind);
    reply_int(ex->reply, (int64_t)MIN(count, max_len(kind)));
}

static void reset(struct exec *ex, enum command_log_kind kind)
{
    const struct server *s = exec_thread(ex)->server;
    for (unsigned i = 0; i < s->thread_count; i++)
        command_log_clear(&s->threads[i]->logs, kind);
    reply_ok(ex->reply);
}

/* ---- SLOWLOG ---- */

void cmd_slowlog_get(struct exec *ex)
{
    size_t count = SHOWN;
    if (ex->argc > 3)
        help_fail_subcommand(ex);
    else if (ex->argc == 2 || parse_count(ex, 2, &count))
        reply_log(ex, COMMAND_LOG_SLOW, count);
}

void cmd_slowlog_len(struct exec *ex)
{
    reply_len(ex, COMMAND_LOG_SLOW);
}

void cmd_slowlog_reset(struct exec *ex)
{
    reset(ex, COMMAND_LOG_SLOW);
}

void cmd_slowlog_help(struct exec *ex)
{
    help_reply(ex);
}

/* ---- COMMANDLOG ---- */

static bool parse_kind(struct exec *ex, uint32_t index, enum command_log_kind *out)
{
    static const char *const names[COMMAND_LOGS] = {"slow", "large-request", "large-reply"};
    for (int kind = 0; kind < COMMAND_LOGS; kind++)
        if (arg_is(ex, index, names[kind])) {
            *out = (enum command_log_kind)kind;
            return true;
        }
    return fail(ex, "ERR type should be one of the following: slow, large-request, large-reply");
}

void cmd_commandlog_get(struct exec *ex)
{
    enum command_log_kind kind;
    size_t count;
    if (parse_count(ex, 2, &count) && parse_kind(ex, 3, &kind))
        reply_log(ex, kind, count);
}

void cmd_commandlog_len(struct exec *ex)
{
    enum command_log_kind kind;
    if (parse_kind(ex, 2, &kind))
        reply_len(ex, kind);
}

void cmd_commandlog_reset(struct exec *ex)
{
    enum command_log_kind kind;
    if (parse_kind(ex, 2, &kind))
        reset(ex, kind);
}

void cmd_commandlog_help(struct exec *ex)
{
    help_reply(ex);
}
