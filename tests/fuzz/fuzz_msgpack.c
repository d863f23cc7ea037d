/* cmsgpack.unpack, unpack_one and unpack_limit of any bytes. What was unpacked can be packed, and
 * that unpacks again, unless keys of maps were nested too deep. */
#include <stdlib.h>

#include "fuzz_target.h"
#include "lua_state.h"

static void pack_again(lua_State *lua, int results)
{
    if (results < 1 || results > 100 || lua_state_call("cmsgpack", "pack", results) != 1)
        return;
    int again = lua_state_call("cmsgpack", "unpack", 1);
    if (again != results && again != -1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *lua = lua_state();
    lua_pushlstring(lua, (const char *)data, size);
    pack_again(lua, lua_state_call("cmsgpack", "unpack", 1));
    lua_settop(lua, 0);
    lua_pushlstring(lua, (const char *)data, size);
    lua_pushnumber(lua, size ? data[0] : 0);
    lua_state_call("cmsgpack", "unpack_one", 2);
    lua_settop(lua, 0);
    lua_pushlstring(lua, (const char *)data, size);
    lua_pushnumber(lua, size ? (int8_t)data[0] : 0);
    lua_pushnumber(lua, size > 1 ? (int8_t)data[1] : 0);
    lua_state_call("cmsgpack", "unpack_limit", 3);
    lua_settop(lua, 0);
    return 0;
}
