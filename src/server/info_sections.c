/* info_sections.c: INFO about what the server is and holds. */
#include "base/clock.h"
#include "server/config.h"
#include "server/functions.h"
#include "server/info.h"
#include "server/supervise.h"
#include "store/wait.h"
#include "store/watch.h"

#include <unistd.h>

#include <sys/resource.h>
#include <sys/utsname.h>

static void put_int(struct buf *out, const char *name, int64_t value)
{
    buf_printf(out, "%s:%lld\r\n", name, (long long)value);
}

static void put_text(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s:%s\r\n", name, value);
}

/* ---- server ---- */

static const char *engine_status(struct server *s)
{
    if (atomic_load(&s->stopping))
        return "shutting_down";
    unsigned inside = 0;
    for (unsigned i = 0; i < s->ks->gates.count; i++)
        inside += atomic_load(&s->ks->gates.gates[i].inside);
    return inside > 1 || worker_pending(s->pool) ? "busy"
                                                 : "waiting"; /* this thread is inside itself */
}

static void put_build(struct buf *out)
{
    struct utsname name = {0};
    uname(&name);
    buf_puts(out, "redis_version:" REDIS_VERSION "\r\ntokamak_version:" TOKAMAK_VERSION "\r\n"
                  "redis_git_sha1:00000000\r\nredis_git_dirty:0\r\nredis_build_id:0\r\n"
                  "redis_mode:standalone\r\n");
    buf_printf(out, "os:%s %s %s\r\narch_bits:%zu\r\n", name.sysname, name.release, name.machine,
               sizeof(void *) * 8);
}

static void put_process(struct server *s, struct buf *out)
{
    int64_t now_us = clock_wall_us(), up_s = (clock_monotonic_ms() - s->started_ms) / 1000;
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len > 0 ? len : 0] = 0;
    put_int(out, "process_id", getpid());
    put_text(out, "process_supervised", supervise_name());
    put_text(out, "run_id", s->run_id);
    put_int(out, "tcp_port",
            server_settings.port ? server_settings.port : server_settings.tls_port);
    put_int(out, "server_time_usec", now_us);
    put_int(out, "uptime_in_seconds", up_s);
    put_int(out, "uptime_in_days", up_s / 86400);
    put_int(out, "hz", server_settings.hz);
    put_int(out, "configured_hz", server_settings.hz);
    put_int(out, "lru_clock", now_us / 1000000 & 0xffffff);
    put_text(out, "executable", path);
    put_text(out, "config_file", config_file_path());
}

void info_server(struct server *s, struct buf *out)
{
    buf_puts(out, "# Server\r\n");
    put_build(out);
    put_text(out, "monotonic_clock", "POSIX clock_gettime");
    put_text(out, "multiplexing_api", s->acceptor.ops->name);
    buf_printf(out, "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n", __GNUC__,
               __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    put_process(s, out);
    put_int(out, "io_threads_active", s->thread_count > 1);
    put_text(out, "engine_status", engine_status(s));
    put_text(out, "exec_mode", server_settings.exec_mode == EXEC_STRIPED ? "striped" : "exclusive");
    put_int(out, "io_threads", s->thread_count);
    put_int(out, "worker_threads", server_settings.worker_threads);
    put_int(out, "shards", s->ks->shard_count);
}

/* ---- clients ---- */

struct client_sums {
    uint64_t in_max, out_max;
    uint32_t held, blocked, timeouts, subscribers;
};

static void add_client(void *arg, struct server_thread *t, struct conn_info *info)
{
    struct client_sums *sums = arg;
    uint64_t in = atomic_load_explicit(&info->in_bytes, memory_order_relaxed);
    uint64_t pending = atomic_load_explicit(&info->out_bytes, memory_order_relaxed);
    sums->in_max = MAX(sums->in_max, in);
    sums->out_max = MAX(sums->out_max, pending);
}

static void sum_clients(struct server *s, struct client_sums *sums)
{
    struct client_filter all = {.class = -1};
    *sums = (struct client_sums){0};
    clients_visit(s, &all, add_client, sums);
    for (unsigned i = 0; i < s->thread_count; i++) {
        const struct server_thread *t = s->threads[i];
        sums->held += atomic_load_explicit(&t->held_clients, memory_order_relaxed);
        sums->blocked += atomic_load_explicit(&t->blocked_clients, memory_order_relaxed);
        sums->timeouts += atomic_load_explicit(&t->blocked_timeouts, memory_order_relaxed);
        sums->subscribers += atomic_load_explicit(&t->push.subscribers, memory_order_relaxed);
    }
}

void info_clients(struct server *s, struct buf *out)
{
    struct client_sums sums;
    sum_clients(s, &sums);
    buf_puts(out, "# Clients\r\n");
    put_int(out, "connected_clients", atomic_load(&s->connected));
    put_int(out, "cluster_connections", 0);
    put_int(out, "maxclients", net_settings.maxclients);
    put_int(out, "client_recent_max_input_buffer", (int64_t)sums.in_max);
    put_int(out, "client_recent_max_output_buffer", (int64_t)sums.out_max);
    put_int(out, "blocked_clients", sums.held + sums.blocked);
    put_int(out, "tracking_clients", (int64_t)tracking_clients(s));
    put_int(out, "pubsub_clients", sums.subscribers);
    put_int(out, "watching_clients", watch_clients(s->ks));
    put_int(out, "clients_in_timeout_table", sums.timeouts);
    put_int(out, "total_watched_keys", watch_keys(s->ks));
    put_int(out, "total_blocking_keys", wait_keys(s->ks));
    put_int(out, "total_blocking_keys_on_nokey", wait_keys_on_missing(s->ks));
}

/* ---- memory ---- */

static void put_bytes(struct buf *out, const char *name, uint64_t bytes)
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 6; unit++)
        value /= 1024;
    buf_printf(out, unit ? "%s_human:%.2f%c\r\n" : "%s_human:%.0f%c\r\n", name, value, units[unit]);
}

static void put_both(struct buf *out, const char *name, uint64_t bytes)
{
    put_int(out, name, (int64_t)bytes);
    put_bytes(out, name, bytes);
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

struct memory {
    struct mem_stats stats;
    uint64_t used, peak, overhead, dataset, startup, clients;
};

static void read_memory(struct server *s, struct memory *m)
{
    mem_stats_read(&m->stats);
    m->used = stats_memory(s);
    m->peak = atomic_load(&s->peak_bytes);
    m->clients = mem_used(MEM_CLIENT);
    m->startup = s->startup_bytes;
    m->overhead = MIN(m->startup + m->clients, m->used);
    m->dataset = m->used - m->overhead;
}

static void put_used(struct buf *out, const struct memory *m)
{
    put_both(out, "used_memory", m->used);
    put_both(out, "used_memory_rss", m->stats.rss);
    put_both(out, "used_memory_peak", m->peak);
    buf_printf(out, "used_memory_peak_perc:%.2f%%\r\n",
               ratio((double)m->used * 100, (double)m->peak));
    put_int(out, "used_memory_overhead", (int64_t)m->overhead);
    put_int(out, "used_memory_startup", (int64_t)m->startup);
    put_int(out, "used_memory_dataset", (int64_t)m->dataset);
    put_int(out, "used_memory_data", (int64_t)mem_used(MEM_DATA)); /* what maxmemory bounds */
    buf_printf(out, "used_memory_dataset_perc:%.2f%%\r\n",
               ratio((double)m->dataset * 100, (double)m->used - (double)m->startup));
}

static void put_allocator(struct buf *out, const struct mem_stats *a)
{
    int64_t frag = (int64_t)a->active - (int64_t)a->allocated;
    int64_t retained = (int64_t)a->resident - (int64_t)a->active;
    int64_t overhead = (int64_t)a->rss - (int64_t)a->resident;
    buf_printf(out, "allocator_frag_ratio:%.2f\r\nallocator_frag_bytes:%lld\r\n",
               ratio((double)a->active, (double)a->allocated), (long long)frag);
    buf_printf(out, "allocator_rss_ratio:%.2f\r\nallocator_rss_bytes:%lld\r\n",
               ratio((double)a->resident, (double)a->active), (long long)retained);
    buf_printf(out, "rss_overhead_ratio:%.2f\r\nrss_overhead_bytes:%lld\r\n",
               ratio((double)a->rss, (double)a->resident), (long long)overhead);
}

static void put_policy(struct buf *out)
{
    buf_puts(out, "maxmemory_policy:");
    config_get_one(SLICE("maxmemory-policy"), out);
    buf_puts(out, "\r\n");
}

/* Interpreters of scripts and of functions, and what is kept beside them: "vm" and not. */
static void put_scripts(struct server *s, struct buf *out)
{
    uint32_t library_count, function_count;
    size_t used = server_interpreter_bytes(s), functions = functions_memory(s);
    size_t texts = libraries_bytes(&s->libraries);
    libraries_count(&s->libraries, &library_count, &function_count);
    put_both(out, "used_memory_lua", used);
    put_int(out, "used_memory_vm_eval", (int64_t)used);
    put_int(out, "used_memory_scripts_eval", (int64_t)atomic_load(&s->scripts.bytes));
    put_int(out, "number_of_cached_scripts", (int64_t)atomic_load(&s->scripts.count));
    put_int(out, "number_of_functions", function_count);
    put_int(out, "number_of_libraries", library_count);
    put_int(out, "used_memory_vm_functions", (int64_t)functions);
    put_int(out, "used_memory_functions", (int64_t)texts);
    put_both(out, "used_memory_vm_total", used + functions);
    put_both(out, "used_memory_scripts", atomic_load(&s->scripts.bytes) + texts);
}

void info_memory(struct server *s, struct buf *out)
{
    struct memory m;
    read_memory(s, &m);
    buf_puts(out, "# Memory\r\n");
    put_used(out, &m);
    put_int(out, "allocator_allocated", (int64_t)m.stats.allocated);
    put_int(out, "allocator_active", (int64_t)m.stats.active);
    put_int(out, "allocator_resident", (int64_t)m.stats.resident);
    put_both(out, "total_system_memory",
             (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    put_scripts(s, out);
    put_both(out, "maxmemory", store_settings.maxmemory);
    put_policy(out);
    put_allocator(out, &m.stats);
    buf_printf(out, "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%lld\r\n",
               ratio((double)m.stats.rss, (double)m.used),
               (long long)m.stats.rss - (long long)m.used);
    put_int(out, "mem_not_counted_for_evict", (int64_t)(m.used - MIN(mem_used(MEM_DATA), m.used)));
    buf_puts(out, "mem_replication_backlog:0\r\nmem_total_replication_buffers:0\r\n"
                  "mem_clients_slaves:0\r\n");
    put_int(out, "mem_clients_normal", (int64_t)m.clients);
    buf_puts(out, "mem_cluster_links:0\r\nmem_aof_buffer:0\r\n");
    put_text(out, "mem_allocator", mem_allocator_name());
    put_int(out, "active_defrag_running", 0);
    put_int(out, "lazyfree_pending_objects", worker_pending(s->pool));
    put_int(out, "lazyfreed_objects", (int64_t)atomic_load(&s->lazy_freed));
}

/* ---- persistence, replication, cluster, modules ---- */

static void put_loading(struct server *s, struct buf *out)
{
    const struct persistence *p = &s->persistence;
    bool loading = persistence_loading(p);
    put_int(out, "loading", loading);
    buf_puts(out, "async_loading:0\r\n");
    if (!loading)
        return;
    uint64_t done = atomic_load(&p->load.bytes_done), total = atomic_load(&p->load.bytes_total);
    int64_t elapsed_s = MAX(clock_wall_ms() / 1000 - p->load_started_s, 1);
    put_int(out, "loading_start_time", p->load_started_s);
    put_int(out, "loading_total_bytes", (int64_t)total);
    buf_puts(out, "loading_rdb_used_mem:0\r\n");
    put_int(out, "loading_loaded_bytes", (int64_t)done);
    buf_printf(out, "loading_loaded_perc:%.2f\r\n", ratio((double)done * 100, (double)total));
    put_int(out, "loading_eta_seconds",
            done ? (int64_t)((double)(total - done) / (double)done * (double)elapsed_s) : 1);
}

static void put_snapshot(struct server *s, struct buf *out)
{
    const struct persistence *p = &s->persistence;
    const struct snapshot *shot = &p->snapshot;
    bool running = snapshot_running(shot);
    put_int(out, "current_cow_peak", running ? atomic_load(&shot->queued_peak) : 0);
    put_int(out, "current_cow_size", running ? atomic_load(&shot->queued_bytes) : 0);
    buf_puts(out, "current_cow_size_age:0\r\n");
    uint64_t done = running ? atomic_load(&shot->keys_done) : 0;
    uint64_t total = running ? atomic_load(&shot->keys_total) : 0;
    buf_printf(out, "current_fork_perc:%.2f\r\n", ratio((double)done * 100, (double)total));
    put_int(out, "current_save_keys_processed", (int64_t)done);
    put_int(out, "current_save_keys_total", (int64_t)total);
}

static void put_saves(struct server *s, struct buf *out)
{
    const struct persistence *p = &s->persistence;
    int64_t started_s = atomic_load(&p->started_s);
    put_int(out, "rdb_changes_since_last_save", (int64_t)persistence_changes(p));
    put_int(out, "rdb_bgsave_in_progress", persistence_saving(p));
    put_int(out, "rdb_last_save_time", atomic_load(&p->last_save_s));
    put_text(out, "rdb_last_bgsave_status", atomic_load(&p->last_ok) ? "ok" : "err");
    put_int(out, "rdb_last_bgsave_time_sec", atomic_load(&p->last_took_s));
    put_int(out, "rdb_current_bgsave_time_sec",
            started_s < 0 ? -1 : clock_wall_ms() / 1000 - started_s);
    put_int(out, "rdb_saves", (int64_t)atomic_load(&p->saves));
    put_int(out, "rdb_last_cow_size", atomic_load(&p->snapshot.queued_peak));
    put_int(out, "rdb_last_load_keys_expired", (int64_t)atomic_load(&p->load.expired));
    put_int(out, "rdb_last_load_keys_loaded", (int64_t)atomic_load(&p->load.keys));
}

void info_persistence(struct server *s, struct buf *out)
{
    buf_puts(out, "# Persistence\r\n");
    put_loading(s, out);
    put_snapshot(s, out);
    put_saves(s, out);
    persistence_log_info(&s->persistence, out);
}

void info_replication(struct server *s, struct buf *out)
{
    buf_printf(out,
               "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n%s"
               "master_failover_state:no-failover\r\nmaster_replid:%s\r\nmaster_replid2:%040d\r\n"
               "master_repl_offset:0\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\n"
               "repl_backlog_size:",
               persistence_lacks_replicas(&s->persistence) ? "min_slaves_good_slaves:0\r\n" : "",
               s->replication_id, 0);
    config_get_one(SLICE("repl-backlog-size"), out);
    buf_puts(out, "\r\nrepl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n");
}

void info_cluster(struct server *s, struct buf *out)
{
    buf_puts(out, "# Cluster\r\ncluster_enabled:0\r\n");
}

void info_modules(struct server *s, struct buf *out)
{
    buf_puts(out, "# Modules\r\n");
}

/* ---- cpu ---- */

static void put_seconds(struct buf *out, const char *name, int64_t us)
{
    buf_printf(out, "%s:%lld.%06lld\r\n", name, (long long)us / 1000000, (long long)us % 1000000);
}

static int64_t micros(struct timeval t)
{
    return t.tv_sec * 1000000LL + t.tv_usec;
}

void info_cpu(struct server *s, struct buf *out)
{
    struct rusage self = {0}, children = {0};
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    buf_puts(out, "# CPU\r\n");
    put_seconds(out, "used_cpu_sys", micros(self.ru_stime));
    put_seconds(out, "used_cpu_user", micros(self.ru_utime));
    put_seconds(out, "used_cpu_sys_children", micros(children.ru_stime));
    put_seconds(out, "used_cpu_user_children", micros(children.ru_utime));
    put_seconds(out, "used_cpu_sys_main_thread", atomic_load(&s->main_system_us));
    put_seconds(out, "used_cpu_user_main_thread", atomic_load(&s->main_user_us));
}

/* ---- keyspace ---- */

void info_keyspace(struct server *s, struct buf *out)
{
    buf_puts(out, "# Keyspace\r\n");
    for (int db = 0; db < s->ks->db_count; db++) {
        int64_t keys = keyspace_keys(s->ks, db), expires = keyspace_expires(s->ks, db);
        if (keys > 0)
            buf_printf(out, "db%d:keys=%lld,expires=%lld,avg_ttl=0,subexpiry=%lld\r\n", db,
                       (long long)keys, (long long)expires,
                       (long long)keyspace_member_expires(s->ks, db));
    }
}

void info_keytypes(struct server *s, struct buf *out)
{
    struct type_counts counts = key_census_total(s);
    buf_puts(out, "# Keytypes\r\n");
    for (int type = 0; type < TYPE_COUNT; type++)
        buf_printf(out, "type_%s:keys=%llu,bytes=%llu\r\n", value_type_name(type),
                   (unsigned long long)counts.keys[type], (unsigned long long)counts.bytes[type]);
}
