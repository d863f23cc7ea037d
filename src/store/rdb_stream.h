/* rdb_stream.h: streams in Redis's RDB format, to and from memory.
 *
 *   value     len nodes | node … | len entries | ID last | [ID first | ID highest deleted | len
 *             entries ever added] | len groups | group …
 *   node      string: ID of 16 bytes, big-endian | string: listpack
 *   listpack  live | deleted | fields | field … | 0 | entry …
 *   entry     flags (1 deleted, 2 the fields are those above) | ms | seq | [fields | field, value
 * …] or [value …] | number of elements before this one group     string name | ID last | [len
 * entries read] | len pending | (16 bytes ID, i64 ms, len deliveries) … | len consumers | consumer
 * … consumer  string name | i64 seen | [[i64 active]] | len owned | 16 bytes ID …
 *
 * An ID outside strings of 16 bytes is two lens; ms and seq are differences to the node's ID. What
 * stands in [ ] is in forms 2 and 3, in [[ ]] in form 3. Form 2 is written: Redis 7.0 reads it.
 *
 * Reading trusts nothing: entries go through stream_load(), pending entries through
 * stream_pending_deliver(), and each of them has exactly one consumer or the value is refused.
 * Memory is bounded by the size of the input. Pure functions; O(bytes log pending). */
#pragma once

#include "store/rdb_text.h"
#include "store/stream_group.h"

/* Fills an empty stream. `form` is 1 to 3. False: not a stream; what has been read stays in `s`. */
bool rdb_stream_read(struct rdb_in *in, unsigned form, struct stream *s) MUST_USE;
/* Appends the value in form 2, without its type byte. */
void rdb_stream_write(struct buf *out, const struct stream *s);
