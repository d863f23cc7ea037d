/* memory_stats.c: MEMORY STATS. */
#include "server/server_internal.h"

#include <stdio.h>

struct db_overhead {
    bool used; /* it holds keys */
    size_t tables, heaps;
};

static void add_shard(struct keyspace *ks, unsigned shard, struct db_overhead *dbs)
{
    for (int id = 0; id < ks->db_count; id++) {
        if (!dbs[id].used)
            continue;
        const struct part *part = db_part(&ks->dbs[id], shard);
        dbs[id].tables += table_bytes(&part->table);
        dbs[id].heaps += heap_bytes(&part->expires) + heap_bytes(&part->member_expires);
    }
}

/* Returns the number of databases that hold keys. */
static int sum_dbs(struct txn *t, struct db_overhead *dbs)
{
    int used = 0;
    for (int id = 0; id < t->ks->db_count; id++)
        used += dbs[id].used = keyspace_keys(t->ks, id) > 0;
    for (unsigned shard = 0; used && shard < t->ks->shard_count; shard++) {
        txn_lock_shard(t, shard);
        add_shard(t->ks, shard, dbs);
        txn_unlock(t);
    }
    return used;
}

static void put_int(struct reply *r, const char *name, int64_t value)
{
    reply_bulk_cstr(r, name);
    reply_int(r, value);
}

static void put_ratio(struct reply *r, const char *name, double a, double b, double factor)
{
    reply_bulk_cstr(r, name);
    reply_double(r, b > 0 ? a * factor / b : 0);
}

static size_t put_dbs(struct reply *r, const struct keyspace *ks, const struct db_overhead *dbs)
{
    size_t overhead = 0;
    for (int id = 0; id < ks->db_count; id++) {
        char name[24];
        if (!dbs[id].used)
            continue;
        snprintf(name, sizeof(name), "db.%d", id);
        reply_bulk_cstr(r, name);
        reply_map(r, 3);
        put_int(r, "overhead.hashtable.main", (int64_t)dbs[id].tables);
        put_int(r, "overhead.hashtable.expires", (int64_t)dbs[id].heaps);
        put_int(r, "overhead.hashtable.slot-to-keys", 0);
        overhead += dbs[id].tables + dbs[id].heaps;
    }
    return overhead;
}

static void put_dataset(struct reply *r, const struct server *s, size_t used, size_t overhead)
{
    int64_t keys = 0;
    size_t startup = MIN(s->startup_bytes, used), data = used - MIN(overhead, used);
    for (int id = 0; id < s->ks->db_count; id++)
        keys += keyspace_keys(s->ks, id);
    put_int(r, "overhead.total", (int64_t)overhead);
    put_int(r, "keys.count", keys);
    put_int(r, "keys.bytes-per-key", keys ? (int64_t)(used - startup) / keys : 0);
    put_int(r, "dataset.bytes", (int64_t)data);
    put_ratio(r, "dataset.percentage", (double)data, (double)(used - startup), 100);
    put_ratio(r, "peak.percentage", (double)used, (double)atomic_load(&s->peak_bytes), 100);
}

/* "name.ratio" and "name.bytes": what `more` has beyond `less`. */
static void put_pair(struct reply *r, const char *ratio, const char *bytes, size_t more,
                     size_t less)
{
    put_ratio(r, ratio, (double)more, (double)less, 1);
    put_int(r, bytes, (int64_t)more - (int64_t)less);
}

static void put_allocator(struct reply *r, size_t used)
{
    struct mem_stats m;
    mem_stats_read(&m);
    put_int(r, "allocator.allocated", (int64_t)m.allocated);
    put_int(r, "allocator.active", (int64_t)m.active);
    put_int(r, "allocator.resident", (int64_t)m.resident);
    put_pair(r, "allocator-fragmentation.ratio", "allocator-fragmentation.bytes", m.active,
             m.allocated);
    put_pair(r, "allocator-rss.ratio", "allocator-rss.bytes", m.resident, m.active);
    put_pair(r, "rss-overhead.ratio", "rss-overhead.bytes", m.rss, m.resident);
    put_pair(r, "fragmentation", "fragmentation.bytes", m.rss, used);
}

void cmd_memory_stats(struct exec *ex)
{
    enum {
        FIXED_FIELDS = 27
    };
    struct server *s = exec_thread(ex)->server;
    struct reply *r = ex->reply;
    size_t used = stats_memory(s), size = (size_t)s->ks->db_count * sizeof(struct db_overhead);
    struct db_overhead *dbs = mem_zalloc(MEM_OTHER, size);
    reply_map(r, (size_t)sum_dbs(ex->txn, dbs) + FIXED_FIELDS);
    put_int(r, "peak.allocated", (int64_t)atomic_load(&s->peak_bytes));
    put_int(r, "total.allocated", (int64_t)used);
    put_int(r, "startup.allocated", (int64_t)s->startup_bytes);
    put_int(r, "replication.backlog", 0);
    put_int(r, "clients.slaves", 0);
    put_int(r, "clients.normal", (int64_t)mem_used(MEM_CLIENT));
    put_int(r, "cluster.links", 0);
    put_int(r, "aof.buffer", 0);
    put_int(r, "lua.caches", (int64_t)(server_interpreter_bytes(s) + atomic_load(&s->scripts.bytes)));
    put_int(r, "functions.caches", (int64_t)libraries_bytes(&s->libraries));
    size_t overhead = s->startup_bytes + mem_used(MEM_CLIENT) + put_dbs(r, s->ks, dbs);
    put_dataset(r, s, used, overhead);
    put_allocator(r, used);
    mem_free(MEM_OTHER, dbs, size);
}
