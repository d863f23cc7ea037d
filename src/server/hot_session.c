#include "server/hot_session.h"

#include "base/clock.h"
#include "server/server_internal.h"

#include <sys/resource.h>

static int64_t micros(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

void hot_totals_read(const struct server *s, struct hot_totals *out)
{
    struct rusage usage = {0};
    uint64_t cycles = 0, bytes = 0;
    for (unsigned i = 0; i < s->thread_count; i++) {
        const struct server_thread *t = s->threads[i];
        for (int id = 0; id < COMMAND_COUNT; id++)
            cycles += atomic_load_explicit(&t->stats[id].cycles, memory_order_relaxed);
        bytes += atomic_load_explicit(&t->net.counters.bytes_in, memory_order_relaxed);
        bytes += atomic_load_explicit(&t->net.counters.bytes_out, memory_order_relaxed);
    }
    getrusage(RUSAGE_SELF, &usage);
    *out = (struct hot_totals){clock_cycles_to_ns(cycles), bytes, micros(usage.ru_utime),
                               micros(usage.ru_stime)};
}

bool hot_session_runs(const struct server *s)
{
    return atomic_load_explicit(&s->hot_session.until_ms, memory_order_relaxed) > clock_wall_ms();
}

static void clear_threads(struct server *s, uint32_t ratio)
{
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct hot_keys *h = &s->threads[i]->hot;
        h->ratio = h->left = ratio;
        for (int m = 0; m < HOT_METRICS; m++)
            top_deinit(&h->session[m]);
    }
}

void hot_session_begin(struct server *s, const struct hot_options *o)
{
    struct hot_session *n = &s->hot_session;
    clear_threads(s, o->ratio);
    memcpy(n->metrics, o->metrics, sizeof(n->metrics));
    n->ratio = o->ratio;
    n->shown = o->shown;
    n->started_ms = clock_wall_ms();
    hot_totals_read(s, &n->before);
    lock_acquire(&n->lock);
    n->ended = false;
    atomic_store(&n->exists, true);
    atomic_store(&n->until_ms, o->duration_s ? n->started_ms + o->duration_s * 1000 : INT64_MAX);
    lock_release(&n->lock);
}

/* Notes the totals once. Who saw the end of one session may come when the next has begun. */
static void settle(struct server *s)
{
    struct hot_session *n = &s->hot_session;
    lock_acquire(&n->lock);
    if (atomic_load(&n->exists) && !n->ended && !hot_session_runs(s)) {
        n->ended = true;
        n->ended_ms = clock_wall_ms();
        hot_totals_read(s, &n->after);
    }
    lock_release(&n->lock);
}

bool hot_session_end(struct server *s)
{
    bool ran = hot_session_runs(s);
    atomic_store(&s->hot_session.until_ms, 0);
    settle(s);
    return ran;
}

void hot_session_drop(struct server *s)
{
    clear_threads(s, HOT_RATIO);
    atomic_store(&s->hot_session.exists, false);
}

void hot_keys_cron(struct server *s)
{
    int64_t until_ms = atomic_load_explicit(&s->hot_session.until_ms, memory_order_relaxed);
    if (unlikely(until_ms != 0) && until_ms <= clock_wall_ms())
        settle(s);
}

/* Counters may have been reset in between. */
static uint64_t since(uint64_t after, uint64_t before)
{
    return after >= before ? after - before : after;
}

void hot_session_totals(struct server *s, struct hot_totals *out, int64_t *duration_ms)
{
    struct hot_session *n = &s->hot_session;
    if (!hot_session_runs(s))
        settle(s);
    lock_acquire(&n->lock);
    if (n->ended)
        *out = n->after;
    else
        hot_totals_read(s, out);
    *duration_ms = (n->ended ? n->ended_ms : clock_wall_ms()) - n->started_ms;
    lock_release(&n->lock);
    out->command_ns = since(out->command_ns, n->before.command_ns);
    out->net_bytes = since(out->net_bytes, n->before.net_bytes);
    out->user_us -= n->before.user_us;
    out->system_us -= n->before.system_us;
}
