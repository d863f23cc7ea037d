#include "server/replay.h"

#include "base/clock.h"
#include "cmd/key_guard.h"
#include "server/functions.h"
#include "server/server_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    CLOCK_COMMANDS = 32, /* between two looks at the clock */
    NAME_SHOWN = 64,
    KEYS_KEEP = 1024
};

struct replay {
    struct server_thread *thread;
    struct session session;
    struct output output;
    struct aof_command command;
    struct key *keys;
    uint32_t key_count, key_cap;
    uint64_t commands, errors;
    char reason[160], first_error[160];
};

struct replay *replay_create(struct server *server, struct txn *t)
{
    struct replay *r = mem_zalloc(MEM_OTHER, sizeof(*r));
    struct server_thread *thread = mem_alloc_aligned(MEM_OTHER, sizeof(*thread));
    memset(thread, 0, sizeof(*thread));
    thread->server = server;
    thread->reply = (struct reply){.out = &r->output, .proto = REPLY_RESP2};
    thread->exec = (struct exec){.txn = t, .reply = &thread->reply, .session = &r->session};
    r->thread = thread;
    r->session = (struct session){.authenticated = true, .reply_mode = REPLY_ON};
    output_init(&r->output);
    t->mute = t->replay = true;
    t->no_touch = false;
    t->restartable = false;
    return r;
}

void replay_destroy(struct replay *r)
{
    r->thread->exec.txn->mute = r->thread->exec.txn->replay = false;
    output_deinit(&r->output);
    functions_drop_interpreter(r->thread);
    aof_command_deinit(&r->command);
    mem_free(MEM_OTHER, r->keys, r->key_cap * sizeof(*r->keys));
    mem_free_aligned(MEM_OTHER, r->thread, sizeof(*r->thread));
    mem_free(MEM_OTHER, r, sizeof(*r));
}

void replay_begin_file(struct replay *r)
{
    r->session.db = 0;
    *r->first_error = 0;
}

static PRINTF_LIKE(2, 3) bool refuse(struct replay *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->reason, sizeof(r->reason), format, args);
    va_end(args);
    return false;
}

/* ---- one command ---- */

static void add_key(void *arg, uint32_t index, uint16_t flags)
{
    struct replay *r = arg;
    if (flags & KEY_NOT_KEY)
        return;
    if (r->key_count == r->key_cap) {
        uint32_t cap = r->key_cap ? r->key_cap * 2 : 16;
        r->keys =
            mem_realloc(MEM_OTHER, r->keys, r->key_cap * sizeof(*r->keys), cap * sizeof(*r->keys));
        r->key_cap = cap;
    }
    r->keys[r->key_count++] = key_make(r->command.argv[index]);
}

static void find_keys(struct replay *r, const struct command *cmd)
{
    struct exec *ex = &r->thread->exec;
    r->key_count = 0;
    ex->key_count = 0;
    if (cmd->key_spec_count &&
        command_visit_keys(cmd, r->command.argv, r->command.argc, add_key, r))
        ex->key_count = r->key_count;
    ex->keys = r->keys;
}

static void note_error(struct replay *r, const struct command *cmd)
{
    struct slice text = buf_slice(&r->output.bytes);
    r->errors++;
    if (*r->first_error)
        return;
    int len = (int)MIN(text.len, (size_t)80);
    const char *end = memchr(text.ptr, '\r', (size_t)len);
    snprintf(r->first_error, sizeof(r->first_error), "'%s' answered %.*s", cmd->full_name,
             end ? (int)(end - text.ptr) : len, text.ptr);
}

static void run(struct replay *r, const struct command *cmd)
{
    struct exec *ex = &r->thread->exec;
    uint32_t errors = ex->reply->errors;
    ex->cmd = cmd;
    ex->argv = r->command.argv;
    ex->argc = r->command.argc;
    ex->in_exec = true; /* nothing waits */
    ex->slow_limit = UINT64_MAX;
    ex->hashed_arg = 0;
    find_keys(r, cmd);
    txn_begin(ex->txn, r->session.db, true);
    key_guard_call(ex);
    txn_end(ex->txn, NULL, 0);
    r->commands++;
    if (unlikely(ex->reply->errors != errors))
        note_error(r, cmd);
    output_clear(&r->output);
}

static bool run_select(struct replay *r)
{
    int64_t db;
    int databases = r->thread->exec.txn->ks->db_count;
    if (r->command.argc != 2 || !num_parse_int64(r->command.argv[1], &db) || db < 0)
        return refuse(r, "a SELECT without a database");
    if (db >= databases)
        return refuse(r, "database %lld is needed; raise 'databases' (%d)", (long long)db,
                      databases);
    r->session.db = (int)db;
    return true;
}

/* What a log may hold, and what does something without a client. PFCOUNT, a read by its flags,
 * changes the bytes of the value. */
static bool has_effect(const struct command *cmd)
{
    return (cmd->flags & CMD_WRITE && cmd->id != CMD_ID_migrate) || cmd->id == CMD_ID_pfcount ||
           strcmp(cmd->group, "scripting") == 0;
}

static bool run_command(struct replay *r)
{
    const struct slice *argv = r->command.argv;
    uint32_t argc = r->command.argc;
    const struct command *cmd = command_lookup(argv, argc);
    if (unlikely(!cmd))
        return refuse(r, "unknown command '%.*s'", (int)MIN(argv[0].len, (size_t)NAME_SHOWN),
                      argv[0].ptr);
    if (unlikely(!cmd->handler ||
                 (cmd->arity >= 0 ? (int)argc != cmd->arity : (int)argc < -cmd->arity)))
        return refuse(r, "command '%s' with a wrong number of arguments", cmd->full_name);
    if (cmd->id == CMD_ID_select)
        return run_select(r);
    if (likely(has_effect(cmd)))
        run(r, cmd);
    return true;
}

bool replay_some(struct replay *r, struct slice *unit, int64_t until_us)
{
    for (unsigned i = 1; aof_command_take(unit, &r->command); i++) {
        if (unlikely(!run_command(r)))
            return false;
        if (i % CLOCK_COMMANDS == 0 && clock_monotonic_us() >= until_us)
            break;
    }
    return true;
}

const char *replay_reason(const struct replay *r)
{
    return r->reason;
}

uint64_t replay_commands(const struct replay *r)
{
    return r->commands;
}

uint64_t replay_errors(const struct replay *r)
{
    return r->errors;
}

const char *replay_first_error(const struct replay *r)
{
    return r->first_error;
}
