/* Commands about the connection itself that need nothing but its session. */
#include "cmd/exec.h"

static void reply_pong_message(struct exec *ex)
{
    reply_array(ex->reply, 2);
    reply_bulk_cstr(ex->reply, "pong");
    reply_bulk(ex->reply, ex->argc == 1 ? SLICE("") : ex->argv[1]);
}

void cmd_ping(struct exec *ex)
{
    if (ex->argc > 2)
        reply_error(ex->reply, "ERR wrong number of arguments for 'ping' command");
    else if (session_only_listens(ex->session))
        reply_pong_message(ex);
    else if (ex->argc == 1)
        reply_status(ex->reply, "PONG");
    else
        reply_bulk(ex->reply, ex->argv[1]);
}

void cmd_echo(struct exec *ex)
{
    reply_bulk(ex->reply, ex->argv[1]);
}

void cmd_select(struct exec *ex)
{
    int64_t db;
    if (!arg_int(ex, 1, &db, NULL))
        return;
    if (db < INT32_MIN || db > INT32_MAX) {
        fail(ex, "ERR value is out of range, value must between -2147483648 and 2147483647");
        return;
    }
    if (db < 0 || db >= ex->txn->ks->db_count) {
        fail(ex, "ERR DB index is out of range");
        return;
    }
    ex->session->db = (int)db;
    reply_ok(ex->reply);
}

void cmd_quit(struct exec *ex)
{
    reply_ok(ex->reply);
    ex->session->close_after_reply = true;
}
