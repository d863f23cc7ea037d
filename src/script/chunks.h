/* chunks.h: scripts of the shared cache, compiled in one interpreter. */
#pragma once

#include "script/cache.h"
#include "script/interpreter.h"

/* Whether a text compiles; if not, `error` gets why, cut to its size. */
bool chunk_compiles(struct interpreter *in, struct slice body, char *error,
                    size_t error_size) MUST_USE;
/* The registry reference of a script's function, compiled when this interpreter has not run it yet.
 * LUA_NOREF: there is no memory for it, as `error` says. */
int chunk_of(struct interpreter *in, const struct script *s, char *error,
             size_t error_size) MUST_USE;
