/* Whole RDB files through the loader, the file in memory, the checksum not compared (nothing would
 * get past it). What loads can be saved, and loads again with as many keys; memory stays bounded by
 * the size of the input. */
#include "base/hash.h"
#include "persist/rdb_load.h"
#include "persist/rdb_save.h"
#include "store/settings.h"

#include <stdlib.h>

#include "fuzz_target.h"
#include "memory_file.h"

enum {
    SHARDS = 4,
    DATABASES = 4,
    NOW_MS = 1700000000,
    BYTES_PER_BYTE = 8,
    SLACK_BYTES = 64 << 20
};

static struct keyspace *ks;
static struct txn txn;

static void set_up(void)
{
    hash_seed(NULL);
    store_settings = (struct store_settings){.databases = DATABASES,
                                             .maxmemory_policy = POLICY_NOEVICTION,
                                             .rdb_compression = true,
                                             .hash_max_listpack_entries = 8,
                                             .hash_max_listpack_value = 16,
                                             .set_max_intset_entries = 8,
                                             .set_max_listpack_entries = 8,
                                             .set_max_listpack_value = 16,
                                             .zset_max_listpack_entries = 8,
                                             .zset_max_listpack_value = 16,
                                             .list_max_listpack_size = -2};
    ks = keyspace_create(SHARDS, DATABASES);
    txn_init(&txn, ks, gate_register(&ks->gates, NULL, NULL));
    txn.now_ms = NOW_MS;
}

static enum err load(struct rdb_load *l)
{
    *l = (struct rdb_load){.verify = false};
    txn_begin(&txn, 0, true);
    enum err err = rdb_load_alone(l, "dump.rdb", &txn);
    txn_end(&txn, NULL, 0);
    return err;
}

static void empty(void)
{
    txn_begin(&txn, 0, true);
    txn_flush(&txn, -1, false);
    txn_end(&txn, NULL, 0);
}

static void save(void)
{
    static struct rdb_writer w;
    struct rdb_options options = {.version = 10, .checksum = true};
    struct rdb_head head = {.server_version = "7.2.4", .functions = SLICE("")};
    if (rdb_writer_init(&w, "d", "", "dump.rdb", &options) != OK ||
        rdb_save(ks, &w, &head, NOW_MS) != OK)
        abort();
    rdb_writer_deinit(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rdb_load l;
    if (!ks)
        set_up();
    memory_files_install();
    memory_file_put("dump.rdb", data, size);
    size_t before = mem_used_total();
    enum err err = load(&l);
    if (mem_used_total() > before + BYTES_PER_BYTE * size + SLACK_BYTES)
        abort();
    if (err == ERR_SYNTAX && !*l.fault.reason)
        abort();
    if (err == OK) {
        int64_t keys = keyspace_all_keys(ks);
        save();
        empty();
        if (load(&l) != OK || keyspace_all_keys(ks) != keys)
            abort();
    }
    empty();
    memory_files_remove();
    return 0;
}
