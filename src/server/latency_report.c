#include "server/latency_report.h"

#include "base/clock.h"
#include "server/settings.h"

#include <math.h>
#include <stdio.h>

enum {
    COLUMNS = 80,
    ROWS = 4,
    LABEL_BYTES = 8
};

/* ---- the graph ---- */

struct graph {
    unsigned columns;
    uint32_t low, high;
    uint32_t values[COLUMNS];
    char labels[COLUMNS][LABEL_BYTES];
    size_t label_height;
};

static void format_age(char out[LABEL_BYTES], int64_t age_s)
{
    static const struct {
        int64_t seconds;
        char unit;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && age_s < units[i].seconds)
        i++;
    snprintf(out, LABEL_BYTES, "%u%c", (unsigned)(MIN(MAX(age_s, 0) / units[i].seconds, 99999)),
             units[i].unit);
}

static void collect(struct graph *g, const struct latency_event_view *e)
{
    int64_t now_s = clock_wall_ms() / 1000;
    g->columns = MIN(e->count, (unsigned)COLUMNS);
    g->low = UINT32_MAX;
    g->high = 0;
    g->label_height = 0;
    for (unsigned i = 0; i < g->columns; i++) {
        const struct latency_sample *s = &e->samples[e->count - g->columns + i];
        g->values[i] = s->ms;
        g->low = MIN(g->low, s->ms);
        g->high = MAX(g->high, s->ms);
        format_age(g->labels[i], now_s - s->time_s);
        g->label_height = MAX(g->label_height, strlen(g->labels[i]));
    }
}

/* A column has three steps per row. */
static char cell(const struct graph *g, unsigned column, unsigned row)
{
    enum {
        STEPS = 3
    };

    double range = g->high > g->low ? (double)(g->high - g->low) : 1;
    double part = g->high > g->low ? (double)(g->values[column] - g->low) / range : 1;
    int height = (int)lround(part * (ROWS * STEPS - 1)) + 1;
    int above = height - (int)(ROWS - 1 - row) * STEPS;
    return above <= 0 ? ' ' : "_o#"[MIN(above, STEPS) - 1];
}

void latency_graph(struct buf *out, const struct latency_event_view *event)
{
    struct graph g;
    collect(&g, event);
    buf_printf(out, "%s - high %u ms, low %u ms (all time high %u ms)\n", event->name, g.high,
               g.low, event->max_ms);
    for (int i = 0; i < COLUMNS; i++)
        buf_putc(out, '-');
    buf_putc(out, '\n');
    for (unsigned row = 0; row < ROWS; row++) {
        for (unsigned i = 0; i < g.columns; i++)
            buf_putc(out, cell(&g, i, row));
        buf_putc(out, '\n');
    }
    buf_putc(out, '\n');
    for (size_t row = 0; row < g.label_height; row++) {
        for (unsigned i = 0; i < g.columns; i++)
            buf_putc(out, row < strlen(g.labels[i]) ? g.labels[i][row] : ' ');
        buf_putc(out, '\n');
    }
}

/* ---- the doctor ---- */

struct figures {
    double average, deviation; /* mean absolute deviation */
    uint32_t low, high;
    double period_s;
};

static void measure(const struct latency_event_view *e, struct figures *f)
{
    double sum = 0, off = 0;
    *f = (struct figures){.low = UINT32_MAX};
    for (unsigned i = 0; i < e->count; i++) {
        sum += e->samples[i].ms;
        f->low = MIN(f->low, e->samples[i].ms);
        f->high = MAX(f->high, e->samples[i].ms);
    }
    f->average = sum / MAX(e->count, 1u);
    for (unsigned i = 0; i < e->count; i++)
        off += fabs(e->samples[i].ms - f->average);
    f->deviation = off / MAX(e->count, 1u);
    double span = (double)(clock_wall_ms() / 1000 - e->samples[0].time_s);
    f->period_s = MAX(span, 0) / MAX(e->count, 1u);
}

static const struct advice {
    const char *event, *text;
} advices[] = {
    {"command",
     "SLOWLOG GET names slow commands and their clients. Commands on large values run on worker "
     "threads from slow-command-threshold on; EXEC, SORT with patterns and in-place edits of very "
     "large values do not."},
    {"fast-command",
     "Commands that take constant time were slow: the machine may be short of processors or "
     "memory (look at steal time and swap), or a shard was held by a long command."},
    {"expire-cycle", "Many keys, or very large ones, expired together: spread their times to live, "
                     "or set lazyfree-lazy-expire to yes."},
    {"eviction-cycle",
     "Eviction took long: raise maxmemory, or set lazyfree-lazy-eviction to yes for large values."},
    {"eviction-del", "Deleting evicted keys took long: set lazyfree-lazy-eviction to yes."},
    {"aof", "The disk is slow for the append-only file: see appendfsync and no-appendfsync-on-"
            "rewrite."},
    {"rdb", "The disk is slow for snapshots."},
};

static void advise(struct buf *out, const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        size_t len = strlen(advices[i].event);
        bool family = strcmp(advices[i].event, "aof") == 0 || strcmp(advices[i].event, "rdb") == 0;
        if (family ? strncmp(event, advices[i].event, len) == 0
                   : strcmp(event, advices[i].event) == 0)
            buf_printf(out, "   %s\n", advices[i].text);
    }
}

void latency_diagnose(struct buf *out)
{
    struct latency_event_view e;
    unsigned shown = 0;
    if (!server_settings.latency_monitor_threshold_ms) {
        buf_puts(out, "Latency monitoring is off. \"CONFIG SET latency-monitor-threshold "
                      "<milliseconds>\" turns it on.\n");
        return;
    }
    for (; latency_event_at(shown, &e); shown++) {
        struct figures f;
        measure(&e, &f);
        buf_printf(out,
                   "%u. %s: %u latency spikes (average %.0f ms, mean deviation %.0f ms, one in "
                   "%.2f s). Worst of all time %u ms.\n",
                   shown + 1, e.name, e.count, f.average, f.deviation, f.period_s, e.max_ms);
        advise(out, e.name);
    }
    if (!shown)
        buf_printf(out, "No latency spike of %lld ms or more has been seen.\n",
                   (long long)server_settings.latency_monitor_threshold_ms);
}
