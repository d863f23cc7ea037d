#include "tools/check_convert.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "cmd/command.h"
#include "os/file.h"
#include "os/thread.h"
#include "persist/rdb_save.h"
#include "server/aof_load.h"
#include "server/config.h"
#include "store/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/stat.h>

#include "tools/check_aof.h"
#include "tools/progress.h"

enum {
    SHARDS = 256,
    DATABASES = 4096,
    LOOK_US = 50 * 1000
};

struct conversion {
    struct keyspace *ks;
    struct txn txn;
    struct rdb_load rdb;
    struct aof_load aof;
    struct aof_set from, to;
    struct rdb_writer writer;
    struct buf functions;
    struct progress progress;
    _Atomic bool loaded;
};

static enum check_status cannot(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return CHECK_USAGE;
}

static void keep_function(void *arg, struct slice item)
{
    struct conversion *c = arg;
    buf_append(&c->functions, item.ptr, item.len);
}

/* ---- in ---- */

static enum check_status name_input(struct conversion *c, const char *path)
{
    char directory[PATH_MAX], name[NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    struct aof_manifest_fault fault;
    if (check_find_set(path, directory, name)) {
        enum err err = aof_set_init(&c->from, directory, "", name);
        if (!err)
            err = aof_set_read(&c->from, &fault);
        if (err == ERR_SYNTAX) {
            printf("%s: line %u: %s\n", path, fault.line, fault.reason);
            return CHECK_BAD;
        }
        return err ? cannot(path) : CHECK_GOOD;
    }
    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    if (access(path, R_OK) != 0 ||
        aof_set_init(&c->from, *directory ? directory : "/", "", "input") != OK)
        return cannot(path);
    aof_manifest_set_base(&c->from.manifest, slash ? slash + 1 : path, 1);
    return CHECK_GOOD;
}

/* The loader has no place to show anything, but its figures may be read by any thread. */
static void *show_progress(void *arg)
{
    struct conversion *c = arg;
    do {
        progress_show(&c->progress, atomic_load(&c->rdb.bytes_done),
                      atomic_load(&c->rdb.bytes_total), (uint64_t)keyspace_all_keys(c->ks));
        usleep(LOOK_US);
    } while (!atomic_load(&c->loaded));
    progress_end(&c->progress);
    return NULL;
}

static enum err load_shown(struct conversion *c)
{
    pthread_t thread;
    progress_init(&c->progress, "keys");
    bool shown = c->progress.terminal && thread_start(&thread, "progress", show_progress, c) == OK;
    enum err err = aof_load(&c->aof, &c->from);
    atomic_store(&c->loaded, true);
    if (shown)
        pthread_join(thread, NULL);
    return err;
}

static enum check_status load(struct conversion *c, const char *path)
{
    enum check_status status = name_input(c, path);
    if (status != CHECK_GOOD)
        return status;
    c->rdb = (struct rdb_load){.verify = true, .function = keep_function, .arg = c};
    c->aof = (struct aof_load){.txn = &c->txn, .rdb = &c->rdb, .keep_files = true};
    txn_begin(&c->txn, 0, true);
    enum err err = load_shown(c);
    if (err)
        printf("%s: %s\n", path, c->aof.fault);
    return err ? CHECK_BAD : CHECK_GOOD;
}

/* ---- out ---- */

static enum check_status write_file(struct conversion *c, const char *directory, const char *name,
                                    const struct rdb_options *options, bool is_base)
{
    struct rdb_head head = {.server_version = "7.2.4",
                            .now_s = clock_wall_ms() / 1000,
                            .used_memory = mem_used_total(),
                            .is_base = is_base,
                            .functions = buf_slice(&c->functions)};
    enum err err = rdb_writer_init(&c->writer, directory, "", name, options);
    if (!err)
        err = rdb_save(c->ks, &c->writer, &head, clock_wall_ms());
    errno = c->writer.error;
    enum check_status status = err ? cannot(name) : CHECK_GOOD;
    rdb_writer_deinit(&c->writer);
    return status;
}

static enum check_status write_one(struct conversion *c, const char *to, enum convert_form form)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(to, '/');
    struct rdb_options options = {
        .version = 10, .checksum = true, .as_commands = form == CONVERT_RESP, .unmarked = true};
    snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - to) : 1, slash ? to : ".");
    return write_file(c, *directory ? directory : "/", slash ? slash + 1 : to, &options, false);
}

static enum check_status write_set(struct conversion *c, const char *to)
{
    char base[NAME_MAX + 1], incr[NAME_MAX + 1];
    uint64_t size;
    struct aof_manifest next = {0};
    struct rdb_options options = {.version = 10, .checksum = true};
    if (aof_set_init(&c->to, to, "", "appendonly.aof") != OK ||
        aof_set_make_directory(&c->to) != OK || !aof_set_base_name(&c->to, 1, true, base) ||
        !aof_set_incr_name(&c->to, 1, incr))
        return cannot(to);
    enum check_status status = write_file(c, to, base, &options, true);
    if (status != CHECK_GOOD)
        return status;
    aof_manifest_set_base(&next, base, 1);
    aof_manifest_add_incr(&next, incr, 1);
    if (aof_set_create_incr(&c->to, incr, &size) != OK || aof_set_write(&c->to, &next) != OK)
        status = cannot(to);
    aof_manifest_deinit(&next);
    return status;
}

/* ---- all ---- */

static void init(struct conversion *c)
{
    store_settings.databases = DATABASES;
    c->ks = keyspace_create(SHARDS, DATABASES);
    txn_init(&c->txn, c->ks, gate_register(&c->ks->gates, NULL, NULL));
    c->txn.now_ms = clock_wall_ms();
    buf_init(&c->functions, MEM_OTHER);
}

static void deinit(struct conversion *c)
{
    aof_set_deinit(&c->from);
    aof_set_deinit(&c->to);
    buf_deinit(&c->functions);
    txn_deinit(&c->txn);
    keyspace_destroy(c->ks);
    mem_free(MEM_OTHER, c, sizeof(*c));
}

enum check_status check_convert(const char *from, const char *to, enum convert_form form)
{
    if (access(to, F_OK) == 0) {
        fprintf(stderr, "%s: exists already, and is left as it is\n", to);
        return CHECK_USAGE;
    }
    if (config_init_defaults() != OK)
        return CHECK_USAGE;
    struct conversion *c = mem_zalloc(MEM_OTHER, sizeof(*c));
    hash_seed(NULL);
    commands_init();
    log_set_level(LOG_NOTHING);
    init(c);
    enum check_status status = load(c, from);
    if (status == CHECK_GOOD)
        status = form == CONVERT_AOF ? write_set(c, to) : write_one(c, to, form);
    if (status == CHECK_GOOD)
        printf("%s: %" PRId64 " keys from %s\n", to, keyspace_all_keys(c->ks), from);
    deinit(c);
    config_deinit();
    return status;
}
