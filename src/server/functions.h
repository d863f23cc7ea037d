/* functions.h: what the server does with function libraries (script/library.h) besides running
 * them: from and to files, and what follows a change. */
#pragma once

#include "script/library.h"

struct interpreter;
struct server;
struct server_thread;
struct txn;

/* Builds libraries from the items of an RDB file or a dump: runs their texts in this interpreter,
 * each for `limit_ms` at most (0: no limit). `out` was initialised. False: `error` says why,
 * without a code, and `out` may hold some. */
bool functions_build(struct interpreter *in, struct slice items, int64_t limit_ms,
                     struct libraries *out, char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* For a load: the same in an interpreter of its own. Any thread. */
bool functions_build_alone(struct slice items, struct libraries *out,
                           char error[LIBRARY_ERROR_BYTES]) MUST_USE;

/* What the next save writes of the libraries is what there is now. Exclusive mode. */
void functions_publish(struct server *s);
/* After a command has changed them: it is logged, and the next save has the change. */
void functions_changed(struct server *s, struct txn *t);
/* Drops all libraries and the interpreters that ran them. Exclusive mode. */
void functions_clear(struct server *s);
/* The thread's interpreter of functions, if it has one. The thread, or exclusive mode. */
void functions_drop_interpreter(struct server_thread *t);
/* Bytes of all interpreters of functions. */
size_t functions_memory(const struct server *s);
