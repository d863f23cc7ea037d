#include "tools/bench_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    double percent;
} percentiles[] = {{"p50", 50},     {"p75", 75},       {"p90", 90}, {"p99", 99},
                   {"p99.9", 99.9}, {"p99.99", 99.99}, {"max", 100}};

static double rate(const struct load_result *r)
{
    return r->seconds > 0 ? (double)r->requests / r->seconds : 0;
}

static double percentile_us(const struct histogram *h, double percent)
{
    return (double)histogram_percentile(h, percent) / 1e3;
}

static const struct histogram *all(const struct load_result *r)
{
    return &r->latency[r->items];
}

static double server_us(const struct load_result *r)
{
    return r->server_cpu_ns >= 0 && r->requests ? r->server_cpu_ns / 1e3 / (double)r->requests : -1;
}

static double client_us(const struct load_result *r)
{
    return r->requests ? r->client_cpu_ns / 1e3 / (double)r->requests : 0;
}

static void put_names(const struct bench_options *o, struct buf *out)
{
    for (unsigned i = 0; i < o->mix.count; i++)
        buf_printf(out, "%s%s", i ? "+" : "", o->mix.items[i].name);
}

/* A text as a JSON string: commands may hold anything. */
static void put_json(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_putc(out, (char)c);
    }
    buf_putc(out, '"');
}

static void put_latency_text(const struct histogram *h, struct buf *out)
{
    buf_printf(out, "mean %.1f", histogram_mean(h) / 1e3);
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        buf_printf(out, "  %s %.1f", percentiles[i].name, percentile_us(h, percentiles[i].percent));
    buf_putc(out, '\n');
}

static void put_cpu_text(const struct load_result *r, struct buf *out)
{
    buf_printf(out, "  CPU us per request  client %.3f", client_us(r));
    if (server_us(r) >= 0)
        buf_printf(out, "  server %.3f", server_us(r));
    buf_putc(out, '\n');
}

static void report_text(const struct bench_options *o, const struct load_result *r, struct buf *out)
{
    put_names(o, out);
    buf_printf(out, " over %s: %llu requests in %.3f s, %u clients, pipeline %u, %llu keys\n",
               o->load.target.codec->name, (unsigned long long)r->requests, r->seconds,
               o->load.clients, o->load.pipeline, (unsigned long long)o->keyspace);
    buf_printf(out, "  throughput  %.0f requests/s", rate(r));
    if (o->load.rate > 0)
        buf_printf(out, "  asked %.0f  longest wait in the generator %.1f us", o->load.rate,
                   (double)r->late_ns / 1e3);
    buf_puts(out, "\n  latency us  ");
    put_latency_text(all(r), out);
    for (unsigned i = 0; i < r->items && r->items > 1; i++) {
        buf_printf(out, "    %s, %llu  ", o->mix.items[i].name,
                   (unsigned long long)r->latency[i].count);
        put_latency_text(&r->latency[i], out);
    }
    put_cpu_text(r, out);
    if (r->nils)
        buf_printf(out, "  nil replies %llu\n", (unsigned long long)r->nils);
}

static void report_csv(const struct bench_options *o, const struct load_result *r, struct buf *out)
{
    static const double columns[] = {50, 90, 99, 99.9, 100};
    put_names(o, out);
    buf_printf(out, ",%s,%u,%u,%.0f", o->load.target.codec->name, o->load.clients, o->load.pipeline,
               rate(r));
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        buf_printf(out, ",%.1f", percentile_us(all(r), columns[i]));
    buf_putc(out, '\n');
}

static void put_latency_json(const struct histogram *h, struct buf *out)
{
    buf_printf(out, "{\"count\": %llu, \"mean\": %.3f", (unsigned long long)h->count,
               histogram_mean(h) / 1e3);
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++)
        buf_printf(out, ", \"%s\": %.3f", percentiles[i].name,
                   percentile_us(h, percentiles[i].percent));
    buf_putc(out, '}');
}

static void put_server_json(const struct bench_options *o, const struct load_result *r,
                            struct buf *out)
{
    buf_printf(out,
               "{\"requests\": %llu, \"seconds\": %.6f, \"requests_per_second\": %.1f, \"errors\": "
               "%llu, \"nils\": %llu, \"client_cpu_us_per_request\": %.4f, ",
               (unsigned long long)r->requests, r->seconds, rate(r), (unsigned long long)r->errors,
               (unsigned long long)r->nils, client_us(r));
    if (server_us(r) >= 0)
        buf_printf(out, "\"server_cpu_us_per_request\": %.4f, ", server_us(r));
    if (o->load.rate > 0)
        buf_printf(out, "\"longest_wait_in_generator_us\": %.1f, ", (double)r->late_ns / 1e3);
    buf_puts(out, "\"latency_us\": ");
    put_latency_json(all(r), out);
    buf_puts(out, ", \"commands\": {");
    for (unsigned i = 0; i < r->items; i++) {
        buf_puts(out, i ? ", " : "");
        put_json(out, o->mix.items[i].name);
        buf_puts(out, ": ");
        put_latency_json(&r->latency[i], out);
    }
    buf_puts(out, "}}");
}

static void put_load_json(const struct bench_options *o, struct buf *out)
{
    buf_printf(out,
               "{\"protocol\": \"%s\", \"clients\": %u, \"threads\": %u, \"pipeline\": %u, "
               "\"keyspace\": %llu, \"rate\": %.0f, \"value_bytes\": [%zu, %zu], \"seed\": %llu}",
               o->load.target.codec->name, o->load.clients, o->threads, o->load.pipeline,
               (unsigned long long)o->keyspace, o->load.rate, o->size_min, o->size_max,
               (unsigned long long)o->load.seed);
}

void bench_report(const struct bench_options *o, const struct load_result *result, struct buf *out)
{
    if (o->format == BENCH_TEXT) {
        report_text(o, result, out);
    } else if (o->format == BENCH_CSV) {
        report_csv(o, result, out);
    } else {
        buf_puts(out, "{\"load\": ");
        put_load_json(o, out);
        buf_puts(out, ", \"result\": ");
        put_server_json(o, result, out);
        buf_puts(out, "}\n");
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double p50(const struct load_result *r)
{
    return percentile_us(all(r), 50);
}

static double p99(const struct load_result *r)
{
    return percentile_us(all(r), 99);
}

static double p999(const struct load_result *r)
{
    return percentile_us(all(r), 99.9);
}

static double median(const struct load_result *results, unsigned count,
                     double (*figure)(const struct load_result *))
{
    double values[100];
    for (unsigned i = 0; i < count; i++)
        values[i] = figure(&results[i]);
    qsort(values, count, sizeof(*values), compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static const struct {
    const char *name;
    double (*figure)(const struct load_result *);
    bool more_is_better;
} figures[] = {
    {"requests/s", rate, true},
    {"p50 us", p50, false},
    {"p99 us", p99, false},
    {"p99.9 us", p999, false},
    {"server CPU us/request", server_us, false},
    {"client CPU us/request", client_us, false},
};

static void pair_text(const struct bench_options *o, const struct load_result *ours,
                      const struct load_result *theirs, unsigned rounds, struct buf *out)
{
    char name[80];
    put_names(o, out);
    buf_printf(out, " over %s, %u clients, pipeline %u: medians of %u rounds\n",
               o->load.target.codec->name, o->load.clients, o->load.pipeline, rounds);
    snprintf(name, sizeof(name), "%s:%d",
             o->compare_host[0] ? o->compare_host : o->load.target.host, o->compare_port);
    buf_printf(out, "  %-24s %10s:%-6d %16s %10s\n", "", o->load.target.host, o->load.target.port,
               name, "better by");
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        double a = median(ours, rounds, figures[i].figure);
        double b = median(theirs, rounds, figures[i].figure);
        if (a < 0 || b < 0)
            continue;
        double ratio = figures[i].more_is_better ? (b > 0 ? a / b : NAN) : (a > 0 ? b / a : NAN);
        int digits = a < 100 && b < 100 ? 3 : 0;
        buf_printf(out, "  %-24s %17.*f %16.*f %10.2f\n", figures[i].name, digits, a, digits, b,
                   ratio);
    }
}

static void put_rounds_json(const struct bench_options *o, const struct load_result *results,
                            unsigned rounds, struct buf *out)
{
    buf_putc(out, '[');
    for (unsigned i = 0; i < rounds; i++) {
        buf_puts(out, i ? ", " : "");
        put_server_json(o, &results[i], out);
    }
    buf_putc(out, ']');
}

void bench_report_pair(const struct bench_options *o, const struct load_result *ours,
                       const struct load_result *theirs, unsigned rounds, struct buf *out)
{
    if (o->format == BENCH_TEXT) {
        pair_text(o, ours, theirs, rounds, out);
        return;
    }
    if (o->format == BENCH_CSV) {
        for (unsigned i = 0; i < rounds; i++) {
            report_csv(o, &ours[i], out);
            report_csv(o, &theirs[i], out);
        }
        return;
    }
    buf_puts(out, "{\"load\": ");
    put_load_json(o, out);
    buf_puts(out, ", \"server\": ");
    put_rounds_json(o, ours, rounds, out);
    buf_puts(out, ", \"compared\": ");
    put_rounds_json(o, theirs, rounds, out);
    buf_puts(out, "}\n");
}

struct hgrm {
    FILE *file;
    uint64_t count;
};

static void hgrm_row(void *arg, uint64_t value, uint64_t up_to)
{
    const struct hgrm *h = arg;
    double part = (double)up_to / (double)h->count;
    if (up_to < h->count)
        fprintf(h->file, "%12.3f %14.12f %10llu %14.2f\n", (double)value / 1e3, part,
                (unsigned long long)up_to, 1 / (1 - part));
    else
        fprintf(h->file, "%12.3f %14.12f %10llu\n", (double)value / 1e3, part,
                (unsigned long long)up_to);
}

enum err bench_report_hgrm(const char *path, const struct histogram *h)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return ERR_SYS;
    fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    histogram_each(h, hgrm_row, &(struct hgrm){file, h->count});
    fprintf(file, "#[Mean    = %12.3f, Max = %12.3f]\n#[Total count = %llu]\n",
            histogram_mean(h) / 1e3, (double)h->max / 1e3, (unsigned long long)h->count);
    bool good = !ferror(file);
    return fclose(file) == 0 && good ? OK : ERR_SYS;
}
