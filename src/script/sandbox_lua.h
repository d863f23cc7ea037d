/* sandbox_lua.h: the functions of Lua's libraries that the sandbox has its own form of: those that
 * go around metatables, those that would keep something beyond a script's end, and those that a
 * hostile argument could crash. */
#pragma once

#include "script/interpreter.h"

/* Replaces them in the table of globals and its libraries. In a protected call. */
void sandbox_lua_open(lua_State *lua);
