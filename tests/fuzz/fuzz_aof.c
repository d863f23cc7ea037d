/* Log files through the reader and, where no command asks for much memory by a number, through the
 * whole recovery into a keyspace. The file is in memory. Units follow one another without a gap,
 * and reading takes memory in proportion to the input. */
#include "base/hash.h"
#include "base/log.h"
#include "cmd/command.h"
#include "persist/aof_reader.h"
#include "server/aof_load.h"
#include "server/config.h"
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
static struct aof_set set;

static void set_up(void)
{
    hash_seed(NULL);
    log_set_level(LOG_NOTHING);
    if (config_init_defaults() != OK)
        abort();
    commands_init();
    store_settings.databases = DATABASES;
    ks = keyspace_create(SHARDS, DATABASES);
    txn_init(&txn, ks, gate_register(&ks->gates, NULL, NULL));
    txn.now_ms = NOW_MS;
    if (aof_set_init(&set, "d", "", "log") != OK)
        abort();
    aof_manifest_set_base(&set.manifest, "log", 1);
}

/* Bytes of whole units. */
static uint64_t read_units(size_t size)
{
    struct aof_reader r;
    struct slice unit;
    struct aof_command c = {0};
    uint64_t whole = 0;
    size_t before = mem_used_total();
    enum aof_read got;
    if (aof_reader_init(&r, "log", 0) != OK)
        abort();
    while ((got = aof_reader_next(&r, &unit)) == AOF_READ_UNIT) {
        if (r.at != whole || !unit.len)
            abort();
        whole += unit.len;
        while (aof_command_take(&unit, &c))
            if (!c.argc)
                abort();
        if (mem_used_total() - before > BYTES_PER_BYTE * size + SLACK_BYTES)
            abort();
    }
    bool broken = got == AOF_READ_TORN || got == AOF_READ_FAULT;
    if (broken && (r.fault.whole != whole || !*r.fault.reason || r.fault.offset > size))
        abort();
    if (!broken && whole != size)
        abort();
    aof_command_deinit(&c);
    aof_reader_deinit(&r);
    return whole;
}

/* A string as long as a number says, or work as much: what such commands do is tested elsewhere. */
static bool asks_for_much(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"setrange", "setbit", "bitfield",
                                        "bitop",    "sort",   "pfdebug"};
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; strchr("SsBbPp", data[at]) && i < ARRAY_LEN(words); i++) {
            size_t len = strlen(words[i]);
            if (size - at >= len && slice_is(slice_make(data + at, len), words[i]))
                return true;
        }
    return false;
}

static void recover(size_t size)
{
    struct rdb_load rdb = {.verify = false};
    static struct aof_load l;
    l = (struct aof_load){.txn = &txn, .rdb = &rdb, .load_truncated = true, .keep_files = true};
    txn_begin(&txn, 0, true);
    size_t before = mem_used_total();
    enum err err = aof_load(&l, &set);
    if (err && !*l.fault)
        abort();
    if (mem_used_total() > before + BYTES_PER_BYTE * size + SLACK_BYTES)
        abort();
    txn_begin(&txn, 0, true);
    txn_flush(&txn, -1, false);
    txn_end(&txn, NULL, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!ks)
        set_up();
    memory_files_install();
    memory_file_put("log", data, size);
    if (size < 5 || memcmp(data, "REDIS", 5) != 0)
        read_units(size);
    if (!asks_for_much(data, size))
        recover(size);
    memory_files_remove();
    return 0;
}
