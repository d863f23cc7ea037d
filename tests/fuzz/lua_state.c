#include "lua_state.h"

#include <stdlib.h>

enum {
    MEMORY_MAX = 16 << 20
};

static void *allocate(void *arg, void *old, size_t old_size, size_t size)
{
    size_t *used = arg;
    if (!size) {
        *used -= old ? old_size : 0;
        free(old);
        return NULL;
    }
    size_t had = old ? old_size : 0;
    if (size > had && *used - had + size > MEMORY_MAX)
        return NULL;
    void *p = realloc(old, size);
    *used = p ? *used - had + size : *used;
    return p;
}

lua_State *lua_state(void)
{
    static lua_State *lua;
    static size_t used;
    if (lua)
        return lua;
    lua = lua_newstate(allocate, &used);
    luaL_openlibs(lua);
    lib_struct_open(lua);
    lua_setglobal(lua, "struct");
    lib_msgpack_open(lua);
    lua_setglobal(lua, "cmsgpack");
    lib_bit_open(lua);
    lua_setglobal(lua, "bit");
    return lua;
}

int lua_state_call(const char *library, const char *function, int count)
{
    lua_State *lua = lua_state();
    int base = lua_gettop(lua) - count;
    lua_getglobal(lua, library);
    lua_getfield(lua, -1, function);
    lua_remove(lua, -2);
    lua_insert(lua, base + 1);
    if (!lua_pcall(lua, count, LUA_MULTRET, 0))
        return lua_gettop(lua) - base;
    lua_settop(lua, base);
    return -1;
}
