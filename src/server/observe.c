#include "server/observe.h"

#include "base/clock.h"
#include "server/latency_monitor.h"
#include "server/server_internal.h"

#include <stdio.h>

enum {
    COARSE_US = 1000 /* from here on a run is timed as a whole */
};

struct observe_limits observe_limits = {UINT64_MAX, SIZE_MAX, false};

static uint64_t cycles_per_us; /* constant after observe_init() */

void observe_init(void)
{
    enum {
        SOME_CYCLES = 1 << 30
    };

    cycles_per_us = MAX((uint64_t)SOME_CYCLES * 1000 / MAX(clock_cycles_to_ns(SOME_CYCLES), 1), 1);
    observe_settings_changed();
}

/* ---- limits ---- */

static uint64_t slow_limit_us(void)
{
    uint64_t limit = UINT64_MAX;
    int64_t slow_us = server_settings.slowlog_log_slower_than_us;
    uint64_t event_ms = (uint64_t)server_settings.latency_monitor_threshold_ms;
    if (slow_us >= 0 && server_settings.slowlog_max_len)
        limit = (uint64_t)slow_us;
    if (event_ms)
        limit = MIN(limit, event_ms > UINT64_MAX / 1000 ? UINT64_MAX : event_ms * 1000);
    return limit;
}

static size_t size_limit(int64_t larger_than, size_t max_len)
{
    return larger_than < 0 || !max_len ? SIZE_MAX : (size_t)larger_than;
}

/* Of the keyspace, by the names that Redis gives them. */
static void step_took(enum keyspace_step step, int64_t us)
{
    static const char *const names[] = {
        [STEP_EXPIRE_DEL] = "expire-del",
        [STEP_EVICTION_DEL] = "eviction-del",
        [STEP_EVICTION_CYCLE] = "eviction-cycle",
    };

    latency_event(names[step], us / 1000);
}

void observe_settings_changed(void)
{
    uint64_t us = slow_limit_us();
    size_t request = size_limit(server_settings.commandlog_request_larger_than,
                                server_settings.commandlog_large_request_max_len);
    size_t reply = size_limit(server_settings.commandlog_reply_larger_than,
                              server_settings.commandlog_large_reply_max_len);
    bool never = us > UINT64_MAX / cycles_per_us;
    the_server->ks->took = server_settings.latency_monitor_threshold_ms ? step_took : NULL;
    atomic_store_explicit(&observe_limits.cycles, never ? UINT64_MAX : us * cycles_per_us,
                          memory_order_relaxed);
    atomic_store_explicit(&observe_limits.each, us < COARSE_US, memory_order_relaxed);
    atomic_store_explicit(&observe_limits.bytes, MIN(request, reply), memory_order_relaxed);
}

/* ---- recording ---- */

struct looked_up { /* the texts of a client on another thread */
    char peer[SOCK_ADDR_TEXT], name[256];
};

static void copy_client(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct looked_up *l = arg;
    (void)t;
    snprintf(l->peer, sizeof(l->peer), "%s", info->peer);
    snprintf(l->name, sizeof(l->name), "%s", info->name ? info->name : "");
}

static void record(struct server_thread *t, const struct observed *o, enum command_log_kind kind,
                   size_t max_len, int64_t value)
{
    struct looked_up client = {"", ""};
    struct command_record r = {.cmd = o->cmd,
                               .argv = o->argv,
                               .argc = o->argc,
                               .time_s = clock_wall_ms() / 1000,
                               .value = value};
    const struct conn *current = t->current;
    if (current && (!o->client || o->client == current->info.id)) {
        r.peer = slice_cstr(current->info.peer);
        r.name = slice_cstr(current->info.name ? current->info.name : "");
    } else {
        struct client_filter filter = {.class = -1, .ids = &o->client, .id_count = 1};
        clients_visit(t->server, &filter, copy_client, &client);
        r.peer = slice_cstr(client.peer);
        r.name = slice_cstr(client.name);
    }
    command_log_record(&t->logs, kind, max_len, &t->server->next_log_id[kind], &r);
}

COLD void observe_time(struct server_thread *t, const struct observed *o, uint64_t cycles)
{
    int64_t us = (int64_t)(clock_cycles_to_ns(cycles) / 1000);
    int64_t limit_us = server_settings.slowlog_log_slower_than_us;
    latency_event(o->cmd->flags & CMD_FAST ? "fast-command" : "command", us / 1000);
    if (limit_us >= 0 && us >= limit_us && server_settings.slowlog_max_len &&
        !(o->cmd->flags & CMD_SKIP_SLOWLOG))
        record(t, o, COMMAND_LOG_SLOW, server_settings.slowlog_max_len, us);
}

static bool is_over(size_t bytes, int64_t limit)
{
    return limit >= 0 && bytes >= (size_t)limit;
}

COLD void observe_sizes(struct server_thread *t, const struct observed *o, size_t request_bytes,
                        size_t reply_bytes)
{
    const struct server_settings *s = &server_settings;
    if (o->cmd->flags & CMD_SKIP_SLOWLOG)
        return;
    if (is_over(request_bytes, s->commandlog_request_larger_than) &&
        s->commandlog_large_request_max_len)
        record(t, o, COMMAND_LOG_LARGE_REQUEST, s->commandlog_large_request_max_len,
               (int64_t)request_bytes);
    if (is_over(reply_bytes, s->commandlog_reply_larger_than) && s->commandlog_large_reply_max_len)
        record(t, o, COMMAND_LOG_LARGE_REPLY, s->commandlog_large_reply_max_len,
               (int64_t)reply_bytes);
}

size_t observe_reply_bytes(const struct output *out, struct output_mark mark)
{
    size_t bytes = buf_len(&out->bytes) - MIN(mark.len, buf_len(&out->bytes));
    for (uint32_t i = mark.refs; i < out->ref_count; i++)
        bytes += out->refs[i].blob->len;
    return bytes;
}
