/* Commands about the server's life and role. */
#include "base/log.h"
#include "server/server_internal.h"

/* ---- SHUTDOWN ---- */

static bool parse_shutdown(struct exec *ex, unsigned *flags, bool *abort_it)
{
    static const struct {
        const char *name;
        unsigned flag;
    } options[] = {
        {"nosave", SHUTDOWN_NOSAVE},
        {"save", SHUTDOWN_SAVE},
        {"now", SHUTDOWN_NOW},
        {"force", SHUTDOWN_FORCE},
        {"abort", 0},
    };

    *flags = 0;
    *abort_it = false;
    for (uint32_t i = 1; i < ex->argc; i++) {
        size_t at = 0;
        while (at < ARRAY_LEN(options) && !arg_is(ex, i, options[at].name))
            at++;
        if (at == ARRAY_LEN(options))
            return fail_syntax(ex);
        *flags |= options[at].flag;
        *abort_it |= !options[at].flag;
    }
    bool both = *flags & SHUTDOWN_SAVE && *flags & SHUTDOWN_NOSAVE;
    return (!both && !(*abort_it && *flags)) || fail_syntax(ex);
}

/* False: the data could not be saved, and nothing forces us to go without. */
static bool save_first(struct exec *ex, unsigned flags)
{
    struct persistence *p = &exec_thread(ex)->server->persistence;
    if (!persistence_saves_at_end(p, flags) || persistence_last_save(p) == OK)
        return true;
    if (flags & SHUTDOWN_FORCE) {
        log_warning("Error trying to save the DB, but exiting anyway.");
        return true;
    }
    log_warning("Error trying to save the DB, can't exit.");
    return fail(ex, "ERR Errors trying to SHUTDOWN. Check logs.");
}

void cmd_shutdown(struct exec *ex)
{
    unsigned flags;
    bool abort_it;
    if (!parse_shutdown(ex, &flags, &abort_it))
        return;
    if (abort_it) {
        fail(ex, "ERR No shutdown in progress.");
        return;
    }
    log_warning("User requested shutdown...");
    if (!save_first(ex, flags))
        return;
    ex->session->close_after_reply = true; /* the reply is the end of the connection */
    server_stop(exec_thread(ex)->server);
}

/* ---- role ---- */

void cmd_role(struct exec *ex)
{
    reply_array(ex->reply, 3);
    reply_bulk_cstr(ex->reply, "master");
    reply_int(ex->reply, 0);
    reply_array(ex->reply, 0);
}
