/* library_load.h: what an interpreter makes of function libraries.
 *
 * An interpreter for functions runs a library's text when it first needs one of its functions, and
 * keeps what redis.register_function() gave it; library.h says which libraries there are. While the
 * text runs it sees of the server only redis.register_function(), redis.log() and constants, and
 * none of Lua's libraries, as in Redis. So it does the same in every interpreter. What its
 * functions keep in variables outside of themselves is each interpreter's own.
 *
 * Owner: the interpreter's thread. No Lua error gets out of here. */
#pragma once

#include "script/interpreter.h"
#include "script/library.h"

enum {
    LIBRARY_LOAD_MS = 500 /* a text that runs longer is refused when a client sends it */
};

/* Runs the text of a library that has no functions yet, and adds those that it registers.
 * `limit_ms`: 0 for none. False: `error` says why not, without a code, and the library is to be
 * destroyed. The interpreter remembers its functions in either case. */
bool library_load(struct interpreter *in, struct library *lib, int64_t limit_ms,
                  char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* The registry reference of a function; runs its library's text if this interpreter has not yet,
 * and drops what it has of libraries that are gone. False: `error` says why not. */
bool library_find_code(struct interpreter *in, const struct libraries *all,
                       const struct function_place *place, int *ref,
                       char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* Drops what the interpreter has of a library that will not be used. */
void library_forget(struct interpreter *in, const struct library *lib);
/* When the interpreter ends: frees what is kept outside of Lua. */
void library_forget_all(struct interpreter *in);
