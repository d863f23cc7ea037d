/* CLIENT: the subcommands about the connection itself. The others stand in cmd_tracking.c,
 * client_list.c, client_kill.c and pause.c. */
#include "cmd/help.h"
#include "server/server_internal.h"

void cmd_client_id(struct exec *ex)
{
    reply_int(ex->reply, (int64_t)ex->session->id);
}

/* ---- names ---- */

/* CLIENT LIST separates fields by blanks and clients by line ends. */
static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '!' || text.ptr[i] > '~')
            return false;
    return true;
}

bool client_check_name(struct exec *ex, struct slice name)
{
    return is_printable(name) ||
           fail(ex, "ERR Client names cannot contain spaces, newlines or special characters.");
}

static void set_text(struct conn *c, char **field, struct slice text)
{
    struct registry *registry = &c->thread->registry;
    struct buf copy;
    if (!text.len) {
        registry_set_text(registry, field, NULL);
        return;
    }
    buf_init(&copy, MEM_OTHER);
    buf_append(&copy, text.ptr, text.len);
    buf_putc(&copy, 0);
    registry_set_text(registry, field, buf_ptr(&copy));
    buf_deinit(&copy);
}

void client_set_name(struct conn *c, struct slice name)
{
    if (name.len || c->info.name)
        set_text(c, &c->info.name, name);
}

void cmd_client_setname(struct exec *ex)
{
    if (!client_check_name(ex, ex->argv[2]))
        return;
    client_set_name(exec_thread(ex)->current, ex->argv[2]);
    reply_ok(ex->reply);
}

void cmd_client_getname(struct exec *ex)
{
    const char *name = exec_thread(ex)->current->info.name; /* only this thread changes it */
    if (name)
        reply_bulk_cstr(ex->reply, name);
    else
        reply_null(ex->reply);
}

void cmd_client_setinfo(struct exec *ex)
{
    struct conn *c = exec_thread(ex)->current;
    struct slice option = ex->argv[2];
    bool is_name = arg_is(ex, 2, "lib-name");
    int shown = (int)MIN(option.len, (size_t)128);
    if (!is_name && !arg_is(ex, 2, "lib-ver")) {
        reply_errorf(ex->reply, "ERR Unrecognized option '%.*s'", shown, option.ptr);
        return;
    }
    if (!is_printable(ex->argv[3])) {
        reply_errorf(ex->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                     shown, option.ptr);
        return;
    }
    set_text(c, is_name ? &c->info.lib_name : &c->info.lib_version, ex->argv[3]);
    reply_ok(ex->reply);
}

/* ---- modes ---- */

static void set_switch(struct exec *ex, bool *field)
{
    bool on = arg_is(ex, 2, "on");
    if (!on && !arg_is(ex, 2, "off")) {
        fail_syntax(ex);
        return;
    }
    *field = on;
    reply_ok(ex->reply);
}

void cmd_client_no_evict(struct exec *ex)
{
    set_switch(ex, &ex->session->no_evict);
}

void cmd_client_no_touch(struct exec *ex)
{
    set_switch(ex, &ex->session->no_touch);
}

/* OFF and SKIP answer nothing: dispatch takes back the OK. */
void cmd_client_reply(struct exec *ex)
{
    struct session *session = ex->session;
    if (arg_is(ex, 2, "on")) {
        session->reply_mode = REPLY_ON;
    } else if (arg_is(ex, 2, "off")) {
        session->reply_mode = REPLY_OFF;
    } else if (arg_is(ex, 2, "skip")) {
        if (session->reply_mode != REPLY_OFF)
            session->reply_mode = REPLY_SKIP_NEXT;
    } else {
        fail_syntax(ex);
        return;
    }
    reply_ok(ex->reply);
}

void cmd_client_help(struct exec *ex)
{
    help_reply(ex);
}
