#include "server/metrics_commands.h"

#include "base/clock.h"
#include "server/metrics_text.h"
#include "server/server_internal.h"

#include <math.h>

enum text {
    CALLS,
    SECONDS,
    REJECTED,
    FAILED,
    PERCENTILES,
    HISTOGRAMS
};

static const struct metric {
    const char *name, *type, *help;
} metrics[METRICS_COMMAND_TEXTS] = {
    [CALLS] = {"redis_commands_total", "counter", "Calls per command."},
    [SECONDS] = {"redis_commands_duration_seconds_total", "counter", "Seconds spent per command."},
    [REJECTED] = {"redis_commands_rejected_calls_total", "counter", "Calls refused per command."},
    [FAILED] = {"redis_commands_failed_calls_total", "counter", "Calls that failed per command."},
    [PERCENTILES] = {"redis_latency_percentiles_usec", "summary",
                     "Percentiles of the latency of calls per command."},
    [HISTOGRAMS] = {"redis_commands_latencies_usec", "histogram", "Latency of calls per command."},
};

void metrics_commands_init(struct metrics_commands *m, bool histograms)
{
    *m = (struct metrics_commands){.histograms = histograms};
    for (int i = 0; i < METRICS_COMMAND_TEXTS; i++)
        buf_init(&m->texts[i], MEM_CLIENT);
}

void metrics_commands_deinit(struct metrics_commands *m)
{
    for (int i = 0; i < METRICS_COMMAND_TEXTS; i++)
        buf_deinit(&m->texts[i]);
}

/* A metric that has no sample is not named. */
static struct buf *text_of(struct metrics_commands *m, enum text which)
{
    struct buf *out = &m->texts[which];
    if (!buf_len(out))
        metrics_text_header(out, metrics[which].name, metrics[which].type, metrics[which].help);
    return out;
}

/* name_end{cmd="…"} value */
static void put_sample(struct metrics_commands *m, enum text which, const char *end,
                       struct slice cmd, double value)
{
    struct buf *out = text_of(m, which);
    buf_puts(out, metrics[which].name);
    metrics_text_open(out, end, "cmd", cmd);
    buf_puts(out, "} ");
    metrics_text_value(out, value);
}

static void put_percentiles(struct metrics_commands *m, struct slice cmd,
                            const uint64_t sums[LATENCY_BUCKETS], uint64_t calls)
{
    struct buf *out = text_of(m, PERCENTILES);
    for (size_t i = 0; i < server_settings.percentile_count; i++) {
        double percent = server_settings.percentiles[i];
        double us = (double)latency_percentile_ns(sums, calls, percent) / 1000;
        metrics_text_open(out, metrics[PERCENTILES].name, "cmd", cmd);
        buf_printf(out, ",quantile=\"%.9g\"} %.3f\n", percent, us);
    }
}

static void put_bucket(struct buf *out, struct slice cmd, struct slice limit, uint64_t calls)
{
    buf_puts(out, metrics[HISTOGRAMS].name);
    metrics_text_open(out, "_bucket", "cmd", cmd);
    buf_puts(out, ",le=\"");
    metrics_text_slice(out, limit);
    buf_puts(out, "\"} ");
    buf_advance(out, num_format_uint64(buf_reserve(out, NUM_INT64_MAX_LEN), calls));
    buf_putc(out, '\n');
}

static void put_histogram(struct metrics_commands *m, struct slice cmd,
                          const uint64_t sums[LATENCY_BUCKETS], uint64_t calls)
{
    struct latency_step steps[LATENCY_STEPS_MAX];
    struct buf *out = text_of(m, HISTOGRAMS);
    unsigned count = latency_steps(sums, steps);
    for (unsigned i = 0; i < count; i++) {
        char limit[NUM_INT64_MAX_LEN];
        size_t len = num_format_uint64(limit, (uint64_t)steps[i].us);
        put_bucket(out, cmd, slice_make(limit, len), steps[i].calls);
    }
    put_bucket(out, cmd, SLICE("+Inf"), calls);
}

/* Percentiles and histogram, each with the sum and the number of the calls. */
static void put_latency(struct metrics_commands *m, struct slice cmd, const struct server *s,
                        double us)
{
    uint64_t sums[LATENCY_BUCKETS], calls = stats_sum_latency(s, m->next, sums);
    if (calls && server_settings.latency_tracking) {
        put_percentiles(m, cmd, sums, calls);
        put_sample(m, PERCENTILES, "_sum", cmd, us);
        put_sample(m, PERCENTILES, "_count", cmd, (double)calls);
    }
    if (calls && m->histograms) {
        put_histogram(m, cmd, sums, calls);
        put_sample(m, HISTOGRAMS, "_sum", cmd, us);
        put_sample(m, HISTOGRAMS, "_count", cmd, (double)calls);
    }
}

bool metrics_commands_step(struct metrics_commands *m, const struct server *s)
{
    struct command_sum sum;
    if (m->next == COMMAND_COUNT)
        return false;
    stats_sum_command(s, m->next, &sum);
    if (sum.calls || sum.rejected || sum.failed) {
        struct slice cmd = slice_cstr(commands[m->next].full_name);
        double us = rint((double)clock_cycles_to_ns(sum.cycles) / 1000);
        put_sample(m, CALLS, "", cmd, (double)sum.calls);
        put_sample(m, SECONDS, "", cmd, us * 1e-6);
        put_sample(m, REJECTED, "", cmd, (double)sum.rejected);
        put_sample(m, FAILED, "", cmd, (double)sum.failed);
        put_latency(m, cmd, s, us);
    }
    return ++m->next < COMMAND_COUNT;
}
