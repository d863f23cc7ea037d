#include "script/sandbox.h"

#include "base/assert.h"
#include "script/api.h"
#include "script/sandbox_lua.h"

#include <lua5.1/lualib.h>

/* ---- proxies ---- */

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua, SANDBOX_READONLY);
}

/* Scripts have no way to this function, so a metatable with it is ours. */
bool sandbox_is_protected(lua_State *lua, int index)
{
    if (!lua_getmetatable(lua, index))
        return false;
    lua_pushliteral(lua, "__newindex");
    lua_rawget(lua, -2);
    bool is_ours = lua_tocfunction(lua, -1) == refuse_write;
    lua_pop(lua, 2);
    return is_ours;
}

void sandbox_push_target(lua_State *lua, int index)
{
    if (sandbox_is_protected(lua, index)) {
        lua_getmetatable(lua, index);
        lua_pushliteral(lua, "__index");
        lua_rawget(lua, -2);
        lua_remove(lua, -2);
    } else {
        lua_pushvalue(lua, index);
    }
}

/* Gives the proxy at the top a metatable that reads from the value below it, which is taken out. */
static void make_proxy(lua_State *lua, bool shows_metatable)
{
    lua_createtable(lua, 0, 3);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_write);
    lua_setfield(lua, -2, "__newindex");
    if (shows_metatable)
        lua_getfield(lua, LUA_REGISTRYINDEX, "sandbox.metatable");
    else
        lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

void sandbox_protect(lua_State *lua)
{
    lua_newtable(lua);
    make_proxy(lua, true);
}

/* What getmetatable() shows of every proxy: an empty one. */
static void make_shown_metatable(lua_State *lua)
{
    lua_newtable(lua);
    lua_newtable(lua);
    make_proxy(lua, false);
    lua_setfield(lua, LUA_REGISTRYINDEX, "sandbox.metatable");
}

static void push_globals(lua_State *lua)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter_of(lua)->globals);
}

void sandbox_set_global(lua_State *lua, const char *name)
{
    push_globals(lua);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, name);
    lua_pop(lua, 1);
}

/* The tables inside a library (cjson.null is none) are protected as well. */
static void protect_fields(lua_State *lua)
{
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        if (!lua_istable(lua, -1) || sandbox_is_protected(lua, -1)) {
            lua_pop(lua, 1);
            continue;
        }
        sandbox_protect(lua);
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, -4); /* an existing field: the walk goes on */
    }
}

void sandbox_register_library(lua_State *lua, const char *name)
{
    protect_fields(lua);
    sandbox_protect(lua);
    sandbox_set_global(lua, name);
}

/* ---- globals ---- */

static int missing_global(lua_State *lua)
{
    const char *name = lua_tostring(lua, 2);
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                      name ? name : "(not a name)");
}

/* Reading a global that is not there is an error: a forgotten `local` would otherwise read nil. */
void sandbox_forbid_missing(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, missing_global);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

/* The environment stays the same table: functions keep it, only what it reads from changes. */
void sandbox_show_globals(lua_State *lua)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, interpreter_of(lua)->environment);
    ASSERT(lua_getmetatable(lua, -1));
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 3);
}

/* From here on every chunk and every coroutine has the proxy for its globals. */
static void make_environment(struct interpreter *in)
{
    lua_State *lua = in->lua;
    push_globals(lua);
    sandbox_protect(lua);
    lua_pushvalue(lua, -1);
    in->environment = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, -1);
    sandbox_set_global(lua, "_G");
    lua_replace(lua, LUA_GLOBALSINDEX);
}

static const char *const builtins[] = {"assert",       "coroutine", "error",    "gcinfo", "getfenv",
                                       "getmetatable", "ipairs",    "rawequal", "select", "string",
                                       "table",        "tonumber",  "tostring", "type",   "unpack",
                                       "xpcall",       "math",      "_VERSION"};

/* Lua's own libraries, as far as scripts have them. The others stay in the table that the state
 * began with, which nobody sees. */
static void open_builtins(lua_State *lua)
{
    static const lua_CFunction opens[] = {luaopen_base, luaopen_table, luaopen_string,
                                          luaopen_math};
    for (unsigned i = 0; i < ARRAY_LEN(opens); i++) {
        lua_pushcfunction(lua, opens[i]);
        lua_call(lua, 0, 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(builtins); i++) {
        lua_getfield(lua, LUA_GLOBALSINDEX, builtins[i]);
        sandbox_set_global(lua, builtins[i]);
    }
    sandbox_lua_open(lua);
}

static void protect_library(lua_State *lua, const char *name)
{
    push_globals(lua);
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
    sandbox_register_library(lua, name);
}

/* getmetatable("").__index = … must not reach the methods of all strings. */
static void protect_strings(lua_State *lua)
{
    lua_pushliteral(lua, "");
    ASSERT(lua_getmetatable(lua, -1));
    lua_createtable(lua, 0, 1);
    push_globals(lua);
    lua_getfield(lua, -1, "string");
    lua_setfield(lua, -3, "__index");
    lua_pop(lua, 1);
    sandbox_protect(lua);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 2);
}

void sandbox_open(struct interpreter *in)
{
    static const char *const libraries[] = {"string", "table", "math", "coroutine", "os"};
    lua_State *lua = in->lua;
    lua_newtable(lua);
    in->globals = luaL_ref(lua, LUA_REGISTRYINDEX);
    make_shown_metatable(lua);
    open_builtins(lua);
    for (unsigned i = 0; i < ARRAY_LEN(libraries); i++)
        protect_library(lua, libraries[i]);
    protect_strings(lua);
    script_open_libs(lua);
    api_open(lua);
    make_environment(in);
    push_globals(lua);
    sandbox_forbid_missing(lua);
    lua_settop(lua, 0);
}

void sandbox_settle(struct interpreter *in, int main_function)
{
    lua_State *lua = in->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, main_function);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, in->environment);
    lua_setfenv(lua, -2);
    lua_pop(lua, 1);
}
