/* transaction.h: what a session has queued since MULTI, and the keys it watches.
 *
 * A queued command owns copies of its arguments, with its keys found and hashed, in one allocation
 * (MEM_CLIENT). Made when a session first needs it, freed with the session. Owner: the session's
 * reactor; only the watcher's flag is touched by others. EXEC itself is the server's part, for it
 * locks and counts. */
#pragma once

#include "cmd/command.h"
#include "cmd/session.h"
#include "store/watch.h"

struct queued_command {
    struct queued_command *next;
    const struct command *cmd;
    struct slice *argv;
    struct key *keys; /* as struct exec has them */
    uint32_t argc, key_count;
    size_t bytes; /* of this allocation */
};

/* A copy of a command with its keys found and hashed; NULL: no memory. */
struct queued_command *queued_command_create(const struct command *cmd, const struct slice *argv,
                                             uint32_t argc);
void queued_command_destroy(struct queued_command *q); /* may be NULL */

struct transaction {
    struct queued_command *first, **tail;
    uint32_t count, key_count; /* key_count: of all commands */
    uint32_t flags;            /* CMD_…, of all commands or-ed */
    bool alone;                /* one of them cannot run under the locks of the keys */
    bool aborted;              /* a command was refused: EXEC will be */
    int db;                    /* at MULTI */
    size_t bytes;              /* of the queue */
    size_t argument_bytes;     /* what clients sent: counts as unread input */
    struct watcher watcher;    /* the last field: what stands before it goes with the queue */
};

/* A copy of a command with its keys, which outlives the receive buffer. NULL: no memory. */
struct queued_command *queued_command_create(const struct command *cmd, const struct slice *argv,
                                             uint32_t argc) MUST_USE;
void queued_command_destroy(struct queued_command *q);

/* The session's transaction, made at first use. */
struct transaction *transaction_open(struct session *session);
/* MULTI. */
void transaction_begin(struct session *session);
/* False for the few commands that run between MULTI and EXEC. */
bool transaction_queues(const struct command *cmd);
/* Copies a command that passed all checks. Not if EXEC will fail anyway. False: no memory. */
bool transaction_add(struct session *session, const struct command *cmd, const struct slice *argv,
                     uint32_t argc) MUST_USE;
/* A command was refused before it ran or was queued: EXEC will answer EXECABORT; if it was EXEC
 * itself, all is discarded. */
void transaction_refuse(struct txn *t, struct session *session, const struct command *cmd);

/* The flags by which a command is checked and held back: EXEC is what it will run. */
INLINE uint32_t transaction_flags(const struct session *session, const struct command *cmd)
{
    bool runs_queue = cmd->id == CMD_ID_exec && session->in_multi;
    return unlikely(runs_queue) ? cmd->flags | session->transaction->flags : cmd->flags;
}

/* The same, with regard to what a script says about itself. */
INLINE uint32_t transaction_flags_with(const struct session *session, const struct command *cmd,
                                       const struct slice *argv, uint32_t argc)
{
    return cmd->id == CMD_ID_exec ? transaction_flags(session, cmd)
                                  : command_flags(cmd, argv, argc);
}

/* Back to the state before MULTI and before WATCH. Also the end of EXEC. */
void transaction_discard(struct txn *t, struct session *session);
/* The session ends. */
void transaction_destroy(struct txn *t, struct session *session);
/* A watched key has changed. */
bool transaction_is_touched(const struct session *session);
/* EXEC must run alone. */
bool transaction_is_alone(const struct session *session);

/* Bytes of the queued arguments. */
INLINE size_t transaction_argument_bytes(const struct session *session)
{
    return unlikely(session->transaction) ? session->transaction->argument_bytes : 0;
}

/* Memory of queue and watched keys. */
size_t transaction_bytes(const struct session *session);
