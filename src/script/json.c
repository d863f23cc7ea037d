#include "script/json.h"

#include "script/sandbox.h"

#include <lua5.1/lua-cjson.h>

enum {
    JSON_BYTES_MAX = 512 << 20,
    BYTES_PER_CHAR = 6, /* "\u0000" */
    BYTES_PER_VALUE = 40,
    DEPTH_MAX = 1000, /* the library's own limit on it stays below */
    KEEP_BYTES = 1 << 20 /* the encoder's buffer, which the allocator of the state does not see */
};

/* ---- what a text would take, at most ---- */

static void spend(lua_State *lua, uint64_t *left, uint64_t bytes)
{
    if (bytes > *left)
        luaL_error(lua, "Cannot serialise: the text would be too long");
    *left -= bytes;
}

static void measure(lua_State *lua, int depth, uint64_t *left);

/* An index counts as so many elements: a sparse array is written with its gaps. */
static void measure_table(lua_State *lua, int depth, uint64_t *left)
{
    double last = 0;
    if (depth > DEPTH_MAX)
        luaL_error(lua, "Cannot serialise, excessive nesting (%d)", depth);
    luaL_checkstack(lua, 3, "table is too deep");
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        if (lua_type(lua, -2) == LUA_TNUMBER)
            last = MAX(last, lua_tonumber(lua, -2));
        else if (lua_type(lua, -2) == LUA_TSTRING)
            spend(lua, left, BYTES_PER_CHAR * (uint64_t)lua_objlen(lua, -2) + 4);
        measure(lua, depth + 1, left);
        lua_pop(lua, 1);
    }
    spend(lua, left, last < JSON_BYTES_MAX ? 5 * (uint64_t)last : JSON_BYTES_MAX);
}

static void measure(lua_State *lua, int depth, uint64_t *left)
{
    spend(lua, left, BYTES_PER_VALUE);
    if (lua_type(lua, -1) == LUA_TSTRING)
        spend(lua, left, BYTES_PER_CHAR * (uint64_t)lua_objlen(lua, -1));
    else if (lua_istable(lua, -1))
        measure_table(lua, depth, left);
}

/* Our functions have the library's settings for their first upvalue, as its own have, and call
 * those directly: so an error says where the script is. */
static lua_CFunction original(lua_State *lua)
{
    return lua_tocfunction(lua, lua_upvalueindex(2));
}

static int bounded_encode(lua_State *lua)
{
    uint64_t left = JSON_BYTES_MAX;
    luaL_argcheck(lua, lua_gettop(lua) == 1, 1, "expected 1 argument");
    measure(lua, 1, &left);
    if (JSON_BYTES_MAX - left > KEEP_BYTES)
        interpreter_of(lua)->json_configured = true;
    return original(lua)(lua);
}

/* ---- settings ---- */

static const struct {
    const char *name;
    double defaults[3];
    int count;
} setters[] = {
    {"encode_sparse_array", {0, 2, 10}, 3}, {"encode_max_depth", {DEPTH_MAX}, 1},
    {"decode_max_depth", {DEPTH_MAX}, 1},   {"encode_number_precision", {14}, 1},
    {"encode_keep_buffer", {1}, 1},         {"encode_invalid_numbers", {0}, 1},
    {"decode_invalid_numbers", {1}, 1},
};

/* Recursion in the library is bounded by these depths and the C stack. */
static int bounded_setter(lua_State *lua)
{
    int which = (int)lua_tointeger(lua, lua_upvalueindex(3));
    if (strstr(setters[which].name, "max_depth") && lua_gettop(lua) >= 1)
        luaL_argcheck(lua, luaL_checknumber(lua, 1) <= DEPTH_MAX, 1, "expected integer up to 1000");
    if (strcmp(setters[which].name, "encode_keep_buffer") == 0)
        return lua_gettop(lua); /* without a kept buffer an error in encode() loses its memory */
    interpreter_of(lua)->json_configured = true;
    return original(lua)(lua);
}

static int reset(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, "json");
    lua_getfield(lua, -1, "encode_keep_buffer"); /* frees it */
    lua_pushboolean(lua, 0);
    lua_call(lua, 1, 0);
    for (unsigned i = 0; i < ARRAY_LEN(setters); i++) {
        lua_getfield(lua, -1, setters[i].name);
        for (int n = 0; n < setters[i].count; n++)
            if (n == 0 && setters[i].defaults[0] < 2 && strcmp(setters[i].name, "encode_max_depth"))
                lua_pushboolean(lua, setters[i].defaults[0] != 0);
            else
                lua_pushnumber(lua, setters[i].defaults[n]);
        lua_call(lua, setters[i].count, 0);
    }
    return 0;
}

void json_reset(struct interpreter *in)
{
    in->json_configured = lua_cpcall(in->lua, reset, NULL) != 0;
    lua_settop(in->lua, 0);
}

/* ---- opening ---- */

/* Puts ours in the place of the library's function `name`; the library is at the index. */
static void replace(lua_State *lua, int library, const char *name, lua_CFunction function, int which)
{
    lua_getfield(lua, library, name);
    (void)lua_getupvalue(lua, -1, 1);
    lua_insert(lua, -2);
    lua_pushinteger(lua, which);
    lua_pushcclosure(lua, function, 3);
    lua_setfield(lua, library, name);
}

void json_open(lua_State *lua)
{
    lua_pushcfunction(lua, luaopen_cjson);
    lua_call(lua, 0, 1);
    int library = lua_gettop(lua);
    lua_newtable(lua); /* the stock setters, for reset() */
    for (unsigned i = 0; i < ARRAY_LEN(setters); i++) {
        lua_getfield(lua, library, setters[i].name);
        lua_setfield(lua, -2, setters[i].name);
        replace(lua, library, setters[i].name, bounded_setter, (int)i);
    }
    lua_setfield(lua, LUA_REGISTRYINDEX, "json");
    replace(lua, library, "encode", bounded_encode, 0);
    lua_pushnil(lua); /* another instance would have neither bounds nor a reset */
    lua_setfield(lua, library, "new");
    sandbox_register_library(lua, "cjson");
}
