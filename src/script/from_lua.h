/* from_lua.h: from the value that a script returns to the client's reply.
 *
 * string → string, number → integer (cut), false → nil (RESP3 scripts: a boolean), true → 1, nil →
 * nil; tables: {err=}, {ok=}, {double=}, {map=}, {set=}, {big_number=}, {verbatim_string=}, else
 * the array up to its first nil. Fields are read past metatables, so a conversion runs nothing of
 * the script. A reply is bounded in bytes and values: shared tables let a few lines ask for any
 * size. */
#pragma once

#include "script/run.h"

/* Writes the value at the top, which is popped, as run->reply. May raise a Lua error: the caller
 * takes back what was written. */
void from_lua_reply(lua_State *lua, struct script_run *run);
