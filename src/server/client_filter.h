/* client_filter.h: which clients CLIENT LIST and CLIENT KILL mean: Redis 7.4's filters, and those
 * of Valkey 9 with their opposites (NOT-…). A client passes when it passes every filter.
 * Ownership: texts and ids are borrowed from the command; ids that were parsed belong to the
 * filter. */
#pragma once

#include "cmd/exec.h"
#include "net/registry.h"

enum client_text {
    CLIENT_ADDR,
    CLIENT_LADDR,
    CLIENT_IP,
    CLIENT_USER,
    CLIENT_NAME,
    CLIENT_LIB_NAME,
    CLIENT_LIB_VERSION,
    CLIENT_FLAGS, /* letters, each of which the client must have */
    CLIENT_TEXTS
};

enum client_choice {
    WANTED,
    UNWANTED,
    CHOICES
};

enum {
    CLASS_PRIMARY = CLIENT_CLASSES, /* our link to a primary: there is none */
    CLIENT_FLAGS_MAX = 16
};

struct client_filter {   /* all zero but class: everybody */
    const uint64_t *ids; /* ascending; NULL: all */
    size_t id_count;
    int class; /* enum client_class, -1: all; CLASS_PRIMARY */
    bool by_db[CHOICES], by_other_class;
    int db[CHOICES], other_class;
    struct slice texts[CHOICES][CLIENT_TEXTS]; /* ptr NULL: all */
    int64_t max_age_s, idle_s;                 /* at least so old, so idle; 0: all */
    const struct conn_info *skip;
    struct buf parsed[CHOICES]; /* uint64_t[] */
};

/* One that all clients pass. */
void client_filter_init(struct client_filter *f);
void client_filter_deinit(struct client_filter *f);
/* Parses argv[at …] to its end. `skip_me`: what SKIPME said, or as it was. False: the error was
 * answered. `for_kill`: as Redis, with CLIENT KILL's errors for what is no id. */
bool client_filter_parse(struct exec *ex, uint32_t at, struct client_filter *f, bool *skip_me,
                         bool for_kill) MUST_USE;
/* The registry of the client is locked. */
bool client_filter_passes(const struct client_filter *f, const struct conn_info *info,
                          int64_t now_ms);
/* The letters of CLIENT LIST's flags. */
void client_format_flags(const struct conn_info *info, char out[CLIENT_FLAGS_MAX]);
