/* stats.c: sums of the threads' counters, the sampler of rates, CONFIG RESETSTAT.
 *
 * Each thread writes its own counters with relaxed stores; readers add them up without stopping
 * anybody. A reset cannot write other threads' counters (their next store would undo it), so it
 * remembers the sums as a baseline. The counters per command and per error code are written inside
 * the gates only, and the reset runs with all gates closed, so these it does clear. */
#include "base/clock.h"
#include "base/log.h"
#include "server/server_internal.h"

#include <stdio.h>

#include <sys/resource.h>

enum {
    SAMPLE_MS = 100,
    SAMPLES = 16
};

INLINE uint64_t load(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct error_stat *find_code(struct server_thread *t, const char *code)
{
    uint32_t used = atomic_load_explicit(&t->error_codes, memory_order_relaxed);
    for (uint32_t i = 0; i < used; i++)
        if (strcmp(t->errors[i].code, code) == 0)
            return &t->errors[i];
    if (used == ERROR_CODES_MAX)
        return NULL; /* codes come from our own texts; more of them are not told apart */
    snprintf(t->errors[used].code, ERROR_CODE_BYTES, "%s", code);
    atomic_store_explicit(&t->error_codes, used + 1, memory_order_release);
    return &t->errors[used];
}

COLD void stats_count_error(struct server_thread *t)
{
    bool counted = t->reply.error_counted; /* by the command of a script from which it came */
    t->reply.error_counted = false;
    if (counted)
        return;
    struct error_stat *stat = find_code(t, t->reply.error_code);
    if (stat)
        stat_bump(&stat->count, 1);
    stat_bump(&t->error_replies, 1);
}

bool stats_count_call(struct server_thread *t, const struct observed *o, uint64_t cycles,
                      uint32_t errors_before)
{
    struct command_stats *s = &t->stats[o->cmd->id];
    stat_bump(&s->calls, 1);
    stat_bump(&s->cycles, cycles);
    if (t->current && !o->client) /* a part of its command */
        stat_bump(&t->current->info.commands, 1);
    if (atomic_load_explicit(&server_settings.latency_tracking, memory_order_relaxed))
        latency_record(&s->latency, cycles, 1);
    if (observe_is_slow(cycles))
        observe_time(t, o, cycles);
    if (likely(t->reply.errors == errors_before))
        return false;
    if (likely(!t->reply.error_counted))
        stats_count_error(t);
    t->reply.error_counted = false;
    stat_bump(&s->failed, 1);
    return true;
}

static void add_thread(const struct server_thread *t, struct stats_totals *out)
{
    const struct net_counters *net = &t->net.counters;
    for (int id = 0; id < COMMAND_COUNT; id++)
        out->commands += load(&t->stats[id].calls);
    out->errors += load(&t->error_replies);
    out->bytes_in += load(&net->bytes_in);
    out->bytes_out += load(&net->bytes_out);
    out->reads += load(&net->reads);
    out->writes += load(&net->writes);
    out->limit_closed += load(&net->limit_closed);
    out->query_limit_closed += load(&net->query_limit_closed);
}

static void sum_raw(const struct server *s, struct stats_totals *out)
{
    *out = (struct stats_totals){0};
    for (unsigned i = 0; i < s->thread_count; i++)
        add_thread(s->threads[i], out);
    out->hits = keyspace_stat(s->ks, STAT_HITS);
    out->misses = keyspace_stat(s->ks, STAT_MISSES);
    out->expired = keyspace_stat(s->ks, STAT_EXPIRED);
    out->expired_members = keyspace_stat(s->ks, STAT_EXPIRED_MEMBERS);
    out->evicted = keyspace_stat(s->ks, STAT_EVICTED);
    out->keyspec_fallbacks = keyspace_stat(s->ks, STAT_KEYSPEC);
}

void stats_sum(const struct server *s, struct stats_totals *out)
{
    const struct stats_totals *base = &s->baseline;
    sum_raw(s, out);
    out->bytes_in -= base->bytes_in;
    out->bytes_out -= base->bytes_out;
    out->reads -= base->reads;
    out->writes -= base->writes;
    out->limit_closed -= base->limit_closed;
    out->query_limit_closed -= base->query_limit_closed;
    out->hits -= base->hits;
    out->misses -= base->misses;
    out->expired -= base->expired;
    out->expired_members -= base->expired_members;
    out->evicted -= base->evicted;
    out->keyspec_fallbacks -= base->keyspec_fallbacks;
}

void stats_sum_command(const struct server *s, int id, struct command_sum *out)
{
    *out = (struct command_sum){0};
    for (unsigned i = 0; i < s->thread_count; i++) {
        const struct command_stats *c = &s->threads[i]->stats[id];
        out->calls += load(&c->calls);
        out->cycles += load(&c->cycles);
        out->rejected += load(&c->rejected);
        out->failed += load(&c->failed);
    }
}

uint64_t stats_sum_latency(const struct server *s, int id, uint64_t sums[LATENCY_BUCKETS])
{
    uint64_t calls = 0;
    memset(sums, 0, LATENCY_BUCKETS * sizeof(*sums));
    for (unsigned i = 0; i < s->thread_count; i++) /* acquire: pairs with latency_create() */
        calls += latency_add(
            atomic_load_explicit(&s->threads[i]->stats[id].latency, memory_order_acquire), sums);
    return calls;
}

static void clear(_Atomic uint64_t *counter)
{
    atomic_store_explicit(counter, 0, memory_order_relaxed);
}

static void clear_thread(struct server_thread *t)
{
    for (int id = 0; id < COMMAND_COUNT; id++) {
        clear(&t->stats[id].calls);
        clear(&t->stats[id].cycles);
        clear(&t->stats[id].rejected);
        clear(&t->stats[id].failed);
        latency_clear(atomic_load_explicit(&t->stats[id].latency, memory_order_relaxed));
    }
    for (int i = 0; i < ERROR_CODES_MAX; i++)
        clear(&t->errors[i].count);
    clear(&t->error_replies);
    clear(&t->slow.run);
    clear(&t->slow.waits);
    clear(&t->slow.parts);
    for (int i = 0; i < SLOW_SLICES; i++)
        clear(&t->slow.slices[i]);
}

void stats_reset(struct server *s)
{
    sum_raw(s, &s->baseline);
    evict_reset_stats();
    atomic_store(&s->evicted_clients, 0);
    atomic_store(&s->lazy_freed, 0);
    for (unsigned i = 0; i < s->thread_count; i++)
        clear_thread(s->threads[i]);
    atomic_store(&s->connections_received, 0);
    atomic_store(&s->connections_rejected, 0);
    atomic_store(&s->peak_bytes, mem_used_total());
}

size_t stats_memory(struct server *s)
{
    size_t used = mem_used_total(),
           peak = atomic_load_explicit(&s->peak_bytes, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak(&s->peak_bytes, &peak, used))
        ;
    return used;
}

/* ---- the sampler, on the main thread ---- */

struct sampler {
    struct stats_totals last;
    int64_t last_ms;
    uint64_t rates[SAMPLES][3];
    unsigned next;
};

static uint64_t per_second(uint64_t now, uint64_t last, int64_t elapsed_ms)
{
    return now > last && elapsed_ms > 0 ? (now - last) * 1000 / (uint64_t)elapsed_ms : 0;
}

static void publish(_Atomic uint64_t *out, const struct sampler *sampler, int which)
{
    uint64_t sum = 0;
    for (int i = 0; i < SAMPLES; i++)
        sum += sampler->rates[i][which];
    atomic_store_explicit(out, sum / SAMPLES, memory_order_relaxed);
}

static void sample_rates(struct server *s, struct sampler *sampler)
{
    hot_keys_cron(s);
    struct stats_totals now;
    int64_t now_ms = clock_monotonic_ms(), elapsed_ms = now_ms - sampler->last_ms;
    sum_raw(s, &now);
    uint64_t *slot = sampler->rates[sampler->next++ % SAMPLES];
    slot[0] = per_second(now.commands, sampler->last.commands, elapsed_ms);
    slot[1] = per_second(now.bytes_in, sampler->last.bytes_in, elapsed_ms);
    slot[2] = per_second(now.bytes_out, sampler->last.bytes_out, elapsed_ms);
    sampler->last = now;
    sampler->last_ms = now_ms;
    publish(&s->rates.commands, sampler, 0);
    publish(&s->rates.bytes_in, sampler, 1);
    publish(&s->rates.bytes_out, sampler, 2);
}

static void sample_cpu(struct server *s)
{
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        return;
    s->main_user_us = usage.ru_utime.tv_sec * 1000000LL + usage.ru_utime.tv_usec;
    s->main_system_us = usage.ru_stime.tv_sec * 1000000LL + usage.ru_stime.tv_usec;
}

static void sample(struct timer *self)
{
    static struct sampler sampler; /* main thread only */
    struct server *s = container_of(self, struct server, sample_timer);
    sample_rates(s, &sampler);
    sample_cpu(s);
    stats_memory(s);
    log_follow_rotation();
    reactor_arm(&s->acceptor, self, s->acceptor.now_ms + SAMPLE_MS);
}

void stats_start(struct server *s)
{
    s->startup_bytes = stats_memory(s);
    timer_init(&s->sample_timer, sample);
    reactor_arm(&s->acceptor, &s->sample_timer, s->acceptor.now_ms + SAMPLE_MS);
}
