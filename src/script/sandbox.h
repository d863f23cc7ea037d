/* sandbox.h: what scripts see of Lua, and that they cannot change it.
 *
 * A script's environment is an empty table, the proxy of the table of globals: reads go through its
 * metatable's __index to the real table, writes end in an error. The libraries' tables (redis,
 * string, math, table, cjson …) are proxies in the same way, and so is the metatable of strings.
 * The functions of Lua that go around metatables (rawset, rawget, next, pairs, table.insert,
 * table.remove, table.sort, setmetatable) know the proxies: they read through and do not write.
 * getmetatable() of a proxy gives another proxy. So all scripts share one interpreter and none
 * finds a place to leave anything for the next one.
 *
 * Stock Lua 5.1 has no read-only tables; this is what makes Debian's library do. */
#pragma once

#include "script/interpreter.h"

#define SANDBOX_READONLY "Attempt to modify a readonly table"

/* Makes the environment. Inside a protected call. */
void sandbox_open(struct interpreter *in);

/* For script_open_libs(): makes the table on the top of the stack, which is popped, the global
 * library `name`, out of scripts' reach. Tables in it become unchangeable too. */
void sandbox_register_library(lua_State *lua, const char *name);

/* Replaces the table on the top of the stack by a proxy that scripts can only read. */
void sandbox_protect(lua_State *lua);

/* Whether the value at the index (positive) is such a proxy. */
bool sandbox_is_protected(lua_State *lua, int index);
/* Pushes what the value at the index stands for: a proxy's table, which a script must never get, or
 * itself. */
void sandbox_push_target(lua_State *lua, int index);

/* Sets a global as scripts see it to the value on the top of the stack, which is popped. */
void sandbox_set_global(lua_State *lua, const char *name);

/* Makes reading a field that is not there an error, for the table on the top of the stack. */
void sandbox_forbid_missing(lua_State *lua);

/* Lets all functions see this table, on the top of the stack and popped, for their globals. */
void sandbox_show_globals(lua_State *lua);

/* Between two scripts: what one may have left behind is put right. */
void sandbox_settle(struct interpreter *in, int main_function);
