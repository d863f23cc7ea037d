/* /metrics: Prometheus' text format, with the names of redis_exporter.
 *
 * INFO, LATENCY LATEST and SLOWLOG run as commands of the message, so a scrape needs the right to
 * INFO and tells what its user may see. The counters of the commands, of which INFO and LATENCY
 * HISTOGRAM make most of their text, are read directly. Nothing locks a shard. All of it would keep
 * the reactor from its clients for a millisecond or two: it is made, and sent, in parts of at most
 * 100 us, and between them the reactor has turns for others. */
#include "base/clock.h"
#include "server/http_internal.h"
#include "server/metrics_commands.h"
#include "server/metrics_info.h"
#include "server/metrics_text.h"

enum {
    SEND_BYTES = 64 * 1024 /* at once: 20 to 40 us */
};

enum scrape_stage {
    SCRAPE_INFO,
    SCRAPE_COMMANDS,
    SCRAPE_SEND
};

struct scrape {
    enum scrape_stage stage;
    struct buf info;
    struct metrics_commands commands;
    int text;    /* of commands, that is being sent; -1: info */
    size_t sent; /* of that text */
};

void http_scrape_destroy(struct scrape *s)
{
    if (!s)
        return;
    buf_deinit(&s->info);
    metrics_commands_deinit(&s->commands);
    mem_free(MEM_CLIENT, s, sizeof(*s));
}

static size_t length_of(const struct scrape *s)
{
    size_t len = buf_len(&s->info);
    for (int i = 0; i < METRICS_COMMAND_TEXTS; i++)
        len += buf_len(&s->commands.texts[i]);
    return len;
}

size_t http_scrape_bytes(const struct scrape *s)
{
    return s ? length_of(s) : 0;
}

/* The commands have answered. */
static enum http_step begin(struct exchange *x)
{
    const struct buf *replies = &x->client->replies.bytes;
    struct slice reply = buf_slice(replies);
    if (!reply.len || (*reply.ptr == '-' && !x->client->replies.ref_count)) {
        int status = reply.len ? http_status_of(slice_make(reply.ptr + 1, reply.len - 1)) : 503;
        return http_fail(x, status, "ERR no INFO for this user, or not now");
    }
    struct scrape *s = mem_zalloc(MEM_CLIENT, sizeof(*s));
    s->text = -1;
    buf_init(&s->info, MEM_CLIENT);
    x->client->scrape = s;
    return HTTP_GO_ON;
}

/* What the commands have answered, in their order: see http_metrics_route(). */
static void put_info(struct exchange *x, struct scrape *s)
{
    struct buf flat;
    buf_init(&flat, MEM_CLIENT);
    struct slice rest = http_flatten(x->client, &flat);
    metrics_info(&s->info, metrics_text_take_token(&rest));
    metrics_commands_init(&s->commands, rest.len && *rest.ptr == '*');
    metrics_text_take_token(&rest);
    metrics_info_spikes(&s->info, &rest);
    metrics_info_slowlog(&s->info, rest);
    buf_deinit(&flat);
}

/* Parks the connection while nobody may look at the counters. */
static void put_commands(struct exchange *x, struct scrape *s, uint64_t started)
{
    struct server_thread *t = thread_of(x->conn);
    struct gates *gates = &t->server->ks->gates;
    bool more = true;
    if (!gate_enter(gates, t->txn.self)) {
        conn_park(x->conn);
        return;
    }
    while (more && clock_cycles() - started < slow_slice_cycles / 2)
        more = metrics_commands_step(&s->commands, t->server);
    gate_leave(gates, t->txn.self);
    if (!more) {
        http_begin_body(x, "text/plain; version=0.0.4; charset=utf-8", length_of(s));
        s->stage = SCRAPE_SEND;
    }
}

/* False: all is sent. */
static bool send_part(struct exchange *x, struct scrape *s)
{
    size_t room = SEND_BYTES;
    while (room && s->text < METRICS_COMMAND_TEXTS) {
        const struct buf *text = s->text < 0 ? &s->info : &s->commands.texts[s->text];
        size_t len = MIN(room, buf_len(text) - s->sent);
        if (len)
            buf_append(&x->out->bytes, buf_ptr(text) + s->sent, len);
        s->sent += len;
        room -= len;
        if (s->sent == buf_len(text)) {
            s->text++;
            s->sent = 0;
        }
    }
    return s->text < METRICS_COMMAND_TEXTS;
}

static enum http_step finish(struct exchange *x)
{
    http_end_body(x);
    http_scrape_destroy(x->client->scrape);
    x->client->scrape = NULL;
    return HTTP_ANSWERED;
}

/* False: that was the last. */
static bool do_part(struct exchange *x, struct scrape *s, uint64_t started)
{
    switch (s->stage) {
    case SCRAPE_INFO:
        put_info(x, s);
        s->stage = SCRAPE_COMMANDS;
        return true;
    case SCRAPE_COMMANDS:
        put_commands(x, s, started);
        return true;
    default:
        return !http_method_is(x, "HEAD") && send_part(x, s);
    }
}

enum http_step http_metrics(struct exchange *x)
{
    struct scrape *s = x->client->scrape;
    uint64_t started = clock_cycles();
    if (!s) /* INFO has taken its time already */
        return begin(x) == HTTP_ANSWERED ? HTTP_ANSWERED : http_go_on_later(x);
    bool more = do_part(x, s, started);
    slow_count_part(thread_of(x->conn), clock_cycles() - started);
    if (x->conn->parked)
        return HTTP_LATER;
    return more ? http_go_on_later(x) : finish(x);
}
