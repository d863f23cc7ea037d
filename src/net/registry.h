/* registry.h: what the rest of the server may know of a connection without touching it.
 *
 * Each connection has a descriptor in its thread's registry. Texts are guarded by the registry's
 * lock (a leaf: nothing is locked or called inside); hot fields are relaxed atomics that only the
 * owner writes. CLIENT LIST reads them from any thread, CLIENT KILL sets `kill` and wakes the
 * owner, which alone closes the connection. */
#pragma once

#include "base/lock.h"
#include "base/mem.h"
#include "net/settings.h"
#include "os/sock.h"

enum conn_kind {
    CONN_RESP,
    CONN_UNIX,
    CONN_FRAME,
    CONN_HTTP
};

struct conn_info {
    struct conn_info *next, **link; /* guarded by the registry's lock */
    uint64_t id;
    int fd;
    enum conn_kind kind;
    int64_t created_ms; /* wall clock */
    /* guarded by the lock */
    char peer[SOCK_ADDR_TEXT], local[SOCK_ADDR_TEXT];
    char *name, *lib_name, *lib_version, *user; /* mem_strdup, may be NULL */
    void *waits;                                /* the server's: its command is parked */
    /* relaxed atomics, written by the owner */
    _Atomic int64_t active_ms;   /* wall clock of the last command */
    _Atomic int db, resp, class; /* class: enum client_class */
    _Atomic uint32_t flags;      /* enum conn_flag */
    _Atomic uint16_t command;    /* enum command_id + 1 of the last command; 0: none */
    _Atomic uint32_t in_bytes, in_free, out_refs;
    _Atomic uint64_t out_bytes, net_in, net_out, commands;
    _Atomic int multi; /* commands queued since MULTI, -1: there was none */
    _Atomic uint32_t watching;
    _Atomic uint32_t subscriptions[3]; /* to channels, patterns, shard channels */
    _Atomic uint64_t multi_bytes;      /* of both */
    _Atomic int64_t redirect; /* who gets the invalidations, 0: this client; -1: not tracked */
    /* written by anybody */
    _Atomic bool kill;
    _Atomic bool touched; /* a watched key has changed */
};

enum conn_flag {
    CONN_NO_EVICT = 1 << 0,
    CONN_NO_TOUCH = 1 << 1,
    CONN_CLOSING = 1 << 2, /* after the replies */
    CONN_PAUSED = 1 << 3,
    CONN_MULTI = 1 << 4,
    CONN_PUBSUB = 1 << 5,
    CONN_TRACKING = 1 << 6,
    CONN_BROKEN_REDIRECT = 1 << 7,
    CONN_BROADCAST = 1 << 8, /* tracked by prefixes */
    CONN_BLOCKED = 1 << 9,   /* its command waits */
    CONN_MONITOR = 1 << 10,
};

struct registry {
    CACHE_ALIGNED struct lock lock;
    struct conn_info *first;
    uint64_t count;
};

/* The owner thread; takes the lock. The descriptor must stay until it is removed. */
void registry_add(struct registry *r, struct conn_info *info);
void registry_remove(struct registry *r, struct conn_info *info);
/* Replaces the addresses of both ends under the lock. */
void registry_set_addresses(struct registry *r, struct conn_info *info, const char *peer,
                            const char *local);
/* Replaces one of the texts (may be NULL) under the lock. */
void registry_set_text(struct registry *r, char **field, const char *text);
