/* aof_ring.h: the order of the log: records on their way from the threads that run commands to the
 * one that gathers them.
 *
 * A ring of bytes. Who holds the shard locks of a change takes a place for its record with one
 * fetch-and-add and copies it there; the place's end is the record's LSN. Conflicting commands
 * share a shard, so the order of LSNs is an order of execution. The reader takes records memory to
 * memory, up to the first one that has a place but is not written yet. A record too large for the
 * ring stands outside, and the ring holds its address.
 *
 * Layout: records at multiples of 16 bytes: {u32 size, i32 db, u64 len}, then the text, or its
 * address. `size` is what the record takes in the ring and is written last; it is 0 before. The
 * reader zeroes what it has passed, so a place to come reads 0 wherever a record may begin.
 *
 * Threading: aof_ring_put() from any thread. Readers hold `reader`, a leaf lock under which there
 * is no input or output: so whoever finds the ring full may empty it, even with shard locks in its
 * hand. Memory order: `size` release / acquire hands a record over, `taken` release / acquire hands
 * its zeroed place back. Complexity: O(bytes). */
#pragma once

#include "base/buf.h"
#include "base/lock.h"

struct aof_ring {
    CACHE_ALIGNED _Atomic uint64_t tail;  /* the last LSN given out */
    CACHE_ALIGNED _Atomic uint64_t taken; /* everything before has left the ring */
    char *bytes;
    struct lock reader;
};

/* A record as the reader gets it; the text is valid during the call only and may be in two pieces.
 */
typedef void (*aof_ring_visit)(void *arg, int db, struct slice first, struct slice second);

/* Takes the ring's memory; before others know of it, deinit after they have gone. */
void aof_ring_init(struct aof_ring *r);
void aof_ring_deinit(struct aof_ring *r);

/* Adds a record and returns its LSN. `empty` is called with `arg` while the ring is full, and must
 * take what is there (aof_ring_take()); this ends, for the oldest place has room. Any thread. */
uint64_t aof_ring_put(struct aof_ring *r, int db, struct slice text, void (*empty)(void *arg),
                      void *arg);

/* Hands over what is complete, in order, and returns the LSN of the last record handed over so far.
 * The caller holds `reader`. */
uint64_t aof_ring_take(struct aof_ring *r, aof_ring_visit visit, void *arg);

/* The last LSN given out: what has happened before the call has one that is not above. Any thread.
 */
INLINE uint64_t aof_ring_newest(const struct aof_ring *r)
{
    return atomic_load(&r->tail);
}
