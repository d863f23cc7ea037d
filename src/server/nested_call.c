#include "server/nested_call.h"

#include "base/assert.h"
#include "base/clock.h"
#include "cmd/key_guard.h"
#include "server/acl_session.h"
#include "server/busy.h"
#include "server/functions.h"
#include "server/server_internal.h"
#include "server/stop_watch.h"

#include <stdio.h>

enum {
    KEYS_KEEP = 1024,
    KEYS_COMPARED = 4
};

/* ---- before it starts ---- */

#define MISCONF_SCRIPTS                                                                            \
    "but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' " \
    "flag for read only scripts."

static bool refuse_start(struct exec *ex, const char *text)
{
    reply_error(ex->reply, text);
    return false;
}

/* Why nothing may be written, in the words that Redis has for scripts. */
static bool refuse_writing(struct exec *ex, const char *error)
{
    const struct persistence *p = &exec_thread(ex)->server->persistence;
    if (!strcmp(error, ERROR_NO_REPLICAS))
        return refuse_start(ex, error);
    if (atomic_load(&p->refusals) & REFUSE_WRITES)
        return refuse_start(ex,
                            "MISCONF Redis is configured to save RDB snapshots, " MISCONF_SCRIPTS);
    reply_errorf(ex->reply,
                 "MISCONF Redis is configured to persist data to AOF, " MISCONF_SCRIPTS
                 " AOF error: %s",
                 strerror(atomic_load(&p->log.error)));
    return false;
}

/* A script that says nothing about itself is judged by its commands, one by one. */
bool nested_admits(struct exec *ex, uint32_t flags, bool read_only)
{
    struct server_thread *t = exec_thread(ex);
    const char *error;
    if (flags & SCRIPT_COMPAT)
        return true;
    if (!(flags & SCRIPT_NO_WRITES)) {
        if (!persistence_admits(&t->server->persistence, CMD_WRITE, false, &error))
            return refuse_writing(ex, error);
        if (read_only)
            return refuse_start(ex,
                                "ERR Can not execute a script with write flag using *_ro command.");
    }
    if (evict_limited() && t->no_room && !(flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES)))
        return refuse_start(ex, "OOM allow-oom flag is not set on the script, can not run it when "
                                "used memory > 'maxmemory'");
    return true;
}

/* ---- keys ---- */

/* Most often it is one of the script's own, whose hash is known. */
static struct key key_of(const struct nested *n, struct slice name)
{
    for (uint32_t i = 0; i < MIN(n->outer.key_count, (uint32_t)KEYS_COMPARED); i++)
        if (slice_equal(n->outer.keys[i].name, name))
            return (struct key){name, n->outer.keys[i].hash};
    return key_make(name);
}

static void collect_key(void *arg, uint32_t index, uint16_t flags)
{
    struct server_thread *t = arg;
    struct nested *n = t->nested;
    if (flags & KEY_NOT_KEY)
        return;
    if (n->key_count == t->nested_key_cap) {
        uint32_t cap = MAX(2 * t->nested_key_cap, 8u);
        t->nested_keys =
            mem_realloc(MEM_OTHER, t->nested_keys, t->nested_key_cap * sizeof(struct key),
                        cap * sizeof(struct key));
        t->nested_key_cap = cap;
    }
    t->nested_keys[n->key_count++] = key_of(n, t->exec.argv[index]);
}

/* Whether all keys of the command are among the script's. */
static bool keys_are_declared(const struct nested *n)
{
    const struct key *keys = n->thread->nested_keys;
    for (uint32_t i = 0; i < n->key_count; i++) {
        uint32_t at = 0;
        while (at < n->outer.key_count && (n->outer.keys[at].hash != keys[i].hash ||
                                           !slice_equal(n->outer.keys[at].name, keys[i].name)))
            at++;
        if (at == n->outer.key_count)
            return false;
    }
    return true;
}

/* ---- checks ---- */

static bool refuse(struct nested *n, const struct command *cmd, const char *text)
{
    struct server_thread *t = n->thread;
    reply_error(&t->reply, text);
    stats_count_error(t);
    if (cmd)
        stat_bump(&t->stats[cmd->id].rejected, 1);
    return false;
}

static bool refuse_user(struct nested *n, const struct command *cmd, const struct slice *argv,
                        uint32_t argc)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    buf_puts(&text, "ERR ACL failure in script: ");
    client_publish(n->thread->current, (uint16_t)(n->outer.cmd->id + 1), n->now_us / 1000);
    bool allowed = acl_permits(n->thread, &n->session, cmd, argv, argc, ACL_SCRIPT, &text);
    buf_putc(&text, 0);
    if (!allowed)
        (void)refuse(n, cmd, buf_ptr(&text));
    buf_deinit(&text);
    return !allowed;
}

static bool admit_write(struct nested *n, const struct command *cmd)
{
    struct server_thread *t = n->thread;
    const char *error;
    if (n->read_only)
        return refuse(n, cmd, "ERR Write commands are not allowed from read-only scripts.");
    if (unlikely(atomic_load_explicit(&t->server->persistence.refusals, memory_order_relaxed)) &&
        !persistence_admits(&t->server->persistence, cmd->flags, false, &error))
        return refuse(n, cmd, error);
    return true;
}

/* Memory is looked at before the first write only: a script is not left half done for it. */
static bool admit_memory(struct nested *n, const struct command *cmd)
{
    if (!evict_limited() || !n->thread->no_room || n->wrote || n->flags & SCRIPT_ALLOW_OOM ||
        !(cmd->flags & CMD_DENYOOM))
        return true;
    return refuse(n, cmd, "OOM command not allowed when used memory > 'maxmemory'.");
}

/* It holds the locks of its keys, maybe, and in any mode uses no other. */
static bool admit_declared(struct nested *n, const struct command *cmd, const struct slice *argv,
                           uint32_t argc)
{
    if (cmd->flags & CMD_WALKS || command_runs_alone(cmd, argv, argc))
        return refuse(n, cmd,
                      "ERR This command uses more than its keys: not in a script with the flag "
                      "declared-keys");
    if (keys_are_declared(n))
        return true;
    return refuse(n, cmd,
                  "ERR Script with the flag declared-keys attempted to access a key that "
                  "is not among its KEYS");
}

static bool begin_writing(struct nested *n, const struct command *cmd)
{
    return likely(busy_may_write(n)) || refuse(n, cmd, "ERR The script has been killed");
}

static bool admit(struct nested *n, const struct command *cmd, const struct slice *argv,
                  uint32_t argc)
{
    if (unlikely(!cmd || (cmd->subcommand_count && argc >= 2)))
        return refuse(n, NULL, "ERR Unknown Redis command called from script");
    if (unlikely(!cmd->handler || !command_takes(cmd, argc)))
        return refuse(n, cmd, "ERR Wrong number of args calling Redis command from script");
    if (unlikely(cmd->flags & CMD_NOSCRIPT) &&
        !(cmd->id == CMD_ID_debug && atomic_load(&n->thread->server->scripts_may_debug)))
        return refuse(n, cmd, "ERR This Redis command is not allowed from script");
    if (acl_is_limited(&n->session) && refuse_user(n, cmd, argv, argc))
        return false;
    bool writes = cmd->flags & (n->read_only ? CMD_WRITE | CMD_MAY_REPLICATE : CMD_WRITE);
    if (writes && !admit_write(n, cmd))
        return false;
    return admit_memory(n, cmd);
}

/* ---- running ---- */

/* Most commands have one key, at a fixed place. */
static void collect_keys(struct nested *n, const struct command *cmd, const struct slice *argv,
                         uint32_t argc)
{
    n->key_count = 0;
    if (likely(cmd->simple_keys && cmd->first_key == cmd->last_key && cmd->first_key < (int)argc))
        collect_key(n->thread, (uint32_t)cmd->first_key, 0);
    else if (cmd->key_spec_count)
        (void)command_visit_keys(cmd, argv, argc, collect_key, n->thread);
}

static bool goes_on(struct exec *ex)
{
    return busy_tick(exec_thread(ex)->nested, false) == SCRIPT_GO_ON;
}

static void set_exec(struct nested *n, const struct command *cmd, const struct slice *argv,
                     uint32_t argc)
{
    struct exec *ex = &n->thread->exec;
    ex->cmd = cmd;
    ex->argv = argv;
    ex->argc = argc;
    collect_keys(n, cmd, argv, argc);
    ex->keys = n->thread->nested_keys;
    ex->key_count = n->key_count;
    ex->session = &n->session;
    ex->in_exec = true; /* it never waits */
    ex->now_us = n->now_us;
    ex->goes_on = goes_on;
    ex->slow_limit = UINT64_MAX;
    ex->hashed_arg = 0;
}

static void run(struct nested *n, const struct command *cmd)
{
    struct server_thread *t = n->thread;
    struct exec *ex = &t->exec;
    struct observed o = {.cmd = cmd, .argv = ex->argv, .argc = ex->argc};
    uint64_t started = clock_cycles();
    txn_select(&t->txn, n->session.db);
    persistence_log_part(t, cmd);
    key_guard_call(ex);
    if (unlikely(n->session.tracked))
        tracking_remember(ex);
    if (monitor_wanted())
        monitor_feed(t, cmd, ex->argv, ex->argc, t->txn.db->id, true);
    txn_next(&t->txn, ex->argv, ex->argc);
    (void)stats_count_call(t, &o, clock_cycles() - started, 0);
}

void nested_call(struct nested *n, const struct slice *argv, uint32_t argc, struct output *out,
                 enum reply_proto proto)
{
    struct server_thread *t = n->thread;
    const struct command *cmd = command_lookup(argv, argc);
    t->reply = (struct reply){.out = out, .proto = proto};
    n->session.proto = proto;
    if (likely(admit(n, cmd, argv, argc))) {
        set_exec(n, cmd, argv, argc);
        if ((likely(!(n->flags & SCRIPT_DECLARED_KEYS)) || admit_declared(n, cmd, argv, argc)) &&
            (!(cmd->flags & CMD_WRITE) || n->wrote || begin_writing(n, cmd)))
            run(n, cmd);
    }
    t->reply = n->outer_reply;
}

/* ---- open and close ---- */

void nested_open(struct nested *n, struct exec *ex, const char *name, uint32_t flags,
                 bool read_only)
{
    struct server_thread *t = exec_thread(ex);
    ASSERT(!t->nested);
    *n = (struct nested){.thread = t,
                         .name = name,
                         .outer = *ex,
                         .outer_reply = t->reply,
                         .session = *ex->session,
                         .flags = flags,
                         .read_only = read_only || flags & SCRIPT_NO_WRITES,
                         .now_us = clock_wall_us(),
                         .started_ms = clock_monotonic_ms()};
    n->session.in_multi = false;
    n->session.reply_mode = REPLY_ON;
    t->nested = n;
    stop_watch_seen(t->net.reactor.id, n->started_ms);
    txn_group(&t->txn);
}

void nested_close(struct nested *n)
{
    struct server_thread *t = n->thread;
    busy_end(n);
    persistence_log_end_parts(t);
    stop_watch_seen(t->net.reactor.id, 0);
    t->exec = n->outer;
    t->txn.no_touch = n->outer.session->no_touch;
    t->nested = NULL;
    if (t->interpreter)
        atomic_store_explicit(&t->interpreter_bytes, t->interpreter->bytes, memory_order_relaxed);
    if (unlikely(t->nested_key_cap > KEYS_KEEP)) {
        mem_free(MEM_OTHER, t->nested_keys, t->nested_key_cap * sizeof(struct key));
        t->nested_keys = NULL;
        t->nested_key_cap = 0;
    }
}

/* What `nested` points to is gone with its stack frame. */
void nested_abandon(struct server_thread *t)
{
    t->exec.in_exec = false;
    t->exec.goes_on = NULL;
    stop_watch_seen(t->net.reactor.id, 0);
    t->nested = NULL;
    if (t->nested_script)
        script_unref(t->nested_script);
    t->nested_script = NULL;
    nested_drop_interpreter(t); /* one of the two ran it */
    functions_drop_interpreter(t);
}

void nested_drop_interpreter(struct server_thread *t)
{
    interpreter_destroy(t->interpreter);
    t->interpreter = NULL;
    atomic_store_explicit(&t->interpreter_bytes, 0, memory_order_relaxed);
}

struct interpreter *nested_interpreter(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    if (unlikely(!t->interpreter))
        t->interpreter = interpreter_create(&t->txn.rng);
    if (unlikely(!t->interpreter))
        reply_error(ex->reply, "ERR no memory for an interpreter");
    return t->interpreter;
}

/* ---- for scripts ---- */

static void call(struct script_run *run, const struct slice *argv, uint32_t argc,
                 struct output *out)
{
    nested_call(run->host, argv, argc, out, run->resp);
}

static enum script_verdict tick(struct script_run *run)
{
    return busy_tick(run->host, true);
}

static enum script_verdict tick_inside(struct script_run *run)
{
    return busy_tick(run->host, false);
}

static enum script_permission permits(struct script_run *run, const struct slice *argv,
                                      uint32_t argc)
{
    struct nested *n = run->host;
    const struct command *cmd = command_lookup(argv, argc);
    uint32_t at;
    if (!cmd || (cmd->subcommand_count && argc >= 2) || !cmd->handler || !command_takes(cmd, argc))
        return SCRIPT_NO_COMMAND;
    bool allowed = !acl_is_limited(&n->session) ||
                   acl_check(n->session.user, cmd, argv, argc, &at) == ACL_ALLOWED;
    return allowed ? SCRIPT_ALLOWED : SCRIPT_DENIED;
}

const struct script_ops nested_ops = {call, tick, tick_inside, permits};
