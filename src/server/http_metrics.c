/* /metrics: Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats), with the
 * names of redis_exporter, out of what INFO and LATENCY HISTOGRAM say. So it needs the rights to
 * run these, stops no shard, and cannot tell anything else than they do. Linear in their text, but
 * for a search per command. */
#include "base/num.h"
#include "server/http_internal.h"

static const struct metric {
    const char *field, *name, *type, *help;
} metrics[] = {

#define METRIC(field, name, type, help) {field, name, type, help},
#include "server/metrics.def"
#undef METRIC
};

/* Metrics of fields with one line per command, error or database and parts inside: "calls=1,…". */
static const struct family {
    const char *prefix, *part, *name, *label, *type, *help;
    double scale;
} families[] = {
    {"cmdstat_", "calls", "redis_commands_total", "cmd", "counter", "Calls per command.", 1},
    {"cmdstat_", "usec", "redis_commands_duration_seconds_total", "cmd", "counter",
     "Seconds spent per command.", 1e-6},
    {"cmdstat_", "rejected_calls", "redis_commands_rejected_calls_total", "cmd", "counter",
     "Calls refused per command.", 1},
    {"cmdstat_", "failed_calls", "redis_commands_failed_calls_total", "cmd", "counter",
     "Calls that failed per command.", 1},
    {"errorstat_", "count", "redis_errors_total", "err", "counter", "Error replies per code.", 1},
    {"db", "keys", "redis_db_keys", "db", "gauge", "Keys per database.", 1},
    {"db", "expires", "redis_db_keys_expiring", "db", "gauge", "Keys with a time to live.", 1},
    {"db", "avg_ttl", "redis_db_avg_ttl_seconds", "db", "gauge", "Their mean time to live.", 1e-3},
};

static void put_header(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Takes the line at the front; false: there is none. */
static bool take_line(struct slice *rest, struct slice *line)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len, used = MIN(len + 1, rest->len);
    *line = slice_make(rest->ptr, len && rest->ptr[len - 1] == '\r' ? len - 1 : len);
    *rest = slice_make(rest->ptr + used, rest->len - used);
    return true;
}

/* "name:value" */
static bool split(struct slice line, struct slice *name, struct slice *value)
{
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon || *line.ptr == '#')
        return false;
    *name = slice_make(line.ptr, (size_t)(colon - line.ptr));
    *value = slice_make(colon + 1, line.len - name->len - 1);
    return true;
}

static bool number_of(struct slice value, double *out)
{
    if (slice_equal(value, SLICE("ok")) || slice_equal(value, SLICE("err"))) {
        *out = value.len == 2;
        return true;
    }
    return num_parse_double(value, out);
}

static void put_value(struct buf *out, double value)
{
    buf_advance(out, num_format_double(buf_reserve(out, NUM_DOUBLE_MAX_LEN), value));
    buf_putc(out, '\n');
}

static const struct metric *find_metric(struct slice field)
{
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
        if (slice_equal(field, slice_cstr(metrics[i].field)))
            return &metrics[i];
    return NULL;
}

static void put_fields(struct buf *out, struct slice info)
{
    struct slice line, field, value;
    double number;
    while (take_line(&info, &line)) {
        const struct metric *m = split(line, &field, &value) ? find_metric(field) : NULL;
        if (!m || !number_of(value, &number))
            continue;
        put_header(out, m->name, m->type, m->help);
        buf_puts(out, m->name);
        buf_putc(out, ' ');
        put_value(out, number);
    }
}

static bool find_part(struct slice parts, const char *name, double *out)
{
    size_t len = strlen(name);
    while (parts.len) {
        const char *comma = memchr(parts.ptr, ',', parts.len);
        size_t size = comma ? (size_t)(comma - parts.ptr) : parts.len;
        if (size > len && parts.ptr[len] == '=' && memcmp(parts.ptr, name, len) == 0)
            return num_parse_double(slice_make(parts.ptr + len + 1, size - len - 1), out);
        size_t used = MIN(size + 1, parts.len);
        parts = slice_make(parts.ptr + used, parts.len - used);
    }
    return false;
}

/* A label's value: nothing of ours needs escaping but what a client may have put into an error
 * code. */
static void put_label(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.ptr[i]);
    }
}

static void put_family(struct buf *out, const struct family *f, struct slice info)
{
    struct slice line, field, value;
    size_t prefix = strlen(f->prefix);
    bool is_db = strcmp(f->prefix, "db") == 0, first = true;
    double number;
    while (take_line(&info, &line)) {
        if (!split(line, &field, &value) || field.len <= prefix ||
            memcmp(field.ptr, f->prefix, prefix) != 0 || !find_part(value, f->part, &number))
            continue;
        if (first)
            put_header(out, f->name, f->type, f->help);
        first = false;
        buf_printf(out, "%s{%s=\"", f->name, f->label);
        put_label(out, is_db ? field : slice_make(field.ptr + prefix, field.len - prefix));
        buf_puts(out, "\"} ");
        put_value(out, number * f->scale);
    }
}

/* ---- histograms ---- */

/* The reply of LATENCY HISTOGRAM, token by token: our own, so its form is known. */
static struct slice take_token(struct slice *rest)
{
    struct slice line = SLICE("");
    int64_t len;
    if (!take_line(rest, &line) || !line.len)
        return SLICE("");
    struct slice text = slice_make(line.ptr + 1, line.len - 1);
    if (*line.ptr != '$' || !num_parse_int64(text, &len) || len < 0 || (size_t)len + 2 > rest->len)
        return text;
    text = slice_make(rest->ptr, (size_t)len);
    *rest = slice_make(rest->ptr + len + 2, rest->len - (size_t)len - 2);
    return text;
}

static int64_t take_count(struct slice *rest)
{
    int64_t n = 0;
    return num_parse_int64(take_token(rest), &n) ? n : 0;
}

/* All time spent in the command, which the histogram does not tell. */
static double total_usec(struct slice info, struct slice cmd)
{
    char name[80];
    double usec = 0;
    int len = snprintf(name, sizeof(name), "cmdstat_%.*s:", (int)MIN(cmd.len, (size_t)64), cmd.ptr);
    const char *at = memmem(info.ptr, info.len, name, (size_t)len);
    if (!at)
        return 0;
    struct slice rest = slice_make(at + len, info.len - (size_t)(at + len - info.ptr)), line;
    return take_line(&rest, &line) && find_part(line, "usec", &usec) ? usec : 0;
}

static void put_histogram(struct buf *out, struct slice *rest, struct slice info)
{
    static const char name[] = "redis_commands_latencies_usec";
    struct slice cmd = take_token(rest);
    take_token(rest); /* an array of 4 */
    take_token(rest); /* "calls" */
    int64_t calls = take_count(rest);
    take_token(rest); /* "histogram_usec" */
    for (int64_t pairs = take_count(rest) / 2; pairs > 0; pairs--) {
        struct slice le = take_token(rest), count = take_token(rest);
        buf_printf(out, "%s_bucket{cmd=\"%.*s\",le=\"%.*s\"} %.*s\n", name, (int)cmd.len, cmd.ptr,
                   (int)le.len, le.ptr, (int)count.len, count.ptr);
    }
    buf_printf(out, "%s_bucket{cmd=\"%.*s\",le=\"+Inf\"} %lld\n", name, (int)cmd.len, cmd.ptr,
               (long long)calls);
    buf_printf(out, "%s_sum{cmd=\"%.*s\"} ", name, (int)cmd.len, cmd.ptr);
    put_value(out, total_usec(info, cmd));
    buf_printf(out, "%s_count{cmd=\"%.*s\"} %lld\n", name, (int)cmd.len, cmd.ptr, (long long)calls);
}

static void put_histograms(struct buf *out, struct slice reply, struct slice info)
{
    const char *stats = memmem(info.ptr, info.len, "# Commandstats", 14);
    if (!reply.len || *reply.ptr != '*')
        return;
    if (stats)
        info = slice_make(stats, info.len - (size_t)(stats - info.ptr));
    put_header(out, "redis_commands_latencies_usec", "histogram", "Latency of calls per command.");
    for (int64_t left = take_count(&reply) / 2; left > 0; left--)
        put_histogram(out, &reply, info);
}

void http_metrics_respond(struct exchange *x)
{
    struct buf out, flat;
    buf_init(&out, MEM_CLIENT);
    buf_init(&flat, MEM_CLIENT);
    struct slice rest = http_flatten(x->client, &flat);
    if (!rest.len || *rest.ptr == '-') {
        int status = rest.len ? http_status_of(slice_make(rest.ptr + 1, rest.len - 1)) : 503;
        http_fail(x, status, "ERR no INFO for this user, or not now");
    } else {
        struct slice info = take_token(&rest);
        buf_puts(&out,
                 "# HELP redis_up 1: the server answers.\n# TYPE redis_up gauge\nredis_up 1\n");
        buf_puts(&out,
                 "# HELP redis_instance_info Versions.\n# TYPE redis_instance_info gauge\n"
                 "redis_instance_info{redis_version=\"" REDIS_VERSION "\",role=\"master\"} 1\n");
        put_fields(&out, info);
        for (size_t i = 0; i < ARRAY_LEN(families); i++)
            put_family(&out, &families[i], info);
        put_histograms(&out, rest, info);
        http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&out));
    }
    buf_deinit(&flat);
    buf_deinit(&out);
}
