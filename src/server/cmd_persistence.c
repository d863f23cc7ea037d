/* Commands that save and load: SAVE, BGSAVE, LASTSAVE, and what DEBUG RELOAD does. */
#include "server/cmd_persistence.h"

#include "server/functions.h"
#include "server/server_internal.h"

static struct persistence *persistence_of(struct exec *ex)
{
    return &exec_thread(ex)->server->persistence;
}

void cmd_save(struct exec *ex)
{
    struct persistence *p = persistence_of(ex);
    if (persistence_saving(p))
        fail(ex, "ERR Background save already in progress");
    else if (persistence_save(p) != OK)
        fail(ex, "ERR");
    else
        reply_ok(ex->reply);
}

void cmd_bgsave(struct exec *ex)
{
    struct persistence *p = persistence_of(ex);
    bool schedule = ex->in_exec || (ex->argc == 2 && atomic_load(&p->aof.rewriting));
    if (ex->argc > 2 || (ex->argc == 2 && !arg_is(ex, 1, "schedule")))
        fail_syntax(ex);
    else if (!schedule && atomic_load(&p->aof.rewriting))
        fail(ex, "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
                 "SCHEDULE in order to schedule a BGSAVE whenever possible.");
    else if (!(schedule ? persistence_schedule(p) : persistence_snapshot(p)))
        fail(ex, "ERR Background save already in progress");
    else
        reply_status(ex->reply,
                     schedule ? "Background saving scheduled" : "Background saving started");
}

void cmd_bgrewriteaof(struct exec *ex)
{
    struct persistence *p = persistence_of(ex);
    if (atomic_load(&p->aof.rewriting))
        fail(ex, "ERR Background append only file rewriting already in progress");
    else
        reply_status(ex->reply, aof_want_rewrite(p)
                                    ? "Background append only file rewriting started"
                                    : "Background append only file rewriting scheduled");
}

void cmd_lastsave(struct exec *ex)
{
    reply_int(ex->reply, atomic_load(&persistence_of(ex)->last_save_s));
}

struct reload_options {
    bool save, flush, merge;
};

static bool reload_options(struct exec *ex, struct reload_options *out)
{
    *out = (struct reload_options){.save = true, .flush = true};
    for (uint32_t i = 2; i < ex->argc; i++)
        if (arg_is(ex, i, "merge"))
            out->merge = true;
        else if (arg_is(ex, i, "noflush"))
            out->flush = false;
        else if (arg_is(ex, i, "nosave"))
            out->save = false;
        else
            return fail(ex, "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
                            "options.");
    return true;
}

void debug_reload(struct exec *ex)
{
    struct reload_options o;
    struct persistence *p = persistence_of(ex);
    if (!reload_options(ex, &o))
        return;
    if (persistence_loading(p)) {
        fail(ex, "LOADING Redis is loading the dataset in memory");
        return;
    }
    if (persistence_saving(p))
        persistence_cancel_snapshot(p); /* its file would take the place of a newer one */
    if (o.save && persistence_save(p) != OK) {
        fail(ex, "ERR");
        return;
    }
    if (o.flush) {
        txn_flush(ex->txn, -1, false);
        functions_clear(p->server);
    }
    effect_suppress(ex->txn); /* what is loaded was logged when it was written */
    if (persistence_reload(p, ex->txn, o.merge) != OK)
        fail(ex, "ERR Error trying to load the RDB dump, check server logs.");
    else
        reply_ok(ex->reply);
}

void debug_loadaof(struct exec *ex)
{
    effect_suppress(ex->txn); /* what is loaded stands in the log */
    enum err err = aof_reload(persistence_of(ex), ex->txn);
    if (err == ERR_MISSING)
        fail(ex, "ERR there is no append-only file to reload from");
    else if (err)
        fail(ex, "ERR Error trying to load the AOF files, check server logs.");
    else
        reply_ok(ex->reply);
}
