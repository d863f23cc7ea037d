/* lib.h: the libraries that scripts have beyond Lua's own: bit, struct and cmsgpack, and
 * unpack() with bounds; and those of Lua's own functions that would run for ever inside one call,
 * where no deadline reaches them.
 *
 * bit, struct and cmsgpack behave as LuaBitOp 1.0.2, Roberto Ierusalimschy's struct 0.2 and
 * lua-cmsgpack 0.4.0 do in Redis 7, texts of errors included, and are written anew: arguments are
 * checked before they are used in arithmetic, and what is allocated is the interpreter's, so that
 * its memory limit holds and an error leaks nothing. cjson is Debian's (json.h).
 *
 * A script cannot do harm with any argument: it gets a Lua error. Threading: the thread that owns
 * the interpreter. Inside a protected call. */
#pragma once

#include <lua5.1/lua.h>

/* Push the library's table. */
void lib_bit_open(lua_State *L);
void lib_struct_open(lua_State *L);
void lib_msgpack_open(lua_State *L); /* "cmsgpack" */
/* Pushes the function that takes the place of unpack(). */
void lib_unpack_open(lua_State *L);

/* string.find, match, gmatch and gsub, table.sort, string.rep: Lua 5.1.5's results and errors. The
 * script's deadline holds inside of them: script_step(). */
int lib_pattern_find(lua_State *lua);
int lib_pattern_match(lua_State *lua);
int lib_pattern_gmatch(lua_State *lua);
int lib_pattern_gsub(lua_State *lua);
int lib_sort(lua_State *lua);
int lib_rep(lua_State *lua);
