/* lib_unpack.c: unpack(list [, first [, last]]), Lua 5.1's but for the arithmetic: the number of
 * results cannot overflow. */
#include "base/base.h"
#include "script/lib.h"

#include <lua5.1/lauxlib.h>

static int unpack(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int64_t first = luaL_optint(L, 2, 1);
    int64_t last = lua_isnoneornil(L, 3) ? (int)lua_objlen(L, 1) : luaL_checkint(L, 3);
    if (first > last)
        return 0;
    int64_t count = last - first + 1;
    if (count > INT_MAX || !lua_checkstack(L, (int)count))
        return luaL_error(L, "too many results to unpack");
    for (int64_t i = first; i <= last; i++)
        lua_rawgeti(L, 1, (int)i);
    return (int)count;
}

void lib_unpack_open(lua_State *L)
{
    lua_pushcfunction(L, unpack);
}
