/* persistence_load.c: the file into the keyspace, at the start and for DEBUG RELOAD. */
#include "base/clock.h"
#include "base/log.h"
#include "os/file.h"
#include "server/functions.h"
#include "server/persistence_internal.h"
#include "server/persistence_log.h"
#include "server/server_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void keep_function(void *arg, struct slice item)
{
    struct persistence *p = arg;
    buf_append(&p->functions, item.ptr, item.len);
}

static void prepare(struct persistence *p, bool replace)
{
    p->load = (struct rdb_load){
        .verify = server_settings.rdb_checksum,
        .replace = replace,
        .function = keep_function,
        .arg = p,
        .delay_us = &server_settings.key_load_delay_us,
        .cancelled = &p->cancelled,
    };
}

/* One line: the file, the place, the reason, what to do. */
static void log_fault(const char *path, enum err err, const struct rdb_fault *fault)
{
    if (err == ERR_SYS)
        log_warning("Fatal error loading the DB, check server logs. %s: %s. Make it readable or "
                    "move it away; it is left as it is.",
                    path, strerror(errno));
    else
        log_warning("Fatal error loading the DB, check server logs. %s, offset %" PRIu64 ": %s. "
                    "The file is left as it is; 'tokamak-check rdb' shows what can be saved.",
                    path, fault->offset, fault->reason);
}

enum err persistence_find_file(struct persistence *p, bool *exists)
{
    int fd;
    uint64_t size;
    *exists = false;
    if (file_open(server_settings.dbfilename, &fd, &size) == OK) {
        file_drop(fd);
        *exists = true;
        return OK;
    }
    if (errno == ENOENT)
        return OK;
    log_fault(server_settings.dbfilename, ERR_SYS, NULL);
    return ERR_SYS;
}

static void log_loaded(struct persistence *p, int64_t started_ms)
{
    const struct rdb_load *l = &p->load;
    log_notice("Done loading RDB, keys loaded: %" PRIu64 ", keys expired: %" PRIu64 ".",
               atomic_load(&l->keys), atomic_load(&l->expired));
    log_notice("DB loaded from disk: %.3f seconds",
               (double)(clock_monotonic_ms() - started_ms) / 1000);
}

/* What is in memory now is what the file holds. */
static void loaded(struct persistence *p)
{
    atomic_store(&p->saved_changes, keyspace_stat(p->server->ks, STAT_CHANGES));
}

static void log_library_fault(const char *error)
{
    log_warning("Fatal error loading the DB, check server logs. A function library cannot be "
                "loaded: %s. The file is left as it is.",
                error);
}

/* The built libraries join those that there are; false: logged. */
static bool join_built(struct persistence *p, struct libraries *built, bool replace)
{
    char error[LIBRARY_ERROR_BYTES];
    bool joined = libraries_join(&p->server->libraries, built, replace, error);
    if (!joined)
        log_library_fault(error);
    functions_publish(p->server);
    return joined;
}

bool persistence_join_functions(struct persistence *p, struct guest *guest, bool replace)
{
    char error[LIBRARY_ERROR_BYTES];
    struct libraries built;
    libraries_init(&built);
    bool good = functions_build_alone(buf_slice(&p->functions), &built, error);
    if (!good)
        log_library_fault(error);
    bool closes = good && guest;
    if (closes)
        guest_exclusive(guest);
    good = good && join_built(p, &built, replace);
    if (closes)
        guest_open(guest);
    libraries_deinit(&built);
    return good;
}

static enum err load_file(struct persistence *p)
{
    int64_t started_ms = clock_monotonic_ms();
    enum err err = rdb_load_shared(&p->load, p->target.name, p->loaders, p->loader_count);
    if (err == OK && !persistence_join_functions(p, &p->loaders[0], true))
        return ERR_SYNTAX;
    if (err == OK)
        log_loaded(p, started_ms);
    else if (err != ERR_CLOSED)
        log_fault(p->target.name, err, &p->load.fault);
    return err;
}

/* The data is there: commands may use it. */
static void open_to_all(struct persistence *p)
{
    guest_exclusive(&p->loaders[0]);
    for (unsigned i = 0; i < p->loader_count; i++)
        guest_awake(&p->loaders[i], false);
    loaded(p);
    if (persistence_log_begin(p) != OK) {
        atomic_store(&p->load_failed, true);
        server_stop(p->server);
    }
    guest_open(&p->loaders[0]);
    atomic_fetch_and(&p->refusals, ~(unsigned)REFUSE_LOADING);
}

void persistence_load(struct persistence *p)
{
    enum err err = p->load_log ? aof_load_and_open(p) : load_file(p);
    if (err == OK) {
        open_to_all(p);
        listeners_announce();
        return;
    }
    if (err != ERR_CLOSED && p->load_log)
        log_warning("Fatal error loading the DB, check server logs. Exiting.");
    if (err != ERR_CLOSED)
        atomic_store(&p->load_failed, true);
    server_stop(p->server);
}

enum err persistence_start(struct persistence *p)
{
    bool exists;
    prepare(p, false);
    p->load_log = server_settings.appendonly;
    enum err err = p->load_log ? aof_start(p, &exists) : persistence_find_file(p, &exists);
    if (err)
        return err;
    persistence_watch_config();
    aof_watch_config();
    timer_init(&p->timer, persistence_check);
    reactor_arm(&p->server->acceptor, &p->timer, p->server->acceptor.now_ms + 1);
    if (!exists)
        return persistence_log_begin(p);
    for (unsigned i = 0; i < p->loader_count; i++)
        guest_awake(&p->loaders[i], true);
    snprintf(p->target.name, sizeof(p->target.name), "%s", server_settings.dbfilename);
    p->load_started_s = clock_wall_ms() / 1000;
    atomic_fetch_or(&p->refusals, (unsigned)REFUSE_LOADING);
    persistence_want(p, PERSIST_LOAD);
    return OK;
}

enum err persistence_reload(struct persistence *p, struct txn *t, bool replace)
{
    int64_t started_ms = clock_monotonic_ms();
    struct db *db = t->db;
    buf_clear(&p->functions);
    prepare(p, replace);
    p->load.cancelled = NULL;
    enum err err = rdb_load_alone(&p->load, server_settings.dbfilename, t);
    t->db = db;
    if (err)
        log_fault(server_settings.dbfilename, err, &p->load.fault);
    else
        log_loaded(p, started_ms);
    if (!err && !persistence_join_functions(p, NULL, replace))
        err = ERR_SYNTAX;
    functions_publish(p->server);
    loaded(p);
    return err;
}
