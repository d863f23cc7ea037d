#include "server/metrics_info.h"

#include "base/num.h"
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

/* Metrics of fields with one line per error or database and parts inside: "keys=1,…". */
static const struct family {
    const char *prefix, *part, *name, *label, *type, *help;
    double scale;
} families[] = {
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

void metrics_info(struct buf *out, struct slice info)
{
    put_metric(out, "redis_up", "gauge", "1: the server answers.", 1);
    put_instance(out, info);
    put_start_time(out, info);
    put_fields(out, info);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        put_family(out, &families[i], info);
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

void metrics_info_spikes(struct buf *out, struct slice *rest)
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

void metrics_info_slowlog(struct buf *out, struct slice rest)
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
