/* stream_args.h: what the commands on streams share: IDs and trimming options as arguments, entries
 * as replies, the looking up of groups. Any thread; false means that the error has been answered.
 */
#pragma once

#include "cmd/exec.h"
#include "store/stream_group.h"

/* An ID with or without a sequence; `missing_seq` when there is none. */
bool arg_stream_id(struct exec *ex, uint32_t index, uint64_t missing_seq,
                   struct stream_id *out) MUST_USE;
/* Checks all arguments from `from` on. */
bool arg_stream_ids(struct exec *ex, uint32_t from) MUST_USE;

enum stream_bound {
    STREAM_BOUND_START,
    STREAM_BOUND_END
};

/* One end of a range: "-", "+", an ID, or "(" and an ID, which is then not part of the range. */
bool arg_stream_bound(struct exec *ex, uint32_t index, enum stream_bound which,
                      struct stream_id *out) MUST_USE;

struct stream_add_args {
    struct stream_trim trim;
    bool must_exist;      /* NOMKSTREAM */
    bool any_id, any_seq; /* "*", "ms-*" */
    struct stream_id id;
    uint32_t id_at; /* XADD: index of the ID */
};

/* Options of XADD up to its ID, or all of XTRIM's. */
bool arg_stream_add(struct exec *ex, bool adds, struct stream_add_args *out) MUST_USE;

/* The group argv[2] of the stream argv[1], looked up as for a read, even by commands that write, as in
 * Redis: misses are counted. NULL: an error has been answered. */
struct stream_group *find_stream_group(struct exec *ex, struct ref *ref);

/* What reading up to `count` (0: all) entries of a range costs, for defer(): no less than it does. */
uint64_t stream_read_cost(const struct exec *ex, const struct stream *s, struct stream_id first,
                          struct stream_id last, uint64_t count);
/* The same of trimming. */
uint64_t stream_trim_cost(const struct exec *ex, const struct stream *s,
                          const struct stream_trim *trim);

/* [id, [field, value …]] */
void reply_stream_entry(struct reply *r, struct stream_entry *e);
void reply_stream_id(struct reply *r, struct stream_id id);
/* Up to `count` (0: all) entries of a range as an array. */
void reply_stream_range(struct reply *r, const struct stream *s, struct stream_id first,
                        struct stream_id last, uint64_t count, bool reverse);
