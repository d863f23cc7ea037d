#include "server/metrics_latency.h"

#include "server/metrics_text.h"

#include <stdio.h>

/* The commands' lines of INFO. All that is asked for comes in the order of the command table, so a
 * search goes on where the last one ended. */
struct calls {
    struct slice all, rest;
};

static struct calls find_calls(struct slice info)
{
    static const char title[] = "# Commandstats";
    const char *at = memmem(info.ptr, info.len, title, sizeof(title) - 1);
    struct slice all =
        at ? slice_make(at, info.len - (size_t)(at - info.ptr)) : slice_make(info.ptr, 0);
    return (struct calls){all, all};
}

/* Parts of the line of a command; empty: there is none. */
static struct slice find_command(struct calls *calls, struct slice cmd)
{
    char name[80];
    int len =
        snprintf(name, sizeof(name), "\ncmdstat_%.*s:", (int)MIN(cmd.len, (size_t)64), cmd.ptr);
    const char *at = memmem(calls->rest.ptr, calls->rest.len, name, (size_t)len);
    if (!at)
        at = memmem(calls->all.ptr, calls->all.len, name, (size_t)len);
    if (!at)
        return SLICE("");
    size_t used = (size_t)(at + len - calls->all.ptr);
    struct slice rest = slice_make(at + len, calls->all.len - used), line = SLICE("");
    calls->rest = slice_make(at, rest.len + (size_t)len);
    metrics_text_take_line(&rest, &line);
    return line;
}

static double part_of(struct slice parts, const char *name)
{
    double number = 0;
    return metrics_text_part(parts, name, &number) ? number : 0;
}

static void put_sample(struct buf *out, const char *name, struct slice cmd, double value)
{
    metrics_text_open(out, name, "cmd", cmd);
    buf_puts(out, "} ");
    metrics_text_value(out, value);
}

static void put_bucket(struct buf *out, struct slice cmd, struct slice limit, struct slice count)
{
    metrics_text_open(out, "redis_commands_latencies_usec_bucket", "cmd", cmd);
    buf_puts(out, ",le=\"");
    metrics_text_slice(out, limit);
    buf_puts(out, "\"} ");
    metrics_text_slice(out, count);
    buf_putc(out, '\n');
}

static void put_histogram(struct buf *out, struct slice *rest, struct calls *calls)
{
    struct slice cmd = metrics_text_take_token(rest);
    metrics_text_take_token(rest); /* an array of 4 */
    metrics_text_take_token(rest); /* "calls" */
    struct slice count = metrics_text_take_token(rest);
    metrics_text_take_token(rest); /* "histogram_usec" */
    for (int64_t pairs = metrics_text_take_count(rest) / 2; pairs > 0; pairs--) {
        struct slice limit = metrics_text_take_token(rest);
        put_bucket(out, cmd, limit, metrics_text_take_token(rest));
    }
    put_bucket(out, cmd, SLICE("+Inf"), count);
    put_sample(out, "redis_commands_latencies_usec_sum", cmd,
               part_of(find_command(calls, cmd), "usec"));
    metrics_text_open(out, "redis_commands_latencies_usec_count", "cmd", cmd);
    buf_puts(out, "} ");
    metrics_text_slice(out, count);
    buf_putc(out, '\n');
}

void metrics_latency_histograms(struct buf *out, struct slice *rest, struct slice info)
{
    struct calls calls = find_calls(info);
    if (!rest->len || *rest->ptr != '*') {
        metrics_text_take_token(rest);
        return;
    }
    metrics_text_header(out, "redis_commands_latencies_usec", "histogram",
                        "Latency of calls per command.");
    for (int64_t left = metrics_text_take_count(rest) / 2; left > 0; left--)
        put_histogram(out, rest, &calls);
}

/* "p50=1.003,p99.9=2.007" */
static void put_quantiles(struct buf *out, struct slice cmd, struct slice parts)
{
    while (parts.len) {
        const char *comma = memchr(parts.ptr, ',', parts.len);
        size_t size = comma ? (size_t)(comma - parts.ptr) : parts.len;
        const char *sign = memchr(parts.ptr, '=', size);
        if (sign && *parts.ptr == 'p') {
            metrics_text_open(out, "redis_latency_percentiles_usec", "cmd", cmd);
            buf_puts(out, ",quantile=\"");
            buf_append(out, parts.ptr + 1, (size_t)(sign - parts.ptr) - 1);
            buf_puts(out, "\"} ");
            buf_append(out, sign + 1, (size_t)(parts.ptr + size - sign) - 1);
            buf_putc(out, '\n');
        }
        size_t used = MIN(size + 1, parts.len);
        parts = slice_make(parts.ptr + used, parts.len - used);
    }
}

void metrics_latency_percentiles(struct buf *out, struct slice info)
{
    static const char prefix[] = "latency_percentiles_usec_";
    const size_t len = sizeof(prefix) - 1;
    struct calls calls = find_calls(info);
    struct slice line, field, value;
    bool first = true;
    while (metrics_text_take_line(&info, &line)) {
        if (!metrics_text_split(line, &field, &value) || field.len <= len ||
            memcmp(field.ptr, prefix, len) != 0)
            continue;
        if (first)
            metrics_text_header(out, "redis_latency_percentiles_usec", "summary",
                                "Percentiles of the latency of calls per command.");
        first = false;
        struct slice cmd = slice_make(field.ptr + len, field.len - len);
        struct slice parts = find_command(&calls, cmd);
        put_quantiles(out, cmd, value);
        put_sample(out, "redis_latency_percentiles_usec_sum", cmd, part_of(parts, "usec"));
        put_sample(out, "redis_latency_percentiles_usec_count", cmd, part_of(parts, "calls"));
    }
}

static void put_spike(struct buf *spikes, struct buf *durations, struct slice *rest)
{
    metrics_text_take_token(rest); /* an array of 4 */
    struct slice event = metrics_text_take_token(rest);
    metrics_text_open(spikes, "redis_latency_spike_last", "event_name", event);
    buf_puts(spikes, "} ");
    metrics_text_value(spikes, (double)metrics_text_take_count(rest));
    metrics_text_open(durations, "redis_latency_spike_duration_seconds", "event_name", event);
    buf_puts(durations, "} ");
    metrics_text_value(durations, (double)metrics_text_take_count(rest) / 1e3);
    metrics_text_take_token(rest); /* the longest of all times */
}

void metrics_latency_spikes(struct buf *out, struct slice *rest)
{
    struct buf durations;
    bool is_list = rest->len && *rest->ptr == '*';
    int64_t count = metrics_text_take_count(rest);
    if (!is_list || count <= 0)
        return;
    buf_init(&durations, MEM_CLIENT);
    metrics_text_header(out, "redis_latency_spike_last", "gauge", "When the last spike occurred.");
    metrics_text_header(&durations, "redis_latency_spike_duration_seconds", "gauge",
                        "Length of the last spike.");
    for (; count > 0; count--)
        put_spike(out, &durations, rest);
    metrics_text_slice(out, buf_slice(&durations));
    buf_deinit(&durations);
}
