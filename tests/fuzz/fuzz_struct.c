/* struct.pack, unpack and size: a format up to a zero byte, then data. What was unpacked and packed
 * again unpacks to the same values. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_target.h"
#include "lua_state.h"

/* Packs `count` values on top with the format: the stack has the packed string afterwards, or
 * nothing. */
static bool pack(lua_State *lua, const char *format, int count)
{
    lua_pushstring(lua, format);
    lua_insert(lua, -1 - count);
    return lua_state_call("struct", "pack", count + 1) == 1;
}

static void unpack_twice(lua_State *lua, const char *format, const char *data, size_t len)
{
    lua_pushstring(lua, format);
    lua_pushlstring(lua, data, len);
    int results = lua_state_call("struct", "unpack", 2);
    if (results < 1)
        return;
    lua_pop(lua, 1); /* the place behind */
    if (results > 50 || strchr(format, 'c') || !pack(lua, format, results - 1))
        return;
    lua_pushstring(lua, format);
    lua_insert(lua, -2);
    if (lua_state_call("struct", "unpack", 2) != results)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lua_State *lua = lua_state();
    const uint8_t *end = memchr(data, 0, size);
    char format[256];
    if (!end || (size_t)(end - data) >= sizeof(format))
        return 0;
    memcpy(format, data, (size_t)(end - data) + 1);
    size_t left = size - (size_t)(end - data) - 1;
    lua_pushstring(lua, format);
    lua_state_call("struct", "size", 1);
    lua_settop(lua, 0);
    unpack_twice(lua, format, (const char *)end + 1, left);
    lua_settop(lua, 0);
    for (size_t i = 0; i < left && i < 50; i++)
        lua_pushnumber(lua, (double)((int8_t)end[1 + i]) * (i % 3 ? 1 : 1e18));
    pack(lua, format, (int)(left < 50 ? left : 50));
    lua_settop(lua, 0);
    return 0;
}
