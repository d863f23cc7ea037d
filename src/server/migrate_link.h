/* migrate_link.h: the network half of MIGRATE: one connection to another server, perhaps over TLS,
 * a pipeline written to it, its replies judged line by line.
 *
 * Blocking, with the timeout for each step, on a worker thread; nothing here knows keys or
 * connections of clients. Memory: the caller's. */
#pragma once

#include "base/buf.h"

#include <stdatomic.h>

enum {
    MIGRATE_ERROR_MAX = 1100
};

struct tls_context;

struct migrate_link {
    /* wanted */
    const char *host;
    int port;
    struct tls_context *tls;       /* NULL: without */
    int64_t timeout_ms;            /* of each step, > 0 */
    struct slice request;          /* greeting and RESTOREs, RESP */
    uint32_t greetings, restores;  /* how many commands of each kind stand in it */
    const _Atomic bool *cancelled; /* raised: give up soon; as when the server stops */
    /* found */
    bool *accepted;                /* of each RESTORE */
    char error[MIGRATE_ERROR_MAX]; /* the reply to the client, "" when all went well */
};

/* Connects, sends, reads all replies. */
void migrate_link_run(struct migrate_link *link);
