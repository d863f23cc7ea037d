/* LATENCY: the events of latency_monitor.h and the histograms of latency.h. */
#include "cmd/help.h"
#include "server/latency_report.h"
#include "server/server_internal.h"

/* ---- events ---- */

void cmd_latency_latest(struct exec *ex)
{
    struct output_mark mark = reply_defer(ex->reply);
    struct latency_event_view e;
    unsigned n = 0;
    for (; latency_event_at(n, &e); n++) {
        const struct latency_sample *last = &e.samples[e.count - 1];
        reply_array(ex->reply, 4);
        reply_bulk_cstr(ex->reply, e.name);
        reply_int(ex->reply, last->time_s);
        reply_int(ex->reply, last->ms);
        reply_int(ex->reply, e.max_ms);
    }
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, n);
}

static bool find(const struct exec *ex, uint32_t index, struct latency_event_view *e)
{
    return latency_event_named(ex->argv[index].ptr, ex->argv[index].len, e);
}

void cmd_latency_history(struct exec *ex)
{
    struct latency_event_view e;
    if (!find(ex, 2, &e)) {
        reply_array(ex->reply, 0);
        return;
    }
    reply_array(ex->reply, e.count);
    for (unsigned i = 0; i < e.count; i++) {
        reply_array(ex->reply, 2);
        reply_int(ex->reply, e.samples[i].time_s);
        reply_int(ex->reply, e.samples[i].ms);
    }
}

void cmd_latency_reset(struct exec *ex)
{
    unsigned gone = ex->argc == 2 ? latency_event_reset(NULL, 0) : 0;
    for (uint32_t i = 2; i < ex->argc; i++)
        gone += latency_event_reset(ex->argv[i].len ? ex->argv[i].ptr : "", ex->argv[i].len);
    reply_int(ex->reply, gone);
}

static void reply_text(struct exec *ex, struct buf *text)
{
    reply_verbatim(ex->reply, "txt", buf_slice(text));
    buf_deinit(text);
}

void cmd_latency_graph(struct exec *ex)
{
    struct latency_event_view e;
    struct buf text;
    if (!find(ex, 2, &e)) {
        reply_errorf(ex->reply, "ERR No samples available for event '%.*s'",
                     (int)MIN(ex->argv[2].len, (size_t)128), ex->argv[2].ptr);
        return;
    }
    buf_init(&text, MEM_CLIENT);
    latency_graph(&text, &e);
    reply_text(ex, &text);
}

void cmd_latency_doctor(struct exec *ex)
{
    struct buf text;
    buf_init(&text, MEM_CLIENT);
    latency_diagnose(&text);
    reply_text(ex, &text);
}

void cmd_latency_help(struct exec *ex)
{
    help_reply(ex);
}

/* ---- LATENCY HISTOGRAM ---- */

static void reply_buckets(struct reply *r, const uint64_t sums[LATENCY_BUCKETS])
{
    struct latency_step steps[LATENCY_STEPS_MAX];
    unsigned count = latency_steps(sums, steps);
    reply_map(r, count);
    for (unsigned i = 0; i < count; i++) {
        reply_int(r, steps[i].us);
        reply_int(r, (int64_t)steps[i].calls);
    }
}

/* Returns whether the command has been called. */
static bool reply_histogram(struct exec *ex, int id)
{
    uint64_t sums[LATENCY_BUCKETS], calls = stats_sum_latency(exec_thread(ex)->server, id, sums);
    if (!calls)
        return false;
    reply_bulk_cstr(ex->reply, commands[id].full_name);
    reply_map(ex->reply, 2);
    reply_bulk_cstr(ex->reply, "calls");
    reply_int(ex->reply, (int64_t)calls);
    reply_bulk_cstr(ex->reply, "histogram_usec");
    reply_buckets(ex->reply, sums);
    return true;
}

/* A container stands for its subcommands. */
static size_t reply_family(struct exec *ex, const struct command *cmd)
{
    size_t shown = reply_histogram(ex, cmd->id);
    for (int id = 0; cmd->subcommand_count && id < COMMAND_COUNT; id++)
        if (commands[id].parent == cmd->id)
            shown += reply_histogram(ex, id);
    return shown;
}

void cmd_latency_histogram(struct exec *ex)
{
    struct output_mark mark = reply_defer(ex->reply);
    size_t shown = 0;
    for (int id = 0; ex->argc == 2 && id < COMMAND_COUNT; id++)
        shown += reply_histogram(ex, id);
    for (uint32_t i = 2; i < ex->argc; i++) {
        const struct command *cmd = command_by_name(ex->argv[i]);
        if (cmd)
            shown += reply_family(ex, cmd);
    }
    reply_defer_end(ex->reply, mark, REPLY_MAP, shown);
}
