/* lua_state.h: an interpreter for targets that fuzz the libraries of scripts. */
#pragma once

#include "script/lib.h"

#include <lua5.1/lauxlib.h>
#include <lua5.1/lualib.h>

/* One for the whole run, with string, table and the libraries, and 16 MB of memory at most. */
lua_State *lua_state(void);
/* Calls <library>.<function> with the `count` values on top, which go; its results stay. Returns
 * their number, -1 for an error. */
int lua_state_call(const char *library, const char *function, int count);
