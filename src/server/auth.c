/* auth.c: who a connection is: AUTH, HELLO, RESET. Passwords are compared in constant time.
 * Handlers run inside the gate, so they may read the users. */
#include "cmd/transaction.h"
#include "server/acl_session.h"
#include "server/server_internal.h"

#define ERROR_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."

static struct acl *acl_of(struct exec *ex)
{
    return &exec_thread(ex)->server->acl;
}

/* Also a user that does not exist costs a look at the password. */
static struct acl_user *check_password(struct exec *ex, struct slice name, struct slice password)
{
    struct acl *acl = acl_of(ex);
    struct acl_user *user = acl_find(acl, name);
    bool accepted = acl_accepts(user ? user : acl->default_user, password);
    return user && accepted ? user : NULL;
}

/* False: answered. */
static bool authenticate(struct exec *ex, struct slice name, struct slice password)
{
    struct acl_user *user = check_password(ex, name, password);
    if (!user) {
        acl_log_login(ex, name);
        return fail(ex, ERROR_WRONGPASS);
    }
    acl_login(exec_thread(ex)->current, user);
    ex->session->authenticated = true;
    return true;
}

bool auth_by_certificate(struct conn *c, struct slice name)
{
    struct acl *acl = &thread_of(c)->server->acl;
    lock_acquire(&acl->lock); /* users may change meanwhile: no gate is held */
    struct acl_user *user = acl_find(acl, name);
    bool accepted = user && user->rules.on;
    if (accepted)
        acl_user_ref(user);
    lock_release(&acl->lock);
    if (!accepted)
        return false;
    acl_login(c, user);
    acl_user_unref(user);
    client_session(c)->authenticated = true;
    return true;
}

void cmd_auth(struct exec *ex)
{
    if (ex->argc > 3) {
        fail_syntax(ex);
        return;
    }
    if (ex->argc == 2 && acl_of(ex)->default_user->rules.nopass) {
        fail(ex, "ERR AUTH <password> called without any password configured for the default user. "
                 "Are you sure your configuration is correct?");
        return;
    }
    struct slice user = ex->argc == 3 ? ex->argv[1] : SLICE("default");
    if (authenticate(ex, user, ex->argv[ex->argc - 1]))
        reply_ok(ex->reply);
}

/* ---- HELLO ---- */

struct hello {
    int64_t version; /* 0: as it is */
    struct slice user, password, name;
    bool has_auth, has_name;
};

static bool parse_version(struct exec *ex, struct hello *hello)
{
    if (ex->argc < 2)
        return true;
    if (!arg_int(ex, 1, &hello->version, "ERR Protocol version is not an integer or out of range"))
        return false;
    bool can =
        hello->version == 2 ||
        (hello->version == 3 && ex->session->proto != REPLY_FRAME); /* whose shapes are RESP2's */
    return can || fail(ex, "NOPROTO unsupported protocol version");
}

static bool parse_hello(struct exec *ex, struct hello *hello)
{
    if (!parse_version(ex, hello))
        return false;
    for (uint32_t i = 2; i < ex->argc; i++) {
        uint32_t more = ex->argc - 1 - i;
        if (arg_is(ex, i, "auth") && more >= 2) {
            hello->has_auth = true;
            hello->user = ex->argv[++i];
            hello->password = ex->argv[++i];
        } else if (arg_is(ex, i, "setname") && more >= 1) {
            hello->has_name = true;
            hello->name = ex->argv[++i];
            if (!client_check_name(ex, hello->name))
                return false;
        } else {
            reply_errorf(ex->reply, "ERR Syntax error in HELLO option '%.*s'",
                         (int)MIN(ex->argv[i].len, (size_t)128), ex->argv[i].ptr);
            return false;
        }
    }
    return true;
}

static void reply_pair(struct reply *r, const char *name, const char *value)
{
    reply_bulk_cstr(r, name);
    reply_bulk_cstr(r, value);
}

static void reply_hello(struct exec *ex)
{
    struct reply *r = ex->reply;
    reply_map(r, 7);
    reply_pair(r, "server", "redis");
    reply_pair(r, "version", REDIS_VERSION);
    reply_bulk_cstr(r, "proto");
    reply_int(r, r->proto == REPLY_RESP3 ? 3 : 2);
    reply_bulk_cstr(r, "id");
    reply_int(r, (int64_t)ex->session->id);
    reply_pair(r, "mode", "standalone");
    reply_pair(r, "role", "master");
    reply_bulk_cstr(r, "modules");
    reply_array(r, 0);
}

static void set_version(struct exec *ex, int64_t version)
{
    if (!version || ex->session->proto == REPLY_FRAME)
        return;
    ex->session->proto = version == 3 ? REPLY_RESP3 : REPLY_RESP2;
    ex->reply->proto = ex->session->proto;
}

void cmd_hello(struct exec *ex)
{
    struct hello hello = {0};
    if (!parse_hello(ex, &hello))
        return;
    if (hello.has_auth && !authenticate(ex, hello.user, hello.password))
        return;
    if (!ex->session->authenticated && server_has_password(exec_thread(ex)->server)) {
        fail(ex,
             "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
             "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
             "select the RESP protocol version at the same time");
        return;
    }
    if (hello.has_name)
        client_set_name(exec_thread(ex)->current, hello.name);
    set_version(ex, hello.version);
    reply_hello(ex);
}

void cmd_reset(struct exec *ex)
{
    struct session *session = ex->session;
    transaction_discard(ex->txn, session);
    push_forget(client_subscriber(exec_thread(ex)->current));
    tracking_disable(exec_thread(ex), client_tracker(exec_thread(ex)->current));
    monitor_leave(exec_thread(ex), client_monitor(exec_thread(ex)->current));
    session->db = 0;
    session->no_touch = session->no_evict = false;
    if (session->reply_mode != REPLY_SKIP) /* which is about RESET itself */
        session->reply_mode = REPLY_ON;
    acl_login(exec_thread(ex)->current, acl_of(ex)->default_user);
    session->authenticated = !server_has_password(exec_thread(ex)->server);
    client_set_name(exec_thread(ex)->current, SLICE(""));
    set_version(ex, 2);
    reply_status(ex->reply, "RESET");
}
