/* list.h: the list type: a struct deque on the heap as the root of an entry.
 *
 * Encodings. Redis 7.2 keeps a list in one listpack until an addition would pass
 * list-max-listpack-size, and turns a quicklist back when a removal leaves one node within half of
 * that. Both are the same deque here; which of the two Redis would have is the entry's encoding,
 * ENC_SHORT_DEQUE or ENC_DEQUE, changed by list_will_grow() and list_shrunk() alone.
 *
 * Ownership: the entry owns the root, the root its blocks (MEM_DATA). Threading: that of the entry
 * (the shard's lock). Values are at most PACKED_VALUE_MAX bytes long: callers check what clients
 * send. */
#pragma once

#include "ds/deque.h"
#include "store/value.h"

extern const struct value_ops list_value_ops;

/* An empty list with the configured size of blocks. O(1). */
struct deque *list_create(void);
/* Frees a root that is in no entry. O(blocks). */
void list_destroy(struct deque *d);

INLINE struct deque *list_of(const struct entry *e)
{
    return entry_pointer(e);
}

/* Before adding or replacing elements by `values`: the list may stop being a listpack. O(blocks +
 * count) while it is short, else O(1). */
void list_will_grow(struct entry *e, const struct slice *values, uint32_t count);
/* After removing or replacing elements of a list that is not empty: it may become a listpack again.
 */
void list_shrunk(struct entry *e);
/* The encoding of a list that was built as a whole (loaded, sorted). */
enum encoding list_encoding(const struct deque *d);

/* A search for the elements equal to a value, from one end to the other. */
struct list_search {
    struct deque_iter it; /* on the element last compared */
    struct packed_plan plan;
    enum deque_end towards;
    bool stepped; /* `it` is on an element that was compared */
    uint64_t left;
    int64_t index; /* of that element, counted from the head */
};

/* Compares at most `limit` elements. `value` stays borrowed. */
void list_search_begin(struct list_search *s, const struct deque *d, struct slice value,
                       enum deque_end towards, uint64_t limit);
/* Goes to the next equal element; false when there is none. O(distance). */
bool list_search_next(struct list_search *s);
/* Deletes the element just found and up to `limit` - 1 more; returns how many. Ends the search. */
uint64_t list_search_delete(struct list_search *s, struct deque *d, uint64_t limit);
