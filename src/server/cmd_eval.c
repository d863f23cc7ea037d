/* EVAL, EVALSHA and their read-only forms. */
#include "script/cache.h"
#include "script/chunks.h"
#include "script/header.h"
#include "server/nested_call.h"
#include "server/server_internal.h"

enum {
    ERROR_BYTES = 512
};

#define ERROR_NO_SCRIPT "NOSCRIPT No matching script. Please use EVAL."

/* ---- striped or alone ---- */

/* Without the flag declared-keys a script may use any key. */
bool eval_runs_alone(const struct slice *argv, uint32_t argc)
{
    return !script_declares_keys(argv[1]);
}

bool evalsha_runs_alone(const struct slice *argv, uint32_t argc)
{
    struct script_cache *cache = &the_server->scripts;
    if (!atomic_load_explicit(&cache->declaring, memory_order_relaxed))
        return true;
    struct script *s = script_cache_find(cache, argv[1]);
    bool declares = s && s->flags & SCRIPT_DECLARED_KEYS;
    if (s)
        script_unref(s);
    return !declares;
}

static uint32_t flags_of_text(struct slice text)
{
    char error[SCRIPT_HEADER_ERROR_BYTES];
    struct slice body;
    uint32_t flags;
    return script_read_header(text, &flags, &body, error) ? flags : 0;
}

static uint32_t flags_of_sha(struct slice sha)
{
    struct script *s = script_cache_find(&the_server->scripts, sha);
    uint32_t flags = s ? s->flags : 0;
    if (s)
        script_unref(s);
    return flags;
}

bool script_is_harmless(const struct command *cmd, const struct slice *argv, uint32_t argc)
{
    uint32_t flags = 0;
    if (argc < 2)
        return false;
    if (cmd->id == CMD_ID_eval)
        flags = flags_of_text(argv[1]);
    else if (cmd->id == CMD_ID_evalsha)
        flags = flags_of_sha(argv[1]);
    else if (cmd->id == CMD_ID_fcall && !libraries_flags(&the_server->libraries, argv[1], &flags))
        return false;
    return flags & SCRIPT_NO_WRITES;
}

/* ---- running ---- */

struct eval {
    struct exec *ex;
    bool read_only;
    uint32_t key_count;
    struct interpreter *in;
};

/* False: answered. */
static bool read_key_count(struct eval *e)
{
    int64_t count;
    struct exec *ex = e->ex;
    if (!arg_int(ex, 2, &count, NULL))
        return false;
    if (count > (int64_t)ex->argc - 3)
        return fail(ex, "ERR Number of keys can't be greater than number of args");
    if (count < 0)
        return fail(ex, "ERR Number of keys can't be negative");
    e->key_count = (uint32_t)count;
    return true;
}

static void run_script(struct eval *e, struct script *s)
{
    struct exec *ex = e->ex;
    char error[ERROR_BYTES];
    struct nested nested;
    int function = chunk_of(e->in, s, error, sizeof(error));
    if (function == LUA_NOREF) {
        reply_errorf(ex->reply, "ERR Error compiling script (new function): %s", error);
        return;
    }
    if (!nested_admits(ex, s->flags, e->read_only))
        return;
    struct script_run run = {.in = e->in,
                             .ops = &nested_ops,
                             .host = &nested,
                             .name = s->sha,
                             .function = function,
                             .keys = ex->argv + 3,
                             .key_count = e->key_count,
                             .args = ex->argv + 3 + e->key_count,
                             .arg_count = ex->argc - 3 - e->key_count,
                             .reply = ex->reply,
                             .resp = REPLY_RESP2};
    exec_thread(ex)->nested_script = s; /* for a jump out of here */
    nested_open(&nested, ex, s->sha, s->flags, e->read_only);
    script_run_start(&run);
    nested_close(&nested);
    exec_thread(ex)->nested_script = NULL;
}

/* The script of a text: from the cache, or compiled and added. NULL: answered. */
static struct script *take_text(struct exec *ex, struct interpreter *in, struct slice text,
                                bool evictable)
{
    char sha[SCRIPT_SHA_LEN + 1], error[ERROR_BYTES];
    struct slice body;
    uint32_t flags;
    struct script_cache *cache = &the_server->scripts;
    script_name(text, sha);
    struct script *s = script_cache_find(cache, slice_make(sha, SCRIPT_SHA_LEN));
    if (s && (evictable || !s->evictable))
        return s;
    if (s)
        script_unref(s);
    if (!script_read_header(text, &flags, &body, error)) {
        reply_error(ex->reply, error);
        return NULL;
    }
    if (!chunk_compiles(in, body, error, sizeof(error))) {
        reply_errorf(ex->reply, "ERR Error compiling script (new function): %s", error);
        return NULL;
    }
    return script_cache_add(cache, text, sha, flags, body, evictable);
}

static void eval(struct exec *ex, bool by_name, bool read_only)
{
    struct eval e = {.ex = ex, .read_only = read_only};
    struct script *s = NULL;
    persistence_log_begin_parts(exec_thread(ex));
    if (monitor_wanted()) /* before the commands that it calls */
        monitor_feed(exec_thread(ex), ex->cmd, ex->argv, ex->argc, ex->session->db, false);
    if (by_name && ex->argv[1].len != SCRIPT_SHA_LEN) {
        fail(ex, ERROR_NO_SCRIPT);
        return;
    }
    if (!read_key_count(&e) || !(e.in = nested_interpreter(ex)))
        return;
    if (by_name) {
        s = script_cache_find(&the_server->scripts, ex->argv[1]);
        /* another client has just loaded it, after this one was planned */
        bool late = s && !(s->flags & SCRIPT_DECLARED_KEYS) && !ex->txn->exclusive;
        if (!s || late)
            fail(ex, ERROR_NO_SCRIPT);
        if (late)
            script_unref(s);
        if (!s || late)
            return;
    } else {
        s = take_text(ex, e.in, ex->argv[1], true);
        if (!s)
            return;
    }
    run_script(&e, s);
    script_unref(s);
}

void cmd_eval(struct exec *ex)
{
    eval(ex, false, false);
}

void cmd_eval_ro(struct exec *ex)
{
    eval(ex, false, true);
}

void cmd_evalsha(struct exec *ex)
{
    eval(ex, true, false);
}

void cmd_evalsha_ro(struct exec *ex)
{
    eval(ex, true, true);
}

/* ---- SCRIPT ---- */

void cmd_script_load(struct exec *ex)
{
    struct interpreter *in = nested_interpreter(ex);
    struct script *s = in ? take_text(ex, in, ex->argv[2], false) : NULL;
    if (!s)
        return;
    reply_bulk(ex->reply, slice_make(s->sha, SCRIPT_SHA_LEN));
    script_unref(s);
}

void cmd_script_exists(struct exec *ex)
{
    reply_array(ex->reply, ex->argc - 2);
    for (uint32_t i = 2; i < ex->argc; i++) {
        struct script *s = script_cache_find(&the_server->scripts, ex->argv[i]);
        reply_int(ex->reply, s != NULL);
        if (s)
            script_unref(s);
    }
}

void cmd_script_show(struct exec *ex)
{
    struct script *s = script_cache_find(&the_server->scripts, ex->argv[2]);
    if (!s) {
        fail(ex, ERROR_NO_SCRIPT);
        return;
    }
    reply_bulk(ex->reply, slice_make(s->text, s->len));
    script_unref(s);
}

/* Runs alone: no interpreter is in use, and all begin anew. */
void cmd_script_flush(struct exec *ex)
{
    if (ex->argc > 3 || (ex->argc == 3 && !arg_is(ex, 2, "sync") && !arg_is(ex, 2, "async"))) {
        fail(ex, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    script_cache_flush(&the_server->scripts);
    for (unsigned i = 0; i < the_server->thread_count; i++)
        nested_drop_interpreter(the_server->threads[i]);
    reply_ok(ex->reply);
}

void cmd_script_kill(struct exec *ex)
{
    busy_answer_kill(ex, BUSY_SCRIPT);
}

/* There is no debugger: it would hold a script, and everybody else, up at will. */
void cmd_script_debug(struct exec *ex)
{
    if (arg_is(ex, 2, "no"))
        reply_ok(ex->reply);
    else if (arg_is(ex, 2, "yes") || arg_is(ex, 2, "sync"))
        fail(ex, "ERR the script debugger is not available");
    else
        fail(ex, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void cmd_script_help(struct exec *ex)
{
    static const char *const lines[] = {
        "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DEBUG NO",
        "    Accepted: there is no debugger.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Whether the cache has each of these scripts.",
        "FLUSH [ASYNC|SYNC]",
        "    Empties the cache of scripts.",
        "KILL",
        "    Ends the script that runs, if it has written nothing.",
        "LOAD <script>",
        "    Puts a script into the cache without running it.",
        "SHOW <sha1>",
        "    The text of a script of the cache.",
        NULL,
    };
    reply_help(ex, lines);
}
