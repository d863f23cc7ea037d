/* info_stats.c: INFO about what the server has done. */
#include "base/clock.h"
#include "server/info.h"

static void put(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s:%llu\r\n", name, (unsigned long long)value);
}

/* ---- stats ---- */

static void put_network(struct server *s, struct buf *out, const struct stats_totals *t)
{
    double input = (double)atomic_load(&s->rates.bytes_in) / 1024;
    double output = (double)atomic_load(&s->rates.bytes_out) / 1024;
    put(out, "total_net_input_bytes", t->bytes_in);
    put(out, "total_net_output_bytes", t->bytes_out);
    buf_printf(out,
               "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0\r\n"
               "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n"
               "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00\r\n",
               input, output);
}

static void put_keys(struct buf *out, const struct stats_totals *t)
{
    put(out, "expired_subkeys", t->expired_members);
    put(out, "expired_keys", t->expired);
    buf_puts(out, "expired_stale_perc:0.00\r\nexpired_time_cap_reached_count:0\r\n"
                  "expire_cycle_cpu_milliseconds:0\r\n");
    put(out, "evicted_keys", t->evicted);
    put(out, "evicted_scripts", atomic_load(&the_server->scripts.evicted));
    int64_t exceeded_us = evict_exceeded_now_us();
    put(out, "evicted_clients", atomic_load(&the_server->evicted_clients));
    put(out, "total_eviction_exceeded_time",
        (uint64_t)(evict_exceeded_total_us() + exceeded_us) / 1000);
    put(out, "current_eviction_exceeded_time", (uint64_t)exceeded_us / 1000);
    put(out, "keyspace_hits", t->hits);
    put(out, "keyspace_misses", t->misses);
}

/* Slow commands; and runs of commands, and parts of long work, by their time per command, which
 * bounds how long a lock was held and a reactor busy. */
static void put_slow(struct server *s, uint64_t total, struct buf *out)
{
    static const char *const names[SLOW_SLICES] = {"slice_us_le_1000", "slice_us_le_10000",
                                                   "slice_us_le_100000", "slice_us_gt_100000"};
    uint64_t slices[SLOW_SLICES] = {0}, run = 0, waits = 0, over = 0;
    for (unsigned i = 0; i < s->thread_count; i++) {
        const struct slow_thread *t = &s->threads[i]->slow;
        run += atomic_load_explicit(&t->run, memory_order_relaxed);
        waits += atomic_load_explicit(&t->waits, memory_order_relaxed);
        total += atomic_load_explicit(&t->parts, memory_order_relaxed);
        for (unsigned k = 0; k < SLOW_SLICES; k++)
            slices[k] += atomic_load_explicit(&t->slices[k], memory_order_relaxed);
    }
    for (unsigned k = 0; k < SLOW_SLICES; k++)
        over += slices[k];
    put(out, "slow_commands_run", run);
    put(out, "slow_commands_active", atomic_load(&s->slow.jobs));
    put(out, "pin_waits", waits);
    put(out, "slice_us_le_100", total - MIN(total, run + over));
    for (unsigned k = 0; k < SLOW_SLICES; k++)
        put(out, names[k], slices[k]);
}

static uint64_t acl_denials(const struct server *s, enum acl_verdict verdict)
{
    return atomic_load_explicit(&s->acl.log.denied[verdict], memory_order_relaxed);
}

void info_stats(struct server *s, struct buf *out)
{
    struct stats_totals t;
    stats_sum(s, &t);
    buf_puts(out, "# Stats\r\n");
    put(out, "total_connections_received", atomic_load(&s->connections_received));
    put(out, "total_commands_processed", t.commands);
    put(out, "instantaneous_ops_per_sec", atomic_load(&s->rates.commands));
    put_network(s, out, &t);
    put(out, "rejected_connections", atomic_load(&s->connections_rejected));
    buf_puts(out, "sync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\n");
    put_keys(out, &t);
    put(out, "pubsub_channels", pubsub_count(&s->pubsub, PUBSUB_CHANNEL));
    put(out, "pubsub_patterns", pubsub_count(&s->pubsub, PUBSUB_PATTERN));
    put(out, "pubsubshard_channels", pubsub_count(&s->pubsub, PUBSUB_SHARD));
    buf_puts(out, "latest_fork_usec:0\r\ntotal_forks:0\r\nmigrate_cached_sockets:0\r\n"
                  "slave_expires_tracked_keys:0\r\nactive_defrag_hits:0\r\n"
                  "active_defrag_misses:0\r\nactive_defrag_key_hits:0\r\n"
                  "active_defrag_key_misses:0\r\ntotal_active_defrag_time:0\r\n"
                  "current_active_defrag_time:0\r\n");
    put(out, "tracking_total_keys", readers_keys(s->ks));
    put(out, "tracking_total_items", atomic_load_explicit(&s->ks->readers, memory_order_relaxed));
    put(out, "tracking_total_prefixes",
        atomic_load_explicit(&s->prefixes.count, memory_order_relaxed));
    put(out, "unexpected_error_replies", 0);
    put(out, "total_error_replies", t.errors);
    put(out, "dump_payload_sanitizations", 0);
    put(out, "total_reads_processed", t.reads);
    put(out, "total_writes_processed", t.writes);
    put(out, "io_threaded_reads_processed", s->thread_count > 1 ? t.reads : 0);
    put(out, "io_threaded_writes_processed", s->thread_count > 1 ? t.writes : 0);
    put(out, "client_query_buffer_limit_disconnections", t.query_limit_closed);
    put(out, "client_output_buffer_limit_disconnections", t.limit_closed);
    buf_puts(out, "reply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n");
    put(out, "acl_access_denied_auth", acl_denials(s, ACL_DENIED_AUTH));
    put(out, "acl_access_denied_cmd", acl_denials(s, ACL_DENIED_COMMAND));
    put(out, "acl_access_denied_key", acl_denials(s, ACL_DENIED_KEY));
    put(out, "acl_access_denied_channel", acl_denials(s, ACL_DENIED_CHANNEL));
    put(out, "keyspec_fallbacks", t.keyspec_fallbacks);
    put_slow(s, t.commands, out);
}

/* ---- commandstats ---- */

void info_commandstats(struct server *s, struct buf *out)
{
    buf_puts(out, "# Commandstats\r\n");
    for (int id = 0; id < COMMAND_COUNT; id++) {
        struct command_sum sum;
        stats_sum_command(s, id, &sum);
        if (!sum.calls && !sum.rejected && !sum.failed)
            continue;
        double us = (double)clock_cycles_to_ns(sum.cycles) / 1000;
        buf_printf(out,
                   "cmdstat_%s:calls=%llu,usec=%.0f,usec_per_call=%.2f,rejected_calls=%llu,"
                   "failed_calls=%llu\r\n",
                   commands[id].full_name, (unsigned long long)sum.calls, us,
                   sum.calls ? us / (double)sum.calls : 0.0, (unsigned long long)sum.rejected,
                   (unsigned long long)sum.failed);
    }
}

/* ---- errorstats ---- */

struct error_sum {
    const char *code;
    uint64_t count;
};

struct error_sums {
    struct error_sum items[ERROR_CODES_MAX];
    unsigned used;
};

static void add_error(struct error_sums *sums, const char *code, uint64_t count)
{
    unsigned i = 0;
    while (i < sums->used && strcmp(sums->items[i].code, code) != 0)
        i++;
    if (i == ERROR_CODES_MAX)
        return;
    if (i == sums->used)
        sums->items[sums->used++] = (struct error_sum){code, 0};
    sums->items[i].count += count;
}

void info_errorstats(struct server *s, struct buf *out)
{
    struct error_sums sums = {.used = 0};
    for (unsigned i = 0; i < s->thread_count; i++) {
        struct server_thread *t = s->threads[i];
        uint32_t codes = atomic_load_explicit(&t->error_codes, memory_order_acquire);
        for (uint32_t at = 0; at < codes; at++)
            add_error(&sums, t->errors[at].code,
                      atomic_load_explicit(&t->errors[at].count, memory_order_relaxed));
    }
    buf_puts(out, "# Errorstats\r\n");
    for (unsigned i = 0; i < sums.used; i++)
        if (sums.items[i].count)
            buf_printf(out, "errorstat_%s:count=%llu\r\n", sums.items[i].code,
                       (unsigned long long)sums.items[i].count);
}

/* ---- latencystats ---- */

static void put_percentiles(struct buf *out, int id, const uint64_t sums[LATENCY_BUCKETS],
                            uint64_t calls)
{
    buf_printf(out, "latency_percentiles_usec_%s:", commands[id].full_name);
    for (size_t i = 0; i < server_settings.percentile_count; i++) {
        double percent = server_settings.percentiles[i];
        double us = (double)latency_percentile_ns(sums, calls, percent) / 1000;
        buf_printf(out, "%sp%.9g=%.3f", i ? "," : "", percent, us);
    }
    buf_puts(out, "\r\n");
}

void info_latencystats(struct server *s, struct buf *out)
{
    buf_puts(out, "# Latencystats\r\n");
    if (!server_settings.latency_tracking)
        return;
    for (int id = 0; id < COMMAND_COUNT; id++) {
        uint64_t sums[LATENCY_BUCKETS], calls = stats_sum_latency(s, id, sums);
        if (calls)
            put_percentiles(out, id, sums, calls);
    }
}
