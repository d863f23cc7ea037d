/* debug.c: DEBUG, as tests of Redis and Valkey use it. One row per subcommand; everything runs in
 * exclusive mode. */
#include "base/assert.h"
#include "base/log.h"
#include "base/rand.h"
#include "os/file_faults.h"
#include "os/sock.h"
#include "proto/settings.h"
#include "server/cmd_persistence.h"
#include "server/debug_digest.h"
#include "server/debug_protocol.h"
#include "server/protected.h"
#include "server/server_internal.h"
#include "store/access.h"
#include "store/rdb_value.h"
#include "store/value.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct server *server_of(struct exec *ex)
{
    return exec_thread(ex)->server;
}

static struct slice digits_of(int64_t value, char *scratch)
{
    return slice_make(scratch, num_format_int64(scratch, value));
}

/* atoi() as these subcommands always had it: what is no number is 0. */
static bool arg_switch(struct exec *ex, uint32_t index)
{
    int64_t value;
    return num_parse_int64(ex->argv[index], &value) && value != 0;
}

/* Only a key that the table holds; expired ones are not asked about. */
static bool find_by_name(struct exec *ex, struct slice name, struct key *key, struct ref *ref)
{
    ex->txn->no_touch = true;
    return find_key(ex, name, key, ref);
}

static void debug_change_repl_id(struct exec *ex)
{
    rand_hex(server_of(ex)->replication_id, 40);
    reply_ok(ex->reply);
}

/* ---- time ---- */

static void debug_sleep(struct exec *ex)
{
    double seconds = 0;
    if (!num_parse_double(ex->argv[2], &seconds) || !(seconds > 0))
        seconds = 0;
    seconds = MIN(seconds, 1e9);
    struct timespec left = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};
    while (nanosleep(&left, &left) != 0)
        ;
    reply_ok(ex->reply);
}

static void debug_set_active_expire(struct exec *ex)
{
    atomic_store(&server_of(ex)->active_expire_off, !arg_switch(ex, 2));
    reply_ok(ex->reply);
}

static void debug_pause_cron(struct exec *ex)
{
    atomic_store(&server_of(ex)->cron_paused, arg_switch(ex, 2));
    reply_ok(ex->reply);
}

/* ---- replies ---- */

static void debug_error(struct exec *ex)
{
    reply_errorf(ex->reply, "%.*s", (int)MIN(ex->argv[2].len, (size_t)1024), ex->argv[2].ptr);
}

static void debug_log(struct exec *ex)
{
    log_warning("DEBUG LOG: %.*s", (int)MIN(ex->argv[2].len, (size_t)1000), ex->argv[2].ptr);
    reply_ok(ex->reply);
}

/* ---- data ---- */

/* Shows a key that has expired, too, and leaves it where it is. */
static void debug_object(struct exec *ex)
{
    struct key key = key_make(ex->argv[2]);
    const struct entry *e = txn_peek(ex->txn, ex->session->db, &key);
    if (!e) {
        reply_error(ex->reply, ERROR_NO_KEY);
        return;
    }
    uint32_t idle_s = access_is_lfu() ? 0 : access_idle_s(e, ex->txn->now_ms);
    char list[64] = "", text[320];
    if (entry_type(e) == TYPE_LIST)
        snprintf(list, sizeof(list), " ql_listpack_max:%d ql_compressed:%d",
                 store_settings.list_max_listpack_size, store_settings.list_compress_depth != 0);
    snprintf(text, sizeof(text),
             "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u lru_seconds_idle:%u%s",
             (const void *)e, entry_encoding_name(e), entry_memory(e, 0), entry_access(e), idle_s,
             list);
    reply_status(ex->reply, text);
}

static void reply_digest(struct reply *r, const struct digest *d)
{
    char hex[2 * SHA1_BYTES + 1] = {0};
    digest_hex(d, hex);
    reply_status(r, hex);
}

static void debug_digest(struct exec *ex)
{
    struct digest d;
    digest_keyspace(ex->txn->ks, ex->txn->now_ms, &d);
    reply_digest(ex->reply, &d);
}

static void debug_digest_value(struct exec *ex)
{
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        struct digest d = {{0}};
        struct key key;
        struct ref ref;
        if (find_by_name(ex, ex->argv[i], &key, &ref))
            digest_entry(ref.entry, &d);
        reply_digest(ex->reply, &d);
    }
}

static void print_stats(struct buf *out, const char *title, const struct table_stats *stats,
                        uint64_t used)
{
    buf_printf(out, "[%s]\n", title);
    if (!used) {
        buf_puts(out, "No stats available for empty dictionaries\n");
        return;
    }
    buf_printf(out,
               " table size: %llu\n number of elements: %llu\n overflow buckets: %llu\n"
               " max chain length: %llu\n",
               (unsigned long long)stats->buckets, (unsigned long long)used,
               (unsigned long long)stats->children, (unsigned long long)stats->longest_chain);
}

/* Sums over all shards; sizes are in buckets. */
static void debug_htstats(struct exec *ex)
{
    int64_t id;
    struct keyspace *ks = ex->txn->ks;
    if (!arg_int(ex, 2, &id, NULL))
        return;
    if (id < 0 || id >= ks->db_count) {
        reply_error(ex->reply, "ERR Out of range database");
        return;
    }
    struct table_stats sum = {0}, one;
    struct db *db = keyspace_db(ks, (int)id);
    for (unsigned shard = 0; shard < ks->shard_count; shard++) {
        table_stats_read(&db_part(db, shard)->table, &one);
        sum.buckets += one.buckets;
        sum.children += one.children;
        sum.longest_chain = MAX(sum.longest_chain, one.longest_chain);
    }
    struct buf text;
    buf_init(&text, MEM_OTHER);
    print_stats(&text, "Dictionary HT", &sum, (uint64_t)keyspace_keys(ks, (int)id));
    buf_printf(&text, "[Expires HT]\n number of elements: %lld\n",
               (long long)keyspace_expires(ks, (int)id));
    reply_verbatim(ex->reply, "txt", buf_slice(&text));
    buf_deinit(&text);
}

static void debug_htstats_key(struct exec *ex)
{
    struct key key;
    struct ref ref;
    char text[96];
    if (!find_by_name(ex, ex->argv[2], &key, &ref)) {
        reply_error(ex->reply, ERROR_NO_KEY);
    } else if (entry_encoding(ref.entry) != ENC_TABLE && entry_encoding(ref.entry) != ENC_TREE) {
        reply_error(ex->reply, "ERR The value stored at the specified key is not represented using "
                               "an hash table");
    } else {
        int len = snprintf(text, sizeof(text), "number of elements: %zu\nbytes: %zu\n",
                           entry_free_effort(ref.entry), entry_memory(ref.entry, 0));
        reply_verbatim(ex->reply, "txt", slice_make(text, (size_t)len));
    }
}

/* <prefix>:<n>, or `size` bytes that start with value:<n>. */
static void populate_one(struct exec *ex, struct slice prefix, int64_t n, char *value, size_t size)
{
    char digits[NUM_INT64_MAX_LEN], text[8 + NUM_INT64_MAX_LEN];
    struct slice number = digits_of(n, digits);
    struct buf name;
    struct key key;
    struct ref ref;
    buf_init(&name, MEM_OTHER);
    buf_append(&name, prefix.ptr, prefix.len);
    buf_putc(&name, ':');
    buf_append(&name, number.ptr, number.len);
    if (!find_key(ex, buf_slice(&name), &key, &ref)) {
        size_t len =
            (size_t)snprintf(text, sizeof(text), "value:%.*s", (int)number.len, number.ptr);
        if (value)
            memcpy(value, text, MIN(len, size));
        txn_set_string(ex->txn, &ref, value ? slice_make(value, size) : slice_make(text, len),
                       TTL_NONE, EVENT_NONE);
    }
    buf_deinit(&name);
}

static void debug_populate(struct exec *ex)
{
    int64_t count, size = 0;
    const char *bad = "ERR value is out of range, must be positive";
    struct slice prefix = ex->argc > 3 ? ex->argv[3] : SLICE("key");
    if (!arg_int_range(ex, 2, 0, INT64_MAX, &count, bad))
        return;
    if (ex->argc > 4 && !arg_int_range(ex, 4, 0, proto_settings.max_bulk_len, &size, bad))
        return;
    char *value = size ? mem_zalloc(MEM_OTHER, (size_t)size) : NULL;
    for (int64_t n = 0; n < count; n++)
        populate_one(ex, prefix, n, value, (size_t)size);
    mem_free(MEM_OTHER, value, (size_t)size);
    effect_suppress(ex->txn); /* as in Redis: a tool for filling one server */
    reply_ok(ex->reply);
}

static void debug_replicate(struct exec *ex)
{
    effect_command(ex->txn, ex->argv + 2, ex->argc - 2);
    reply_ok(ex->reply);
}

/* ---- switches of what is not here ---- */

/* Tables resize in small steps whatever happens elsewhere. Suites turn the switch before tests that
 * need none of it, so it is not an error; the log says what it is worth. */
static void debug_dict_resizing(struct exec *ex)
{
    int64_t on;
    if (!arg_int_range(ex, 2, 0, 1, &on, NULL))
        return;
    log_warning("DEBUG DICT-RESIZING has no effect: tables always resize");
    reply_ok(ex->reply);
}

static void debug_deny_scripts(struct exec *ex)
{
    int64_t on;
    if (!arg_int_range(ex, 2, 0, 1, &on, NULL))
        return;
    atomic_store(&the_server->scripts_may_debug, on != 0);
    reply_ok(ex->reply);
}

/* Blocks of lists are cut by list-max-listpack-size alone, large elements included. */
static void debug_skip_checksum(struct exec *ex)
{
    rdb_payload_skip_checksum = arg_switch(ex, 2);
    reply_ok(ex->reply);
}

static void debug_packed_threshold(struct exec *ex)
{
    uint64_t size;
    if (!num_parse_memory(ex->argv[2], &size) || size > UINT32_MAX ||
        (size == 0 && !slice_is(ex->argv[2], "0"))) {
        reply_error(ex->reply,
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
        return;
    }
    log_warning("DEBUG QUICKLIST-PACKED-THRESHOLD has no effect: list-max-listpack-size alone cuts "
                "lists into blocks");
    reply_ok(ex->reply);
}

/* For tests of what a slow or broken disk does to clients. */
static void debug_aof_fault(struct exec *ex)
{
    int64_t value;
    if (!arg_int_range(ex, 3, 0, INT_MAX, &value, NULL))
        return;
    if (arg_is(ex, 2, "sync-delay-us"))
        atomic_store(&file_faults.sync_delay_us, value);
    else if (arg_is(ex, 2, "write-delay-us"))
        atomic_store(&file_faults.write_delay_us, value);
    else if (arg_is(ex, 2, "sync-error"))
        atomic_store(&file_faults.sync_error, (int)value);
    else if (arg_is(ex, 2, "write-error"))
        atomic_store(&file_faults.write_error, (int)value);
    else if (arg_is(ex, 2, "release-delays") && value)
        atomic_fetch_add(&file_faults.releases, 1);
    else if (arg_is(ex, 2, "early-replies") && value)
        aof_log_answer_early(&the_server->persistence.log);
    else {
        fail_syntax(ex);
        return;
    }
    reply_ok(ex->reply);
}

/* ---- ends ---- */

static void debug_segfault(struct exec *ex)
{
    (void)ex;
    log_warning("DEBUG SEGFAULT");
    raise(SIGSEGV);
}

static void debug_assert(struct exec *ex)
{
    (void)ex;
    ASSERT(!"DEBUG ASSERT was asked for");
}

static void debug_panic(struct exec *ex)
{
    log_warning("Guru Meditation: DEBUG %.*s was asked for", (int)ex->argv[1].len, ex->argv[1].ptr);
    abort();
}

/* ---- the table ---- */

static void debug_help(struct exec *ex)
{
    static const char *const lines[] = {
        "AOF-FAULT <SYNC-DELAY-US|SYNC-ERROR|WRITE-DELAY-US|WRITE-ERROR> <number>",
        "    Make each sync of the log, or each write to a file, slow, or let it fail with this",
        "    errno; 0 ends it.",
        "AOF-FAULT RELEASE-DELAYS 1",
        "    End the delays that have begun.",
        "AOF-FAULT EARLY-REPLIES 1",
        "    Answer before the log is safe, up to the next rewrite: what a checker must notice.",
        "ASSERT | OOM | PANIC | SEGFAULT",
        "    End the server in that way.",
        "CHANGE-REPL-ID",
        "    Take a new replication id.",
        "DICT-RESIZING <0|1>",
        "    Has no effect but a line in the log.",
        "DIGEST",
        "    A digest of all data.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    A digest of each value.",
        "ERROR <text>",
        "    Reply with this error.",
        "HTSTATS <db> | HTSTATS-KEY <key>",
        "    Figures about hash tables.",
        "LOADAOF",
        "    Empty all databases and load the append-only file.",
        "LOG <text>",
        "    Write a line to the log.",
        "OBJECT <key>",
        "    How a value is kept.",
        "PAUSE-CRON <0|1>",
        "    Stop or restart periodic work.",
        "POPULATE <count> [<prefix> [<size>]]",
        "    Create string keys named <prefix>:<n>; they are not logged.",
        "PROTOCOL <type>",
        "    Reply with a value of that type of the protocol.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Has no effect but a line in the log.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save, empty all databases, and load them from the file.",
        "REPLICATE <command> [<arg> ...]",
        "    Put a command into the log that did not happen.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Whether keys expire before somebody asks for them.",
        "SET-DISABLE-DENY-SCRIPTS <0|1>",
        "    1: scripts may call DEBUG.",
        "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
        "    RESTORE takes payloads whatever their checksum is.",
        "SLEEP <seconds>",
        "    Stop the whole server for a while.",
        NULL,
    };
    reply_help(ex, lines);
}

static const struct {
    const char *name;
    uint32_t min_argc, max_argc;
    command_fn run;
} subcommands[] = {
    {"aof-fault", 4, 4, debug_aof_fault},
    {"assert", 2, 2, debug_assert},
    {"change-repl-id", 2, 2, debug_change_repl_id},
    {"dict-resizing", 3, 3, debug_dict_resizing},
    {"digest", 2, 2, debug_digest},
    {"digest-value", 2, UINT32_MAX, debug_digest_value},
    {"error", 3, 3, debug_error},
    {"help", 2, 2, debug_help},
    {"htstats", 3, 4, debug_htstats},
    {"htstats-key", 3, 4, debug_htstats_key},
    {"loadaof", 2, 2, debug_loadaof},
    {"log", 3, 3, debug_log},
    {"object", 3, 4, debug_object},
    {"oom", 2, 2, debug_panic},
    {"panic", 2, 2, debug_panic},
    {"pause-cron", 3, 3, debug_pause_cron},
    {"populate", 3, 5, debug_populate},
    {"protocol", 3, 3, debug_protocol},
    {"quicklist-packed-threshold", 3, 3, debug_packed_threshold},
    {"reload", 2, UINT32_MAX, debug_reload},
    {"replicate", 3, UINT32_MAX, debug_replicate},
    {"segfault", 2, 2, debug_segfault},
    {"set-active-expire", 3, 3, debug_set_active_expire},
    {"set-disable-deny-scripts", 3, 3, debug_deny_scripts},
    {"set-skip-checksum-validation", 3, 3, debug_skip_checksum},
    {"sleep", 3, 3, debug_sleep},
};

void cmd_debug(struct exec *ex)
{
    if (!protected_admits(exec_thread(ex), ex->cmd))
        return;
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        if (arg_is(ex, 1, subcommands[i].name) && ex->argc >= subcommands[i].min_argc &&
            ex->argc <= subcommands[i].max_argc) {
            subcommands[i].run(ex);
            return;
        }
    reply_errorf(ex->reply,
                 "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG HELP.",
                 (int)MIN(ex->argv[1].len, (size_t)128), ex->argv[1].ptr);
}
