/* run.h: one run of a script or a function: from its keys and arguments to its reply.
 *
 * What a script wants of the server goes up through struct script_ops: commands, the clock of its
 * deadline, permissions. script_run_start() never raises a Lua error: all of them end as an error
 * reply, and so do a full memory and a stack that is too deep. Owner: the interpreter's thread. */
#pragma once

#include "proto/reply.h"
#include "script/interpreter.h"

/* What redis.REDIS_VERSION says. */
#define SCRIPT_REDIS_VERSION "7.2.4"

enum script_verdict {
    SCRIPT_GO_ON,
    SCRIPT_KILLED,  /* SCRIPT KILL, FUNCTION KILL */
    SCRIPT_TOO_LONG /* it holds others up and cannot be let go on */
};

enum script_permission {
    SCRIPT_ALLOWED,
    SCRIPT_DENIED,
    SCRIPT_NO_COMMAND /* there is no such command, or its arguments do not fit */
};

struct script_ops {
    /* Runs a command; writes exactly one reply to `out`, in run->resp. The arguments live until it
     * returns. It never raises a Lua error. */
    void (*call)(struct script_run *run, const struct slice *argv, uint32_t argc,
                 struct output *out);
    /* Every 5,000 instructions. */
    enum script_verdict (*tick)(struct script_run *run);
    /* The same from the middle of an allocation: must come back. */
    enum script_verdict (*tick_inside)(struct script_run *run);
    /* redis.acl_check_cmd(). */
    enum script_permission (*permits)(struct script_run *run, const struct slice *argv,
                                      uint32_t argc);
};

struct script_run {
    struct interpreter *in;
    const struct script_ops *ops;
    void *host;       /* of whoever plugged the ops in */
    const char *name; /* as errors show it: the sha, or a function's name */
    int function;     /* registry reference */
    bool is_function; /* keys and arguments are its parameters, not globals */
    const struct slice *keys, *args;
    uint32_t key_count, arg_count;
    struct reply *reply;   /* where the result goes */
    enum reply_proto resp; /* RESP2 or 3: what its calls answer in: redis.setresp() */
    uint32_t reply_values; /* written so far */
    bool inside_call;      /* a command runs: it must not call back */
};

/* For functions of C that may take long, between whose calls Lua counts few instructions: asks the
 * tick if this one has, since clock_cycles() was `began`. May raise the error that ends the script.
 */
void script_look(lua_State *lua, uint64_t began);

/* For functions of C whose time no size bounds: counts the steps of one call, some nanoseconds
 * each, and looks like script_look() at every few thousandth. */
struct script_steps {
    uint64_t began; /* clock_cycles() of the last tick */
    int64_t left;   /* until the next look */
};

void script_steps_begin(struct script_steps *s);
void script_steps_look(lua_State *lua, struct script_steps *s);

/* May raise the error that ends the script. */
INLINE void script_step(lua_State *lua, struct script_steps *s, size_t steps)
{
    s->left -= (int64_t)steps;
    if (unlikely(s->left < 0))
        script_steps_look(lua, s);
}

/* For the allocator, about a large block: each costs time, and thousands fit between two ticks
 * ("s = s .. s"). False: the script is to end, here for want of memory. */
bool script_may_grow(struct interpreter *in) MUST_USE;

/* Runs it and writes one reply. Sets reply->error_counted when that is an error which a command has
 * counted. */
void script_run_start(struct script_run *run);
