/* acl_log.h: ACL LOG: what was denied lately, the newest first; the same again within a minute adds
 * to the entry. One lock, a leaf; any thread. Memory: MEM_OTHER, at most acllog-max-len entries,
 * their texts cut at ACL_LOG_TEXT_MAX. */
#pragma once

#include "base/lock.h"
#include "proto/reply.h"
#include "server/acl_check.h"

enum {
    ACL_LOG_TEXT_MAX = 64 * 1024
};

enum acl_context {
    ACL_TOPLEVEL,
    ACL_MULTI,
    ACL_SCRIPT
};

struct acl_log_entry {
    struct acl_log_entry *next;
    enum acl_verdict verdict;
    enum acl_context context;
    uint64_t count, id;
    int64_t created_ms, updated_ms; /* wall clock */
    struct buf object, user, client;
};

struct acl_log {
    struct lock lock;
    struct acl_log_entry *first;
    uint64_t next_id;
    _Atomic uint64_t denied[ACL_DENIED_CHANNEL + 1]; /* by verdict: INFO */
};

struct acl_denial {
    enum acl_verdict verdict;
    enum acl_context context;
    struct slice object; /* key, channel, command or what the login was tried with */
    struct slice user;
    struct slice client; /* as CLIENT INFO */
};

/* Any thread: they take the log's lock. What is added is copied. */
void acl_log_add(struct acl_log *log, const struct acl_denial *denial);
void acl_log_clear(struct acl_log *log);
void acl_log_reply(struct acl_log *log, struct reply *r, uint64_t max);
