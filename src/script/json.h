/* json.h: Debian's lua-cjson, made safe for scripts that mean harm.
 *
 * Its encoder counts the bytes of its text in an int, and a small table can stand for more than
 * that (the heap overflow of CVE-2022-24834): encode() measures what it is given first. Its setters
 * change the library for the whole interpreter: json_reset() undoes that after the script. */
#pragma once

#include "script/interpreter.h"

/* Opens the library and registers it. In a protected call. */
void json_open(lua_State *lua);
/* Its settings are what they were at the start. No script runs. */
void json_reset(struct interpreter *in);
