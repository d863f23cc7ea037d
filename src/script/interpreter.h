/* interpreter.h: a Lua 5.1 state that runs scripts and functions, closed against them.
 *
 * One per reactor, made when it first runs a script; only that thread touches it. Everything that
 * may raise a Lua error (an allocation over the limit is one) happens inside a protected call: see
 * run.h. The sandbox (sandbox.h) keeps scripts from changing what other scripts see, so one state
 * serves all of them.
 *
 * Memory: an allocator of its own that charges MEM_OTHER and refuses what would pass
 * script_settings.memory_limit; the script then ends with "not enough memory". */
#pragma once

#include "base/rand.h"
#include "base/slice.h"
#include "proto/reply.h"
#include "script/blocks.h"

#include <lua5.1/lauxlib.h>
#include <lua5.1/lua.h>

struct script_run;
struct library_run;
struct library_code;

/* A compiled chunk of the shared cache: slot and serial number as cache.h gives them. */
struct compiled {
    uint64_t serial; /* 0: none */
    int ref;         /* in the registry */
};

struct interpreter {
    lua_State *lua;
    struct blocks blocks;      /* that Lua has freed and will want again */
    size_t bytes;              /* allocated now */
    size_t limit;              /* in force; 0: none */
    struct script_run *run;    /* NULL: no script runs */
    int globals, environment;  /* registry references: the real table of globals, its proxy */
    int error_handler, runner; /* the same of run.c's functions; 0: not yet made */
    struct compiled *compiled; /* [compiled_cap] by slot */
    uint32_t compiled_cap;
    struct output out;    /* the reply of the command that a script has just called */
    uint64_t random;      /* state of math.random */
    bool ended;           /* by the tick: a handler of errors must not go on */
    uint64_t looked;      /* clock_cycles() when somebody asked whether the script may go on */
    const char *end_text; /* an allocation was refused for that; NULL: no */
    bool json_configured; /* a script has called one of cjson's setters */
    struct library_run *loading; /* a library's text runs: library_load.h */
    struct library_code **codes; /* by serial number: what it has of libraries */
    uint32_t code_count, code_cap;
    uint64_t libraries_version; /* when those that are gone were dropped last */
};

/* NULL: no memory for it. */
struct interpreter *interpreter_create(struct rng *seeds) MUST_USE;
void interpreter_destroy(struct interpreter *in); /* may be NULL */

/* Whether the limit of memory holds: while a script or its text is worked on, in a protected call.
 */
void interpreter_limit(struct interpreter *in, bool on);

/* The interpreter that a state belongs to. */
struct interpreter *interpreter_of(lua_State *lua);

/* Compiles a text and pushes the function, whose environment is the scripts' one; or pushes the
 * error's text and returns false. `name` as Lua has it ("@user_script"). Bytecode is refused. */
bool interpreter_compile(lua_State *lua, struct slice text, const char *name) MUST_USE;

/* libs.c: opens the libraries that scripts have beside Lua's own and registers each with
 * sandbox_register_library(). Called in a protected call while the interpreter is made. */
void script_open_libs(lua_State *lua);
