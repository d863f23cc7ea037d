/* lib_rep.c: string.rep(s, n), Lua 5.1's, but for its time: the stock one appends n times, and
 * counts to n for an empty string. This one copies what it has so far. */
#include "base/clock.h"
#include "script/lib.h"
#include "script/run.h"

/* Doubles the first `have` bytes until there are `size`. */
static void fill(char *to, size_t have, size_t size)
{
    while (have < size) {
        size_t more = MIN(have, size - have);
        memcpy(to + have, to, more);
        have += more;
    }
}

int lib_rep(lua_State *lua)
{
    uint64_t began = clock_cycles();
    size_t len, size;
    const char *s = luaL_checklstring(lua, 1, &len);
    int times = luaL_checkint(lua, 2);
    if (times <= 0 || len == 0) {
        lua_pushliteral(lua, "");
        return 1;
    }
    if (__builtin_mul_overflow(len, (size_t)times, &size))
        size = SIZE_MAX;                     /* Lua says that this is too large */
    char *copy = lua_newuserdata(lua, size); /* the interpreter's memory, within its limit */
    memcpy(copy, s, len);
    fill(copy, len, size);
    lua_pushlstring(lua, copy, size);
    script_look(lua, began);
    return 1;
}
