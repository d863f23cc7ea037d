/* nested_call.h: commands that run inside a command: those of a script or a function.
 *
 * nested_open() in the handler of the outer command, nested_call() for each command, nested_close()
 * at its end. The commands run in the outer command's txn, under its locks or alone, at its time,
 * and are one record in the log. They pass the checks that a client's command passes, with the
 * texts that Redis has for scripts, are counted like them, and never wait. The session is a copy:
 * SELECT changes the database for the commands that follow, not for the client.
 *
 * Owner: the reactor of the outer command. At most one is open per thread. */
#pragma once

#include "cmd/exec.h"
#include "script/header.h"
#include "script/run.h"

struct server_thread;

struct nested {
    struct server_thread *thread;
    struct exec outer; /* of the outer command */
    struct reply outer_reply;
    struct session session;
    uint32_t flags; /* enum script_flag */
    bool read_only;
    bool wrote; /* a command that writes has been let through */
    const char *name;
    bool is_function; /* for SCRIPT KILL and FUNCTION KILL, which tell them apart; set by the
                         caller after nested_open() */
    int64_t now_us;   /* what TIME says */
    int64_t started_ms, next_turn_ms; /* monotonic: busy.h */
    bool is_published;                /* as running too long */
    bool stopped;                     /* it is being ended, because the server stops */
    uint32_t key_count;               /* of the command that runs */
};

/* False: answered; the script may not start with these flags now (OOM, MISCONF, a writing script
 * where only reads may be). */
bool nested_admits(struct exec *ex, uint32_t flags, bool read_only) MUST_USE;

/* `flags`: enum script_flag. `name`: of the script, for the log; lives until nested_close(). */
void nested_open(struct nested *n, struct exec *ex, const char *name, uint32_t flags,
                 bool read_only);
void nested_close(struct nested *n);
/* The outer command is broken off and will be planned again: a jump has left its handler, and its
 * interpreter, which is thrown away. */
void nested_abandon(struct server_thread *t);

/* Runs one command; one reply, maybe an error, goes to `out` in this protocol (RESP2 or 3). */
void nested_call(struct nested *n, const struct slice *argv, uint32_t argc, struct output *out,
                 enum reply_proto proto);

/* For struct script_run: `host` is the struct nested. */
extern const struct script_ops nested_ops;

/* The interpreter of the thread, made at its first use; NULL: answered, there is no memory. */
struct interpreter *nested_interpreter(struct exec *ex);
/* It is made anew when it is next needed. Its own thread, or alone. */
void nested_drop_interpreter(struct server_thread *t);
