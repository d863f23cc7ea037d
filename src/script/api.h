/* api.h: the table `redis` (and `server`, its other name) of scripts, and errors as it has them.
 *
 * An error is a table: err = "CODE text" and, once raised, source and line of the script. One that
 * a command has answered carries ignore_error_stats_update: it is counted already. */
#pragma once

#include "script/run.h"

/* Makes the table, protected, and the globals for it. In a protected call. */
void api_open(lua_State *lua);

/* Pushes what a library's text sees of it, a table to be added to: redis.log() and constants. */
void api_push_loading(lua_State *lua);

/* Pushes an error table for a text as an error reply has it after '-'; `counted`: a command has
 * counted it. */
void api_push_error(lua_State *lua, struct slice text, bool counted);

struct api_error {
    const char *text; /* lives as long as the table */
    bool counted;
};

/* The error in the table at the top, which stays there. */
struct api_error api_read_error(lua_State *lua);
