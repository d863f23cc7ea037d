#include "script/sandbox_lua.h"

#include "base/clock.h"
#include "script/lib.h"
#include "script/run.h"
#include "script/sandbox.h"

#include <lua5.1/lualib.h>
#include <math.h>
#include <time.h>

enum {
    INSERT_BELOW_MAX = 1000
};

/* A stock function is kept as the first upvalue of ours. */
static lua_CFunction original(lua_State *lua)
{
    return lua_tocfunction(lua, lua_upvalueindex(1));
}

/* For functions whose work is as large as their arguments. */
static int timed(lua_State *lua)
{
    uint64_t began = clock_cycles();
    int results = original(lua)(lua);
    script_look(lua, began);
    return results;
}

/* ---- around metatables ---- */

/* For functions that write into their first argument. (table.sort and table.remove find a proxy
 * empty, and write nothing.) */
static int guarded_write(lua_State *lua)
{
    if (sandbox_is_protected(lua, 1)) {
        lua_pushliteral(lua, SANDBOX_READONLY);
        return lua_error(lua);
    }
    return original(lua)(lua);
}

/* For functions that read their first argument past its metatable. */
static int guarded_read(lua_State *lua)
{
    if (sandbox_is_protected(lua, 1)) {
        sandbox_push_target(lua, 1);
        lua_replace(lua, 1);
    }
    return original(lua)(lua);
}

/* pairs(t): next, t, nil. A proxy is walked by our next(), so that its table stays hidden. */
static int guarded_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushvalue(lua, lua_upvalueindex(sandbox_is_protected(lua, 1) ? 1 : 2));
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

/* ---- what would outlast a script ---- */

/* collectgarbage(): the collector's settings are not the script's. */
static int limited_collect(lua_State *lua)
{
    static const char *const names[] = {"collect", "count",    "step",       "stop",
                                        "restart", "setpause", "setstepmul", NULL};
    switch (luaL_checkoption(lua, 1, "collect", names)) {
    case 0:
        lua_gc(lua, LUA_GCCOLLECT, 0);
        lua_pushinteger(lua, 0);
        break;
    case 1:
        lua_pushnumber(lua, lua_gc(lua, LUA_GCCOUNT, 0) +
                                (lua_Number)lua_gc(lua, LUA_GCCOUNTB, 0) / 1024);
        break;
    case 2:
        lua_pushboolean(lua, lua_gc(lua, LUA_GCSTEP, 0));
        break;
    default:
        lua_pushinteger(lua, 0);
    }
    return 1;
}

/* setfenv(0, t) would change the globals of the state, which outlive the script. */
static int limited_setfenv(lua_State *lua)
{
    if (lua_isnumber(lua, 1) && lua_tonumber(lua, 1) < 1)
        return luaL_error(lua, "'setfenv' cannot change environment of given object");
    return original(lua)(lua);
}

/* pcall(f, …), with the errors of commands as texts: scripts from before Redis 7 expect no table.
 */
static int text_pcall(lua_State *lua)
{
    luaL_checkany(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    if (status != 0 && lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        lua_remove(lua, lua_isnil(lua, -1) ? -1 : -2);
    }
    lua_pushboolean(lua, status == 0);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* The script's handler, unless the script is being ended: that error comes out of the hook, where
 * Lua calls no hook, and nothing could end the handler. */
static int handle_error(lua_State *lua)
{
    lua_settop(lua, 1);
    if (interpreter_of(lua)->ended)
        return 1;
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, 1, 1);
    return 1;
}

static int guarded_xpcall(lua_State *lua)
{
    luaL_checkany(lua, 2);
    lua_settop(lua, 2);
    lua_pushcclosure(lua, handle_error, 1);
    lua_insert(lua, 1);
    int status = lua_pcall(lua, 0, LUA_MULTRET, 1);
    lua_pushboolean(lua, status == 0);
    lua_replace(lua, 1);
    return lua_gettop(lua);
}

/* ---- compiling ---- */

static int compile_string(lua_State *lua)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 1, &len);
    const char *name = luaL_optstring(lua, 2, text);
    if (interpreter_compile(lua, slice_make(text, len), name))
        return 1;
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

/* load(f): the pieces are put together first, and are then a text like any other. */
static int compile_pieces(lua_State *lua)
{
    luaL_Buffer text;
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    const char *name = luaL_optstring(lua, 2, "=(load)");
    lua_settop(lua, 2);
    luaL_buffinit(lua, &text);
    for (;;) {
        lua_pushvalue(lua, 1);
        lua_call(lua, 0, 1);
        if (lua_isnil(lua, -1) || (lua_isstring(lua, -1) && lua_objlen(lua, -1) == 0))
            break;
        if (!lua_isstring(lua, -1))
            return luaL_error(lua, "reader function must return a string");
        luaL_addvalue(&text);
    }
    lua_pop(lua, 1);
    luaL_pushresult(&text);
    lua_replace(lua, 1);
    lua_settop(lua, 1);
    lua_pushstring(lua, name);
    return compile_string(lua);
}

/* ---- chance ---- */

/* The 48-bit congruential generator of drand48(3), as in Redis, where a seed gives the same
 * numbers. */
static uint32_t next_random(struct interpreter *in)
{
    in->random = (in->random * 0x5deece66d + 0xb) & (((uint64_t)1 << 48) - 1);
    return (uint32_t)(in->random >> 17);
}

static int math_randomseed(lua_State *lua)
{
    uint32_t seed = (uint32_t)luaL_checkint(lua, 1);
    interpreter_of(lua)->random = ((uint64_t)seed << 16) + 0x330e;
    return 0;
}

static int math_random(lua_State *lua)
{
    lua_Number r = (lua_Number)(next_random(interpreter_of(lua)) % INT32_MAX) / INT32_MAX;
    int low = 1, high, args = lua_gettop(lua);
    if (args == 0) {
        lua_pushnumber(lua, r);
        return 1;
    }
    if (args > 2)
        return luaL_error(lua, "wrong number of arguments");
    if (args == 2)
        low = luaL_checkint(lua, 1);
    high = luaL_checkint(lua, args);
    luaL_argcheck(lua, low <= high, args, "interval is empty");
    lua_pushnumber(lua, floor(r * ((lua_Number)high - low + 1)) + low);
    return 1;
}

/* ---- hostile arguments ---- */

/* table.insert(t, -2^31, v) would move two thousand million nils. */
static int bounded_insert(lua_State *lua)
{
    if (lua_gettop(lua) == 3 && luaL_checkint(lua, 2) < -INSERT_BELOW_MAX)
        return luaL_argerror(lua, 2, "position out of bounds");
    if (sandbox_is_protected(lua, 1))
        return guarded_write(lua);
    return timed(lua);
}

static int os_clock(lua_State *lua)
{
    lua_pushnumber(lua, (lua_Number)clock() / CLOCKS_PER_SEC);
    return 1;
}

/* ---- registration ---- */

struct guard {
    const char *library; /* "": a global */
    const char *name;
    lua_CFunction function;
};

static const struct guard guards[] = {
    {"", "rawset", guarded_write},
    {"", "setmetatable", guarded_write},
    {"table", "insert", bounded_insert},
    {"", "rawget", guarded_read},
    {"", "pcall", text_pcall},
    {"", "xpcall", guarded_xpcall},
    {"", "next", guarded_read},
    {"", "setfenv", limited_setfenv},
    {"", "loadstring", compile_string},
    {"", "load", compile_pieces},
    {"", "collectgarbage", limited_collect},
    {"math", "random", math_random},
    {"math", "randomseed", math_randomseed},
    {"string", "find", lib_pattern_find},
    {"string", "match", lib_pattern_match},
    {"string", "gmatch", lib_pattern_gmatch},
    {"string", "gfind", lib_pattern_gmatch},
    {"string", "gsub", lib_pattern_gsub},
    {"string", "rep", lib_rep},
    {"string", "lower", timed},
    {"string", "upper", timed},
    {"string", "reverse", timed},
    {"string", "format", timed},
    {"table", "concat", timed},
    {"table", "remove", timed},
    {"table", "sort", lib_sort},
    {"table", "maxn", timed},
    {"table", "foreach", guarded_read},
    {"table", "foreachi", guarded_read},
};

/* Pushes the function with the stock one as its upvalue, and puts it in the stock one's place. */
static void install(lua_State *lua, const struct guard *g)
{
    if (*g->library)
        lua_getfield(lua, LUA_GLOBALSINDEX, g->library);
    else
        lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_getfield(lua, -1, g->name);
    lua_pushcclosure(lua, g->function, 1);
    if (*g->library) {
        lua_setfield(lua, -2, g->name);
        lua_pop(lua, 1);
    } else {
        lua_remove(lua, -2);
        sandbox_set_global(lua, g->name);
    }
}

static void install_pairs(lua_State *lua)
{
    lua_getfield(lua, LUA_GLOBALSINDEX, "next");
    lua_pushcclosure(lua, guarded_read, 1);
    lua_getfield(lua, LUA_GLOBALSINDEX, "next");
    lua_pushcclosure(lua, guarded_pairs, 2);
    sandbox_set_global(lua, "pairs");
}

void sandbox_lua_open(lua_State *lua)
{
    for (unsigned i = 0; i < ARRAY_LEN(guards); i++)
        install(lua, &guards[i]);
    install_pairs(lua);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, os_clock);
    lua_setfield(lua, -2, "clock");
    sandbox_set_global(lua, "os");
}
