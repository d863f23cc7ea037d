/* /metrics: Prometheus' text format, with the names of redis_exporter, out of what INFO, LATENCY
 * and SLOWLOG say. So it needs the rights to run these, stops no shard, and cannot tell anything
 * else than they do. Linear in their text. */
#include "base/num.h"
#include "server/http_internal.h"
#include "server/metrics_latency.h"
#include "server/metrics_text.h"

static const struct metric {
    const char *field;
    size_t len; /* of `field` */
    const char *name, *type, *help;
} metrics[] = {

#define METRIC(field, name, type, help) {field, sizeof(field) - 1, name, type, help},
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

static bool number_of(struct slice value, double *out)
{
    if (slice_equal(value, SLICE("ok")) || slice_equal(value, SLICE("err"))) {
        *out = value.len == 2;
        return true;
    }
    return num_parse_double(value, out);
}

static void put_metric(struct buf *out, const char *name, const char *type, const char *help,
                       double value)
{
    metrics_text_header(out, name, type, help);
    buf_puts(out, name);
    buf_putc(out, ' ');
    metrics_text_value(out, value);
}

static void put_field(struct buf *out, struct slice field, struct slice value)
{
    double number;
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        const struct metric *m = &metrics[i];
        if (field.len == m->len && *field.ptr == *m->field &&
            memcmp(field.ptr, m->field, m->len) == 0 && number_of(value, &number))
            put_metric(out, m->name, m->type, m->help, number);
    }
}

static void put_fields(struct buf *out, struct slice info)
{
    struct slice line, field, value;
    while (metrics_text_take_line(&info, &line))
        if (metrics_text_split(line, &field, &value) && field.len)
            put_field(out, field, value);
}

static void put_family(struct buf *out, const struct family *f, struct slice info)
{
    struct slice line, field, value;
    size_t prefix = strlen(f->prefix);
    bool is_db = strcmp(f->prefix, "db") == 0, first = true;
    double number;
    while (metrics_text_take_line(&info, &line)) {
        if (line.len <= prefix || memcmp(line.ptr, f->prefix, prefix) != 0 ||
            !metrics_text_split(line, &field, &value) ||
            !metrics_text_part(value, f->part, &number))
            continue;
        if (first)
            metrics_text_header(out, f->name, f->type, f->help);
        first = false;
        metrics_text_open(out, f->name, f->label,
                          is_db ? field : slice_make(field.ptr + prefix, field.len - prefix));
        buf_puts(out, "} ");
        metrics_text_value(out, number * f->scale);
    }
}

/* ---- what is made of several fields ---- */

static struct slice text_of(struct slice info, const char *name)
{
    struct slice line, field, value;
    while (metrics_text_take_line(&info, &line))
        if (metrics_text_split(line, &field, &value) && slice_equal(field, slice_cstr(name)))
            return value;
    return SLICE("");
}

static void put_instance(struct buf *out, struct slice info)
{
    static const char *const labels[] = {
        "role",     "redis_version", "redis_build_id", "redis_mode",   "os", "maxmemory_policy",
        "tcp_port", "run_id",        "process_id",     "master_replid"};

    metrics_text_header(out, "redis_instance_info", "gauge", "What runs here.");
    buf_puts(out, "redis_instance_info{");
    for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
        buf_puts(out, i ? "," : "");
        buf_puts(out, labels[i]);
        buf_puts(out, "=\"");
        metrics_text_label(out, text_of(info, labels[i]));
        buf_putc(out, '"');
    }
    buf_puts(out, "} 1\n");
}

static void put_start_time(struct buf *out, struct slice info)
{
    double now_usec, uptime_s;
    if (num_parse_double(text_of(info, "server_time_usec"), &now_usec) &&
        num_parse_double(text_of(info, "uptime_in_seconds"), &uptime_s))
        put_metric(out, "redis_start_time_seconds", "gauge", "When the server started.",
                   (double)(int64_t)(now_usec / 1e6 - uptime_s));
}

/* The replies of SLOWLOG LEN and SLOWLOG GET 1. */
static void put_slowlog(struct buf *out, struct slice rest)
{
    bool may = rest.len && *rest.ptr == ':';
    int64_t length = metrics_text_take_count(&rest), id = 0, usec = 0;
    if (!may)
        return;
    if (rest.len && *rest.ptr == '*' && metrics_text_take_count(&rest) > 0) {
        metrics_text_take_token(&rest); /* an array of 6 */
        id = metrics_text_take_count(&rest);
        metrics_text_take_token(&rest); /* when */
        usec = metrics_text_take_count(&rest);
    }
    put_metric(out, "redis_slowlog_length", "gauge", "Entries of the slow log.", (double)length);
    put_metric(out, "redis_slowlog_last_id", "gauge", "The newest entry's id.", (double)id);
    put_metric(out, "redis_last_slow_execution_duration_seconds", "gauge", "Its duration.",
               (double)usec / 1e6);
}

static void put_all(struct buf *out, struct slice rest)
{
    struct slice info = metrics_text_take_token(&rest);
    put_metric(out, "redis_up", "gauge", "1: the server answers.", 1);
    put_instance(out, info);
    put_start_time(out, info);
    put_fields(out, info);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        put_family(out, &families[i], info);
    metrics_latency_percentiles(out, info);
    metrics_latency_histograms(out, &rest, info);
    metrics_latency_spikes(out, &rest);
    put_slowlog(out, rest);
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
        put_all(&out, rest);
        http_respond(x, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&out));
    }
    buf_deinit(&flat);
    buf_deinit(&out);
}
