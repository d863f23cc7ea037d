/* to_lua.h: from a command's reply to a Lua value.
 *
 * RESP2: integer → number, string → string, nil → false, status → {ok=}, error → {err=}, array →
 * table. RESP3 besides: map → {map={}}, set → {set={x=true}}, null → nil, boolean → boolean, double
 * → {double=}, big number → {big_number=}, verbatim string → {verbatim_string={string=, format=}}.
 * The reply is our own, so it is well formed; its depth is bounded by Lua's stack. */
#pragma once

#include "proto/reply.h"
#include "script/interpreter.h"

/* Pushes the reply in `out`; true: it is an error. May raise a Lua error (memory). */
bool to_lua(lua_State *lua, const struct output *out);
