/* FUNCTION …, FCALL and FCALL_RO. */
#include "base/clock.h"
#include "base/glob.h"
#include "cmd/help.h"
#include "script/library_load.h"
#include "server/functions.h"
#include "server/nested_call.h"
#include "server/server_internal.h"

enum {
    SHOWN_BYTES = 128
};

static bool fail_with(struct exec *ex, const char *error)
{
    reply_errorf(ex->reply, "ERR %s", error);
    return false;
}

static bool fail_word(struct exec *ex, const char *text, struct slice word)
{
    reply_errorf(ex->reply, "ERR %s%.*s", text, (int)MIN(word.len, (size_t)SHOWN_BYTES), word.ptr);
    return false;
}

/* The thread's interpreter of functions, made at its first use; NULL: answered. */
static struct interpreter *function_interpreter(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    if (unlikely(!t->functions))
        t->functions = interpreter_create(&ex->txn->rng);
    if (unlikely(!t->functions))
        fail(ex, "ERR no memory for an interpreter");
    return t->functions;
}

static void note_memory(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    atomic_store_explicit(&t->function_bytes, t->functions ? t->functions->bytes : 0,
                          memory_order_relaxed);
}

/* ---- FCALL ---- */

/* Without the flag declared-keys a function may use any key. */
bool fcall_runs_alone(const struct slice *argv, uint32_t argc)
{
    uint32_t flags;
    return argc < 2 || !libraries_flags(&the_server->libraries, argv[1], &flags) ||
           !(flags & SCRIPT_DECLARED_KEYS);
}

/* False: answered. */
static bool read_key_count(struct exec *ex, uint32_t *out)
{
    int64_t count;
    if (!arg_int(ex, 2, &count, "ERR Bad number of keys provided"))
        return false;
    if (count > (int64_t)ex->argc - 3)
        return fail(ex, "ERR Number of keys can't be greater than number of args");
    if (count < 0)
        return fail(ex, "ERR Number of keys can't be negative");
    *out = (uint32_t)count;
    return true;
}

static void run(struct exec *ex, const struct function_place *place, uint32_t key_count,
                bool read_only)
{
    char error[LIBRARY_ERROR_BYTES];
    struct nested nested;
    struct script_run run = {.in = function_interpreter(ex),
                             .ops = &nested_ops,
                             .host = &nested,
                             .name = place->function->name.ptr,
                             .is_function = true,
                             .keys = ex->argv + 3,
                             .key_count = key_count,
                             .args = ex->argv + 3 + key_count,
                             .arg_count = ex->argc - 3 - key_count,
                             .reply = ex->reply,
                             .resp = REPLY_RESP2};
    uint32_t flags = place->function->flags;
    if (!ex->txn->exclusive) /* it may have been replaced after this call was planned */
        flags |= SCRIPT_DECLARED_KEYS;
    if (!run.in)
        return;
    if (!library_find_code(run.in, &the_server->libraries, place, &run.function, error)) {
        fail_with(ex, error);
        return;
    }
    if (!nested_admits(ex, flags, read_only))
        return;
    nested_open(&nested, ex, run.name, flags, read_only);
    nested.is_function = true;
    script_run_start(&run);
    nested_close(&nested);
}

static void fcall(struct exec *ex, bool read_only)
{
    uint32_t key_count = 0;
    struct function_place place;
    persistence_log_begin_parts(exec_thread(ex));
    if (monitor_wanted()) /* before the commands that it calls */
        monitor_feed(exec_thread(ex), ex->cmd, ex->argv, ex->argc, ex->session->db, false);
    if (!libraries_find_function(&the_server->libraries, ex->argv[1], &place)) {
        fail(ex, "ERR Function not found");
        return;
    }
    if (!read_key_count(ex, &key_count))
        return;
    run(ex, &place, key_count, read_only);
    note_memory(ex);
}

void cmd_fcall(struct exec *ex)
{
    fcall(ex, false);
}

void cmd_fcall_ro(struct exec *ex)
{
    fcall(ex, true);
}

/* ---- FUNCTION: changes, alone ---- */

/* False: answered. */
static bool load_options(struct exec *ex, bool *replace)
{
    *replace = false;
    for (uint32_t i = 2; i + 1 < ex->argc; i++)
        if (!arg_is(ex, i, "replace"))
            return fail_word(ex, "Unknown option given: ", ex->argv[i]);
        else
            *replace = true;
    return true;
}

static bool load(struct exec *ex, struct interpreter *in, struct library *lib, bool replace,
                 char *error)
{
    struct server *s = the_server;
    /* what the log holds was good once, however slow the machine is now */
    int64_t limit_ms = persistence_loading(&s->persistence) ? 0 : LIBRARY_LOAD_MS;
    if (!libraries_admit(&s->libraries, lib, replace, error) ||
        !library_load(in, lib, limit_ms, error) ||
        !libraries_admit(&s->libraries, lib, replace, error))
        return false;
    reply_bulk(ex->reply, lib->name);
    libraries_add(&s->libraries, lib);
    functions_changed(s, ex->txn);
    return true;
}

void cmd_function_load(struct exec *ex)
{
    bool replace;
    char error[LIBRARY_ERROR_BYTES];
    struct interpreter *in;
    if (!load_options(ex, &replace) || !(in = function_interpreter(ex)))
        return;
    struct library *lib = library_create(ex->argv[ex->argc - 1], error);
    if (!lib || !load(ex, in, lib, replace, error)) {
        fail_with(ex, error);
        if (lib)
            library_forget(in, lib);
        library_destroy(lib);
    }
    note_memory(ex);
}

void cmd_function_delete(struct exec *ex)
{
    if (!libraries_delete(&the_server->libraries, ex->argv[2])) {
        fail(ex, "ERR Library not found");
        return;
    }
    functions_changed(the_server, ex->txn);
    reply_ok(ex->reply);
}

void cmd_function_flush(struct exec *ex)
{
    if (ex->argc > 3) {
        help_fail_subcommand(ex);
        return;
    }
    if (ex->argc == 3 && !arg_is(ex, 2, "async") && !arg_is(ex, 2, "sync")) {
        fail(ex, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    functions_clear(the_server);
    functions_changed(the_server, ex->txn);
    note_memory(ex);
    reply_ok(ex->reply);
}

enum restore_policy {
    RESTORE_APPEND,
    RESTORE_REPLACE,
    RESTORE_FLUSH
};

/* False: answered. */
static bool restore_policy(struct exec *ex, enum restore_policy *out)
{
    *out = RESTORE_APPEND;
    if (ex->argc == 3 || arg_is(ex, 3, "append"))
        return true;
    if (arg_is(ex, 3, "replace"))
        *out = RESTORE_REPLACE;
    else if (arg_is(ex, 3, "flush"))
        *out = RESTORE_FLUSH;
    else
        return fail(ex, "ERR Wrong restore policy given, value should be either FLUSH, APPEND or "
                        "REPLACE.");
    return true;
}

static void restore(struct exec *ex, struct slice items, enum restore_policy policy)
{
    char error[LIBRARY_ERROR_BYTES];
    struct server *s = the_server;
    struct libraries built;
    struct interpreter *in = function_interpreter(ex);
    if (!in)
        return;
    libraries_init(&built);
    bool good = functions_build(in, items, LIBRARY_LOAD_MS, &built, error);
    if (good && policy == RESTORE_FLUSH)
        libraries_clear(&s->libraries);
    good = good && libraries_join(&s->libraries, &built, policy == RESTORE_REPLACE, error);
    libraries_deinit(&built);
    if (!good) {
        fail_with(ex, error);
        return;
    }
    functions_changed(s, ex->txn);
    reply_ok(ex->reply);
}

void cmd_function_restore(struct exec *ex)
{
    enum restore_policy policy;
    struct slice items;
    if (ex->argc > 4) {
        help_fail_subcommand(ex);
        return;
    }
    if (!restore_policy(ex, &policy))
        return;
    if (!libraries_open_dump(ex->argv[2], &items)) {
        fail(ex, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    restore(ex, items, policy);
    note_memory(ex);
}

/* ---- FUNCTION: looks ---- */

void cmd_function_dump(struct exec *ex)
{
    struct buf payload;
    buf_init(&payload, MEM_OTHER);
    libraries_dump(&the_server->libraries, &payload);
    reply_bulk(ex->reply, buf_slice(&payload));
    buf_deinit(&payload);
}

struct list_options {
    bool with_code, by_name;
    struct slice pattern;
};

/* False: answered. */
static bool list_options(struct exec *ex, struct list_options *o)
{
    *o = (struct list_options){0};
    for (uint32_t i = 2; i < ex->argc; i++) {
        if (!o->with_code && arg_is(ex, i, "withcode")) {
            o->with_code = true;
        } else if (!o->by_name && arg_is(ex, i, "libraryname")) {
            if (++i == ex->argc)
                return fail(ex, "ERR library name argument was not given");
            o->by_name = true;
            o->pattern = ex->argv[i];
        } else {
            return fail_word(ex, "Unknown argument ", ex->argv[i]);
        }
    }
    return true;
}

static void reply_flags(struct reply *r, uint32_t flags)
{
    reply_set(r, (size_t)__builtin_popcount(flags));
    for (uint32_t bit = 1; bit && bit <= flags; bit <<= 1)
        if (flags & bit)
            reply_status(r, script_flag_name(bit));
}

static void reply_function(struct reply *r, const struct library_function *f)
{
    reply_map(r, 3);
    reply_bulk_cstr(r, "name");
    reply_bulk(r, f->name);
    reply_bulk_cstr(r, "description");
    if (f->description.ptr)
        reply_bulk(r, f->description);
    else
        reply_null(r);
    reply_bulk_cstr(r, "flags");
    reply_flags(r, f->flags);
}

static void reply_library(struct reply *r, const struct library *lib, bool with_code)
{
    reply_map(r, with_code ? 4 : 3);
    reply_bulk_cstr(r, "library_name");
    reply_bulk(r, lib->name);
    reply_bulk_cstr(r, "engine");
    reply_bulk_cstr(r, "LUA");
    reply_bulk_cstr(r, "functions");
    reply_array(r, lib->count);
    for (uint32_t i = 0; i < lib->count; i++)
        reply_function(r, &lib->functions[i]);
    if (with_code) {
        reply_bulk_cstr(r, "library_code");
        reply_bulk(r, lib->code);
    }
}

void cmd_function_list(struct exec *ex)
{
    struct list_options o;
    const struct libraries *all = &the_server->libraries;
    size_t shown = 0;
    if (!list_options(ex, &o))
        return;
    struct output_mark mark = reply_defer(ex->reply);
    for (uint32_t i = 0; i < all->count; i++) {
        if (o.by_name && !glob_match(o.pattern, all->items[i]->name, true))
            continue;
        reply_library(ex->reply, all->items[i], o.with_code);
        shown++;
    }
    reply_defer_end(ex->reply, mark, REPLY_ARRAY, shown);
}

/* The function that runs too long; it keeps what is read here in place. Called with busy.lock. */
static void reply_running(struct reply *r, const struct nested *n)
{
    if (!n) {
        reply_null(r);
        return;
    }
    reply_map(r, 3);
    reply_bulk_cstr(r, "name");
    reply_bulk_cstr(r, n->name);
    reply_bulk_cstr(r, "command");
    reply_array(r, n->outer.argc);
    for (uint32_t i = 0; i < n->outer.argc; i++)
        reply_bulk(r, n->outer.argv[i]);
    reply_bulk_cstr(r, "duration_ms");
    reply_int(r, clock_monotonic_ms() - n->started_ms);
}

/* Runs beside a script, too, and then outside of the gates. */
void cmd_function_stats(struct exec *ex)
{
    struct reply *r = ex->reply;
    struct busy_state *busy = &the_server->busy;
    uint32_t library_count, function_count;
    if (atomic_load(&busy->what) == BUSY_SCRIPT) {
        fail(ex, "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
                 "NOSAVE.");
        return;
    }
    libraries_count(&the_server->libraries, &library_count, &function_count);
    reply_map(r, 2);
    reply_bulk_cstr(r, "running_script");
    lock_acquire(&busy->lock);
    reply_running(r, busy->running);
    lock_release(&busy->lock);
    reply_bulk_cstr(r, "engines");
    reply_map(r, 1);
    reply_bulk_cstr(r, "LUA");
    reply_map(r, 2);
    reply_bulk_cstr(r, "libraries_count");
    reply_int(r, library_count);
    reply_bulk_cstr(r, "functions_count");
    reply_int(r, function_count);
}

void cmd_function_kill(struct exec *ex)
{
    busy_answer_kill(ex, BUSY_FUNCTION);
}

void cmd_function_help(struct exec *ex)
{
    help_reply(ex);
}
