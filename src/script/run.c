#include "script/run.h"

#include "base/clock.h"
#include "script/api.h"
#include "script/from_lua.h"
#include "script/json.h"
#include "script/sandbox.h"

enum {
    TICK_INSTRUCTIONS = 5000, /* few, for each may take long: a < b */
    TICK_BYTES = 4 << 20,     /* with more memory they take longer, and are fewer */
    TICK_MIN = 100,
    LONG_CYCLES = 10 * 1000 * 1000, /* some milliseconds */
    LOOK_STEPS = 5000,
    OUT_KEEP_BYTES = 256 * 1024,
    COLLECT_SHARE = 2 /* a run that ends with half of the limit in use collects */
};

/* ---- the deadline ---- */

static const char *end_text(const struct script_run *run, enum script_verdict verdict)
{
    if (verdict == SCRIPT_TOO_LONG)
        return "ERR Script runs too long under the locks of its keys";
    return run->is_function ? "ERR Script killed by user with FUNCTION KILL."
                            : "ERR Script killed by user with SCRIPT KILL.";
}

static int tick_instructions(const struct interpreter *in)
{
    if (likely(in->bytes <= TICK_BYTES))
        return TICK_INSTRUCTIONS;
    return MAX((int)(TICK_INSTRUCTIONS / (in->bytes / TICK_BYTES + 1)), TICK_MIN);
}

/* A script may catch the error, so from here on each line of it raises the error again. */
static void tick(lua_State *lua, lua_Debug *ar)
{
    struct script_run *run = interpreter_of(lua)->run;
    (void)ar;
    if (!run)
        return;
    enum script_verdict verdict = run->ops->tick(run);
    run->in->looked = clock_cycles();
    if (likely(verdict == SCRIPT_GO_ON)) {
        int count = tick_instructions(run->in);
        if (unlikely(count != lua_gethookcount(lua)))
            lua_sethook(lua, tick, LUA_MASKCOUNT, count);
        return;
    }
    run->in->ended = true;
    lua_sethook(lua, tick, LUA_MASKLINE, 0);
    api_push_error(lua, slice_cstr(end_text(run, verdict)), false);
    lua_error(lua);
}

void script_look(lua_State *lua, uint64_t began)
{
    if (unlikely(clock_cycles() - began > LONG_CYCLES))
        tick(lua, NULL);
}

bool script_may_grow(struct interpreter *in)
{
    struct script_run *run = in->run;
    if (!run)
        return true;
    if (unlikely(in->end_text))
        return false; /* it has caught the error */
    if (clock_cycles() - in->looked <= LONG_CYCLES)
        return true;
    enum script_verdict verdict = run->ops->tick_inside(run);
    in->looked = clock_cycles();
    if (likely(verdict == SCRIPT_GO_ON))
        return true;
    in->ended = true;
    in->end_text = end_text(run, verdict);
    return false;
}

void script_steps_begin(struct script_steps *s)
{
    *s = (struct script_steps){.began = clock_cycles(), .left = LOOK_STEPS};
}

void script_steps_look(lua_State *lua, struct script_steps *s)
{
    s->left = LOOK_STEPS;
    if (likely(clock_cycles() - s->began <= LONG_CYCLES))
        return;
    tick(lua, NULL);
    s->began = clock_cycles();
}

/* ---- errors ---- */

/* What tostring() says of a value that is no table. */
static const char *plain_text(lua_State *lua)
{
    if (lua_isstring(lua, 1))
        return lua_tostring(lua, 1);
    if (lua_isboolean(lua, 1))
        return lua_toboolean(lua, 1) ? "true" : "false";
    if (lua_isnoneornil(lua, 1))
        return "nil";
    return lua_pushfstring(lua, "%s: %p", luaL_typename(lua, 1), lua_topointer(lua, 1));
}

/* As Redis's handler: the error becomes a table that says where it happened. */
static int describe_error(lua_State *lua)
{
    lua_Debug where;
    bool known = lua_getstack(lua, 1, &where) && lua_getinfo(lua, "Sl", &where);
    if (known && strcmp(where.what, "C") == 0)
        known = lua_getstack(lua, 2, &where) && lua_getinfo(lua, "Sl", &where);
    if (!lua_istable(lua, 1)) {
        const char *text = plain_text(lua);
        lua_createtable(lua, 0, 3);
        lua_pushfstring(lua, "ERR %s", text);
        lua_setfield(lua, -2, "err");
        lua_replace(lua, 1);
    }
    if (known) {
        lua_pushstring(lua, where.source);
        lua_setfield(lua, 1, "source");
        lua_pushinteger(lua, where.currentline);
        lua_setfield(lua, 1, "line");
    }
    lua_settop(lua, 1);
    return 1;
}

/* The error at the top, as describe_error() left it: "CODE text script: name, on @source:line." */
static void reply_failure(lua_State *lua, struct script_run *run)
{
    if (!lua_istable(lua, -1) && run->in->end_text) {
        reply_error(run->reply, run->in->end_text);
        return;
    }
    if (!lua_istable(lua, -1)) {
        const char *text = lua_tostring(lua, -1);
        reply_errorf(run->reply, "ERR Error running script %s, %.100s", run->name,
                     text ? text : "execution failure");
        return;
    }
    struct api_error e = api_read_error(lua);
    lua_pushliteral(lua, "source");
    lua_rawget(lua, -2);
    lua_pushliteral(lua, "line");
    lua_rawget(lua, -3);
    const char *source = lua_tostring(lua, -2), *line = lua_tostring(lua, -1);
    if (source && line)
        reply_errorf(run->reply, "%s script: %s, on %s:%s.", e.text, run->name, source, line);
    else
        reply_error(run->reply, e.text);
    run->reply->error_counted = e.counted;
}

/* ---- the run ---- */

static void push_list(lua_State *lua, const struct slice *items, uint32_t count)
{
    luaL_checkstack(lua, 4, "too many arguments");
    lua_createtable(lua, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lua_pushlstring(lua, items[i].ptr, items[i].len);
        lua_rawseti(lua, -2, (int)i + 1);
    }
}

/* Runs inside a protected call, so that a full memory is an error like others. */
static int run_protected(lua_State *lua)
{
    struct script_run *run = lua_touserdata(lua, 1);
    struct interpreter *in = run->in;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, in->error_handler);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->function);
    push_list(lua, run->keys, run->key_count);
    push_list(lua, run->args, run->arg_count);
    if (!run->is_function) {
        sandbox_set_global(lua, "ARGV");
        sandbox_set_global(lua, "KEYS");
    }
    if (lua_pcall(lua, run->is_function ? 2 : 0, 1, 2) != 0)
        reply_failure(lua, run);
    else
        from_lua_reply(lua, run);
    return 0;
}

static int store_functions(lua_State *lua)
{
    struct interpreter *in = interpreter_of(lua);
    lua_pushcfunction(lua, describe_error);
    in->error_handler = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushcfunction(lua, run_protected);
    in->runner = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

/* lua_cpcall() would make a closure for each run. */
static int call_protected(lua_State *lua, struct script_run *run)
{
    if (unlikely(!run->in->runner))
        return lua_cpcall(lua, run_protected, run);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, run->in->runner);
    lua_pushlightuserdata(lua, run);
    return lua_pcall(lua, 1, 0, 0);
}

static void begin(struct script_run *run)
{
    struct interpreter *in = run->in;
    interpreter_limit(in, true);
    if (unlikely(!in->runner))
        (void)lua_cpcall(in->lua, store_functions, NULL);
    in->run = run;
    in->ended = false;
    in->end_text = NULL;
    in->looked = clock_cycles();
    lua_sethook(in->lua, tick, LUA_MASKCOUNT, TICK_INSTRUCTIONS);
}

/* Outside protected calls: nothing may fail here. */
static void end(struct script_run *run)
{
    struct interpreter *in = run->in;
    size_t limit = in->limit;
    interpreter_limit(in, false);
    lua_settop(in->lua, 0);
    output_clear(&in->out);
    buf_shrink(&in->out.bytes, OUT_KEEP_BYTES);
    sandbox_settle(in, run->function);
    if (unlikely(in->json_configured))
        json_reset(in);
    in->run = NULL;
    if (unlikely(limit && in->bytes > limit / COLLECT_SHARE))
        lua_gc(in->lua, LUA_GCCOLLECT, 0);
}

void script_run_start(struct script_run *run)
{
    struct output_mark mark = output_mark(run->reply->out);
    lua_State *lua = run->in->lua;
    begin(run);
    if (unlikely(call_protected(lua, run) != 0)) {
        output_rewind(run->reply->out, mark);
        reply_failure(lua, run);
    }
    end(run);
}
