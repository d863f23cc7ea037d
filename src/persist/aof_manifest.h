/* aof_manifest.h: the list of the files that a log consists of, from memory (aof_set.h keeps it on
 * disk). Redis 7's format, one line per file, all words may be quoted:
 *
 *   file appendonly.aof.2.base.rdb seq 2 type b      the data at one moment; at most one
 *   file appendonly.aof.1.incr.aof seq 1 type h      history: no longer needed, to be removed
 *   file appendonly.aof.3.incr.aof seq 3 type i      what happened since, in ascending order
 *   #CK:132:0a1b2c3d                                 aof_mark.h over all lines above; ours only
 *
 * Other pairs of words are skipped, as in Redis. A line that begins with '#' and a blank is a
 * comment.
 *
 * Owner: one thread. Memory: about the size of the text (MEM_OTHER). O(bytes). */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct aof_part {
    char *name; /* without a directory */
    uint64_t seq;
};

struct aof_parts {
    struct aof_part *items;
    size_t count, cap;
};

struct aof_manifest {
    struct aof_part base; /* name NULL: none */
    struct aof_parts history, incr;
    uint64_t base_seq, incr_seq; /* the highest used so far */
};

struct aof_manifest_fault {
    unsigned line; /* from 1; 0: the whole */
    const char *reason;
};

/* An empty one is all zeros. */
void aof_manifest_deinit(struct aof_manifest *m);
void aof_manifest_copy(struct aof_manifest *to, const struct aof_manifest *from);

/* ERR_SYNTAX: the fault says why; *out is then empty. */
enum err aof_manifest_parse(struct slice text, struct aof_manifest *out,
                            struct aof_manifest_fault *fault) MUST_USE;
/* Appends the text, mark included. */
void aof_manifest_format(struct buf *out, const struct aof_manifest *m);

/* Changes; names are copied. A base that is there becomes history. */
void aof_manifest_set_base(struct aof_manifest *m, const char *name, uint64_t seq);
void aof_manifest_add_incr(struct aof_manifest *m, const char *name, uint64_t seq);
/* All incremental files before the one with this number become history. */
void aof_manifest_retire(struct aof_manifest *m, uint64_t before_seq);
/* Names only so many incremental files, the first ones. */
void aof_manifest_cut(struct aof_manifest *m, size_t incr_count);
/* Names no history any more. */
void aof_manifest_forget_history(struct aof_manifest *m);
/* Neither a base nor an incremental file. */
bool aof_manifest_is_empty(const struct aof_manifest *m);
