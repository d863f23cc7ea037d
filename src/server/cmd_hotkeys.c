/* HOTKEYS, as Redis 8.6; without a session GET shows what is always collected, and the calls. */
#include "base/clock.h"
#include "cmd/help.h"
#include "server/hot_session.h"
#include "server/server_internal.h"

#include <stdlib.h>

enum {
    SHOWN = 10,
    LAST_SLOT = 16383
};

/* ---- HOTKEYS START ---- */

static bool parse_metrics(struct exec *ex, uint32_t *at, struct hot_options *o)
{
    int64_t count, found = 0;
    if (!arg_int_range(ex, *at + 1, 1, 2, &count, "ERR METRICS count must be > 0 and <= 2"))
        return false;
    for (*at += 2; *at < ex->argc; ++*at, found++) {
        enum hot_metric metric = arg_is(ex, *at, "cpu") ? HOT_CPU : HOT_NET;
        if (metric == HOT_NET && !arg_is(ex, *at, "net"))
            break;
        if (o->metrics[metric])
            return fail(ex, metric == HOT_CPU ? "ERR METRICS CPU defined more than once!"
                                              : "ERR METRICS NET defined more than once!");
        o->metrics[metric] = true;
    }
    if (!found)
        return fail(ex, "ERR METRICS no valid metrics passed. Supported: CPU|NET");
    return found == count ||
           fail(ex, "ERR METRICS count does not match number of metric types provided");
}

static bool parse_number(struct exec *ex, uint32_t index, int64_t min, int64_t max,
                         const char *error, int64_t *out)
{
    if (index >= ex->argc)
        return fail_syntax(ex);
    return arg_int_range(ex, index, min, max, out, error);
}

static bool parse_option(struct exec *ex, uint32_t at, struct hot_options *o)
{
    int64_t value;
    if (arg_is(ex, at, "count")) {
        if (!parse_number(ex, at + 1, 1, HOT_SHOWN_MAX, "ERR COUNT must be between 1 and 64",
                          &value))
            return false;
        o->shown = (uint32_t)value;
        return true;
    }
    if (arg_is(ex, at, "duration"))
        return parse_number(ex, at + 1, 0, INT32_MAX, "ERR DURATION is out of range",
                            &o->duration_s);
    if (arg_is(ex, at, "sample")) {
        if (!parse_number(ex, at + 1, 1, INT32_MAX, "ERR SAMPLE ratio must be positive", &value))
            return false;
        o->ratio = (uint32_t)value;
        return true;
    }
    if (arg_is(ex, at, "slots"))
        return fail(ex, "ERR SLOTS parameter cannot be used in non-cluster mode");
    return fail_syntax(ex);
}

static bool parse_start(struct exec *ex, struct hot_options *o)
{
    uint32_t at = 2;
    if (ex->argc < 4 || !arg_is(ex, at, "metrics"))
        return fail(ex, "ERR METRICS parameter is required");
    if (!parse_metrics(ex, &at, o))
        return false;
    for (; at < ex->argc; at += 2)
        if (!parse_option(ex, at, o))
            return false;
    return true;
}

void cmd_hotkeys_start(struct exec *ex)
{
    struct server *s = exec_thread(ex)->server;
    struct hot_options options = {.ratio = 1, .shown = SHOWN};
    if (hot_session_runs(s)) {
        fail(ex, "ERR hotkey tracking session already in progress");
        return;
    }
    if (!parse_start(ex, &options))
        return;
    hot_session_begin(s, &options);
    reply_ok(ex->reply);
}

/* Without a session that runs: null, as in Redis. */
void cmd_hotkeys_stop(struct exec *ex)
{
    if (hot_session_end(exec_thread(ex)->server))
        reply_ok(ex->reply);
    else
        reply_null(ex->reply);
}

void cmd_hotkeys_reset(struct exec *ex)
{
    struct server *s = exec_thread(ex)->server;
    if (hot_session_runs(s)) {
        fail(ex, "ERR hotkey tracking session in progress, stop tracking first");
        return;
    }
    hot_session_drop(s);
    reply_ok(ex->reply);
}

/* ---- HOTKEYS GET ---- */

struct hot_key {
    struct top_item *item; /* a copy */
    int64_t count;
};

struct hot_list {
    struct buf keys; /* struct hot_key[] */
};

static void collect(struct hot_list *list, struct server_thread *t, struct top *top)
{
    lock_acquire(&t->hot.lock);
    for (uint32_t i = 0; i < top_len(top); i++) {
        const struct top_item *item = top_at(top, i);
        struct hot_key key = {mem_alloc(MEM_CLIENT, sizeof(*item) + item->len), item->count};
        memcpy(key.item, item, sizeof(*item) + item->len);
        buf_append(&list->keys, &key, sizeof(key));
    }
    lock_release(&t->hot.lock);
}

static int by_name(const void *a, const void *b)
{
    const struct top_item *left = ((const struct hot_key *)a)->item;
    const struct top_item *right = ((const struct hot_key *)b)->item;
    if (left->hash != right->hash)
        return left->hash < right->hash ? -1 : 1;
    return (left->space > right->space) - (left->space < right->space);
}

static int by_count(const void *a, const void *b)
{
    int64_t left = ((const struct hot_key *)a)->count, right = ((const struct hot_key *)b)->count;
    return (left < right) - (left > right);
}

/* Adds up what the threads have of the same key; returns how many are left. */
static size_t merge(struct hot_key *keys, size_t count)
{
    size_t kept = 0;
    if (!count)
        return 0;
    qsort(keys, count, sizeof(*keys), by_name);
    for (size_t i = 1; i < count; i++) {
        if (by_name(&keys[kept], &keys[i]) != 0) {
            struct hot_key next = keys[i];
            keys[i] = keys[++kept]; /* to be freed with the rest */
            keys[kept] = next;
        } else {
            keys[kept].count += keys[i].count;
        }
    }
    qsort(keys, kept + 1, sizeof(*keys), by_count);
    return kept + 1;
}

/* "name", then keys and figures by turns. */
static void reply_top(struct exec *ex, const char *name, bool always, enum hot_metric metric,
                      uint32_t shown, int64_t unit)
{
    const struct server *s = exec_thread(ex)->server;
    struct hot_list list;
    buf_init(&list.keys, MEM_CLIENT);
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct hot_keys *h = &s->threads[i]->hot;
        collect(&list, s->threads[i], always ? &h->always[metric] : &h->session[metric]);
    }
    struct hot_key *keys = (struct hot_key *)buf_ptr(&list.keys);
    size_t all = buf_len(&list.keys) / sizeof(*keys), count = MIN(merge(keys, all), shown);
    reply_bulk_cstr(ex->reply, name);
    reply_array(ex->reply, 2 * count);
    for (size_t i = 0; i < count; i++) {
        reply_bulk(ex->reply, slice_make(keys[i].item->name, keys[i].item->len));
        reply_int(ex->reply, keys[i].count / unit);
    }
    for (size_t i = 0; i < all; i++)
        mem_free(MEM_CLIENT, keys[i].item, sizeof(*keys[i].item) + keys[i].item->len);
    buf_deinit(&list.keys);
}

static void put(struct exec *ex, const char *name, int64_t value)
{
    reply_bulk_cstr(ex->reply, name);
    reply_int(ex->reply, value);
}

static void reply_head(struct exec *ex, bool active, uint32_t ratio,
                       const struct hot_totals *totals, int64_t started_ms, int64_t duration_ms)
{
    put(ex, "tracking-active", active);
    put(ex, "sample-ratio", ratio);
    reply_bulk_cstr(ex->reply, "selected-slots");
    reply_array(ex->reply, 1);
    reply_array(ex->reply, 2);
    reply_int(ex->reply, 0);
    reply_int(ex->reply, LAST_SLOT);
    put(ex, "all-commands-all-slots-us", (int64_t)totals->command_ns / 1000);
    put(ex, "net-bytes-all-commands-all-slots", (int64_t)totals->net_bytes);
    put(ex, "collection-start-time-unix-ms", started_ms);
    put(ex, "collection-duration-ms", duration_ms);
}

/* The form is that of an array with one report. */
static void reply_report(struct exec *ex, bool always, const bool metrics[HOT_METRICS],
                         uint32_t shown, const struct hot_totals *totals)
{
    if (metrics[HOT_CPU]) {
        put(ex, "total-cpu-time-user-ms", totals->user_us / 1000);
        put(ex, "total-cpu-time-sys-ms", totals->system_us / 1000);
    }
    if (metrics[HOT_NET])
        put(ex, "total-net-bytes", (int64_t)totals->net_bytes);
    if (metrics[HOT_CPU])
        reply_top(ex, "by-cpu-time-us", always, HOT_CPU, shown, 1000);
    if (metrics[HOT_NET])
        reply_top(ex, "by-net-bytes", always, HOT_NET, shown, 1);
    if (metrics[HOT_CALLS])
        reply_top(ex, "by-calls", always, HOT_CALLS, shown, 1);
}

static size_t field_count(const bool metrics[HOT_METRICS])
{
    return 7u + 3u * metrics[HOT_CPU] + 2u * metrics[HOT_NET] + metrics[HOT_CALLS];
}

void cmd_hotkeys_get(struct exec *ex)
{
    static const bool everything[HOT_METRICS] = {true, true, true};
    struct server *s = exec_thread(ex)->server;
    const struct hot_session *n = &s->hot_session;
    bool always = !atomic_load(&n->exists);
    const bool *metrics = always ? everything : n->metrics;
    int64_t started_ms = always ? s->started_wall_s * 1000 : n->started_ms, duration_ms;
    struct hot_totals totals;
    if (always) {
        hot_totals_read(s, &totals);
        duration_ms = clock_wall_ms() - started_ms;
    } else {
        hot_session_totals(s, &totals, &duration_ms);
    }
    reply_array(ex->reply, 1);
    reply_map(ex->reply, field_count(metrics));
    reply_head(ex, always || hot_session_runs(s), always ? HOT_RATIO : n->ratio, &totals,
               started_ms, duration_ms);
    reply_report(ex, always, metrics, always ? SHOWN : n->shown, &totals);
}

void cmd_hotkeys_help(struct exec *ex)
{
    help_reply(ex);
}
