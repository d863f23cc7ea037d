#include "script/api.h"

#include "base/log.h"
#include "base/sha1.h"
#include "script/sandbox.h"
#include "script/to_lua.h"

#include <stdio.h>

enum {
    FEW_ARGS = 32,
    NUMBER_BYTES = NUM_DOUBLE_MAX_LEN
};

/* ---- errors ---- */

/* "-CODE text" says its code; anything else gets the general one. */
void api_push_error(lua_State *lua, struct slice text, bool counted)
{
    lua_createtable(lua, 0, 3);
    while (text.len && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
        text.len--;
    lua_pushlstring(lua, text.ptr, text.len);
    lua_setfield(lua, -2, "err");
    if (counted) {
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, "ignore_error_stats_update");
    }
}

struct api_error api_read_error(lua_State *lua)
{
    struct api_error e = {.text = "ERR unknown error"};
    lua_pushliteral(lua, "err");
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == LUA_TNUMBER) { /* its text must outlive the place on the stack */
        (void)lua_tostring(lua, -1);
        lua_pushliteral(lua, "err");
        lua_pushvalue(lua, -2);
        lua_rawset(lua, -4);
    }
    if (lua_isstring(lua, -1))
        e.text = lua_tostring(lua, -1);
    lua_pop(lua, 1);
    lua_pushliteral(lua, "ignore_error_stats_update");
    lua_rawget(lua, -2);
    e.counted = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return e;
}

/* Raises an error of the API itself, or returns it when the script asked to get errors. */
static int fail_call(lua_State *lua, bool raises, const char *text)
{
    api_push_error(lua, slice_cstr(text), false);
    return raises ? lua_error(lua) : 1;
}

static struct script_run *running(lua_State *lua)
{
    return interpreter_of(lua)->run;
}

/* ---- commands ---- */

/* Arguments of a call: strings as they stand on Lua's stack, numbers formatted. */
struct call_args {
    struct slice few[FEW_ARGS];
    char numbers[FEW_ARGS][NUMBER_BYTES];
    struct slice *argv;
    size_t bytes; /* of argv, when they are many */
};

/* A number becomes a string of Lua's, in its place: more of them than fit the buffers. */
static struct slice replace_number(lua_State *lua, int index)
{
    char text[NUMBER_BYTES];
    size_t len = num_format_double(text, lua_tonumber(lua, index));
    lua_pushlstring(lua, text, len);
    lua_replace(lua, index);
    return slice_make(lua_tostring(lua, index), len);
}

/* False: an argument is neither string nor number. */
static bool read_args(lua_State *lua, struct call_args *a, int count)
{
    a->argv = a->few;
    if (unlikely(count > FEW_ARGS)) /* Lua owns the memory: nothing leaks when an error unwinds */
        a->argv = lua_newuserdata(lua, (size_t)count * sizeof(struct slice));
    for (int i = 0; i < count; i++) {
        int type = lua_type(lua, i + 1);
        if (likely(type == LUA_TSTRING)) {
            a->argv[i].ptr = lua_tolstring(lua, i + 1, &a->argv[i].len);
        } else if (type == LUA_TNUMBER && i < FEW_ARGS) {
            size_t len = num_format_double(a->numbers[i], lua_tonumber(lua, i + 1));
            a->argv[i] = slice_make(a->numbers[i], len);
        } else if (type == LUA_TNUMBER) {
            a->argv[i] = replace_number(lua, i + 1);
        } else {
            return false;
        }
    }
    return true;
}

/* Calls the command and pushes its reply; true: it is an error. */
static bool call_command(lua_State *lua, struct script_run *run, const struct call_args *a,
                         int count)
{
    struct output *out = &run->in->out;
    output_clear(out);
    run->inside_call = true;
    run->ops->call(run, a->argv, (uint32_t)count, out);
    run->inside_call = false;
    lua_settop(lua, 0); /* 8,000 arguments would leave the reply no room */
    bool failed = to_lua(lua, out);
    script_look(lua, run->in->looked);
    return failed;
}

static int call(lua_State *lua, bool raises)
{
    struct call_args args;
    struct script_run *run = running(lua);
    int count = lua_gettop(lua);
    if (!run)
        return fail_call(lua, true,
                         "ERR redis.call/pcall can only be called inside a script invocation");
    if (run->inside_call)
        return fail_call(lua, raises, "ERR redis.call() called recursively");
    if (!count)
        return fail_call(lua, raises,
                         "ERR Please specify at least one argument for this redis lib call");
    if (!read_args(lua, &args, count))
        return fail_call(lua, raises,
                         "ERR Lua redis lib command arguments must be strings or integers");
    bool failed = call_command(lua, run, &args, count);
    return failed && raises ? lua_error(lua) : 1;
}

static int api_call(lua_State *lua)
{
    return call(lua, true);
}

static int api_pcall(lua_State *lua)
{
    return call(lua, false);
}

/* ---- replies ---- */

static int single_field(lua_State *lua, const char *field)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, -1) != LUA_TSTRING)
        return fail_call(lua, false, "ERR wrong number or type of arguments");
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, field);
    return 1;
}

static int api_status_reply(lua_State *lua)
{
    return single_field(lua, "ok");
}

/* A text without a code gets one: "-CODE text" and "CODE text" keep theirs. */
static int api_error_reply(lua_State *lua)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, -1) != LUA_TSTRING)
        return fail_call(lua, false, "ERR wrong number or type of arguments");
    const char *text = lua_tostring(lua, 1);
    text += *text == '-';
    if (strchr(text, ' '))
        lua_pushstring(lua, text);
    else
        lua_pushfstring(lua, "ERR %s", text);
    size_t len;
    text = lua_tolstring(lua, -1, &len);
    api_push_error(lua, slice_make(text, len), false);
    return 1;
}

/* ---- the rest ---- */

static int api_sha1hex(lua_State *lua)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[SHA1_BYTES];
    char hex[2 * SHA1_BYTES];
    size_t len;
    if (lua_gettop(lua) != 1)
        return fail_call(lua, true, "ERR wrong number of arguments");
    const char *text = lua_tolstring(lua, 1, &len);
    sha1(slice_make(text ? text : "", text ? len : 0), sum);
    for (int i = 0; i < SHA1_BYTES; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    lua_pushlstring(lua, hex, sizeof(hex));
    return 1;
}

static int api_log(lua_State *lua)
{
    int count = lua_gettop(lua);
    if (count < 2)
        return fail_call(lua, true, "ERR redis.log() requires two arguments or more.");
    if (!lua_isnumber(lua, -count))
        return fail_call(lua, true, "ERR First argument must be a number (log level).");
    int level = (int)lua_tonumber(lua, 1);
    if (level < LOG_DEBUG || level > LOG_WARNING)
        return fail_call(lua, true, "ERR Invalid debug level.");
    if (level < log_threshold)
        return 0;
    luaL_Buffer text;
    luaL_buffinit(lua, &text);
    for (int i = 2; i <= count; i++) {
        size_t len;
        const char *part = lua_tolstring(lua, i, &len);
        if (!part)
            continue;
        if (i > 2)
            luaL_addchar(&text, ' ');
        luaL_addlstring(&text, part, len);
    }
    luaL_pushresult(&text);
    log_write((enum log_level)level, "%s", lua_tostring(lua, -1));
    return 0;
}

static int api_setresp(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return fail_call(lua, true, "ERR redis.setresp() requires one argument.");
    if (!lua_isnumber(lua, -1))
        return fail_call(lua, true, "ERR RESP version must be 2 or 3.");
    int version = (int)lua_tonumber(lua, -1);
    if (version != 2 && version != 3)
        return fail_call(lua, true, "ERR RESP version must be 2 or 3.");
    if (running(lua))
        running(lua)->resp = version == 3 ? REPLY_RESP3 : REPLY_RESP2;
    return 0;
}

enum {
    REPL_NONE,
    REPL_AOF,
    REPL_REPLICA,
    REPL_ALL
};

/* Checked, and then without effect: what a script writes is logged and replicated as one unit, and
 * a part that is not would make log and data differ. */
static int api_set_repl(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return fail_call(lua, true, "ERR redis.set_repl() requires two arguments.");
    int flags = (int)lua_tonumber(lua, -1);
    if (flags & ~REPL_ALL)
        return fail_call(lua, true,
                         "ERR Invalid replication flags. Use REPL_AOF, "
                         "REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int api_replicate_commands(lua_State *lua)
{
    lua_pushboolean(lua, 1);
    return 1;
}

static int api_acl_check_cmd(lua_State *lua)
{
    struct call_args args;
    struct script_run *run = running(lua);
    int count = lua_gettop(lua);
    if (!count)
        return fail_call(lua, true,
                         "ERR Please specify at least one argument for this redis lib call");
    if (!run || !read_args(lua, &args, count))
        return fail_call(lua, true,
                         "ERR Lua redis lib command arguments must be strings or integers");
    enum script_permission p = run->ops->permits(run, args.argv, (uint32_t)count);
    if (p == SCRIPT_NO_COMMAND)
        return fail_call(lua, true, "ERR Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(lua, p == SCRIPT_ALLOWED);
    return 1;
}

/* ---- registration ---- */

static const luaL_Reg functions[] = {
    {"call", api_call},
    {"pcall", api_pcall},
    {"error_reply", api_error_reply},
    {"status_reply", api_status_reply},
    {"sha1hex", api_sha1hex},
    {"log", api_log},
    {"setresp", api_setresp},
    {"set_repl", api_set_repl},
    {"replicate_commands", api_replicate_commands},
    {"acl_check_cmd", api_acl_check_cmd},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
    {"LOG_DEBUG", LOG_DEBUG},     {"LOG_VERBOSE", LOG_VERBOSE},   {"LOG_NOTICE", LOG_NOTICE},
    {"LOG_WARNING", LOG_WARNING}, {"REPL_NONE", REPL_NONE},       {"REPL_AOF", REPL_AOF},
    {"REPL_SLAVE", REPL_REPLICA}, {"REPL_REPLICA", REPL_REPLICA}, {"REPL_ALL", REPL_ALL},
};

/* "7.2.4" and 0x00070204. */
static void add_version(lua_State *lua)
{
    int major = 0, minor = 0, patch = 0;
    (void)sscanf(SCRIPT_REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch);
    lua_pushliteral(lua, SCRIPT_REDIS_VERSION);
    lua_setfield(lua, -2, "REDIS_VERSION");
    lua_pushinteger(lua, major << 16 | minor << 8 | patch);
    lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}

/* The first so many of the constants, and the version. */
static void add_constants(lua_State *lua, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        lua_pushinteger(lua, constants[i].value);
        lua_setfield(lua, -2, constants[i].name);
    }
    add_version(lua);
}

void api_push_loading(lua_State *lua)
{
    enum {
        LOG_LEVELS = 4
    };

    lua_newtable(lua);
    lua_pushcfunction(lua, api_log);
    lua_setfield(lua, -2, "log");
    add_constants(lua, LOG_LEVELS);
}

void api_open(lua_State *lua)
{
    lua_newtable(lua);
    for (unsigned i = 0; i < ARRAY_LEN(functions); i++) {
        lua_pushcfunction(lua, functions[i].func);
        lua_setfield(lua, -2, functions[i].name);
    }
    add_constants(lua, ARRAY_LEN(constants));
    lua_pushvalue(lua, -1);
    sandbox_register_library(lua, "redis");
    sandbox_register_library(lua, "server");
}
