/* set.h: the set value type, in Redis's three encodings.
 *
 *   ENC_INTSET  ds/intset.h block: integers only, up to set-max-intset-entries
 *   ENC_PACKED  ds/packed.h block: up to set-max-listpack-entries members of set-max-listpack-value
 *               bytes
 *   ENC_TABLE   member_table.h
 * A set changes its encoding when a member no longer fits, exactly when Redis 7.2 does, or when one
 * gets a time to live of its own, and never back; only the results of set operations choose anew.
 *
 * struct set is a handle: the encoding and the root of a set that an entry (or the caller) owns.
 * Functions that change a set take the handle by pointer, because the root may move; set_store()
 * then writes it back into the entry. Threading: the lock of the key's shard. No function is called
 * with a member whose text lies in the set it changes, but set_remove(). Complexity: table and
 * intset look up in O(1) and O(log n), packed in O(n) with n bounded by the directives. */
#pragma once

#include "base/hash.h"
#include "base/rand.h"
#include "store/entry.h"
#include "store/member_table.h"
#include "store/value.h"

struct set {
    enum encoding encoding;
    void *root;
};

/* A member to look for, or found: as text, as a number, or as both. What is missing is computed
 * when an encoding first asks, so that a member checked against many sets is parsed and hashed
 * once. Not to be copied: text may lie in `scratch`. */
struct set_member {
    struct slice text; /* ptr NULL: not formatted yet, `number` is known */
    int64_t number;
    uint64_t hash;

    enum {
        NUMBER_UNKNOWN,
        NUMBER_NONE,
        NUMBER_KNOWN
    } number_state;

    bool hashed;
    char scratch[NUM_INT64_MAX_LEN];
};

INLINE void set_member_init(struct set_member *m, struct slice text)
{
    m->text = text.ptr ? text : SLICE("");
    m->number_state = NUMBER_UNKNOWN;
    m->hashed = false;
}

/* The same when the hash is known. */
INLINE void set_member_init_hashed(struct set_member *m, struct slice text, uint64_t hash)
{
    set_member_init(m, text);
    m->hash = hash;
    m->hashed = true;
}

INLINE void set_member_init_number(struct set_member *m, int64_t number)
{
    m->text.ptr = NULL;
    m->number = number;
    m->number_state = NUMBER_KNOWN;
    m->hashed = false;
}

INLINE struct slice set_member_text(struct set_member *m)
{
    if (!m->text.ptr)
        m->text = slice_make(m->scratch, num_format_int64(m->scratch, m->number));
    return m->text;
}

/* True when the member is an int64 in its only canonical form. */
INLINE bool set_member_number(struct set_member *m, int64_t *out)
{
    if (m->number_state == NUMBER_UNKNOWN)
        m->number_state =
            m->text.len <= 20 && num_parse_int64(m->text, &m->number) ? NUMBER_KNOWN : NUMBER_NONE;
    *out = m->number;
    return m->number_state == NUMBER_KNOWN;
}

INLINE uint64_t set_member_hash(struct set_member *m)
{
    if (!m->hashed) {
        m->hash = hash_slice(set_member_text(m));
        m->hashed = true;
    }
    return m->hash;
}

typedef void (*set_visit_fn)(void *arg, struct set_member *member);

INLINE struct set set_of(const struct entry *e)
{
    return (struct set){entry_encoding(e), entry_pointer(e)};
}

INLINE void set_store(struct entry *e, struct set s)
{
    entry_set_encoding(e, s.encoding);
    entry_set_pointer(e, s.root);
}

/* An empty set for `count` members of which `first` is one: their number and its form decide the
 * encoding. */
struct set set_create(struct set_member *first, size_t count);
/* An empty set in this encoding. */
struct set set_create_as(enum encoding encoding);
void set_destroy(struct set s);
uint64_t set_len(const struct set *s);
bool set_contains(const struct set *s, struct set_member *m);
/* False when it was there already: then it keeps its time to live. */
bool set_add(struct set *s, struct set_member *m);
/* False when it was not there. The member's text may be the one inside the set; it is dead
 * afterwards. */
bool set_remove(struct set *s, struct set_member *m);
/* When a member expires: absolute milliseconds, MEMBER_FOREVER or MEMBER_MISSING (deadlines.h). */
int64_t set_deadline(const struct set *s, struct set_member *m);
/* Gives a member that is there another deadline, or MEMBER_FOREVER; the set becomes a table. */
void set_set_deadline(struct set *s, struct set_member *m, int64_t when_ms);
/* Before adding many: converts to a table at once when `count` members alone are too many for the
 * encoding. */
void set_expect(struct set *s, size_t count);
/* For a result whose members are all integers: an intset if there are not too many. */
void set_prefer_intset(struct set *s);
/* Dead roots: gives the value away to be freed, by a worker when it is large. */
void set_release(struct set s);

/* Walk over all members, each once; the set must not change. Intsets: ascending. */
struct set_iter {
    const struct set *set;

    union {
        struct table_iter table;
        uint32_t at; /* intset: next index; packed: offset of the next entry, 0 at the end */
    };
};

/* The set must not change meanwhile. */
void set_iter_init(struct set_iter *it, const struct set *s);
/* False at the end. The member's text is borrowed from the set. */
bool set_iter_next(struct set_iter *it, struct set_member *out);

/* SSCAN: visits some members, about `count`, and returns the next cursor (0: the end). visit NULL:
 * only the cursor. */
uint64_t set_scan(const struct set *s, uint64_t cursor, uint64_t count, set_visit_fn visit,
                  void *arg);

/* ---- random choice (set_random.c): uniform ---- */

/* One member; the set is not empty. O(1), packed O(n). */
void set_random(const struct set *s, struct rng *rng, struct set_member *out);
/* `count` < set_len() different members, in no particular order. O(count), or O(n) when that is not
 * much more. */
void set_sample(const struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit,
                void *arg);
/* Takes `count` < set_len() random members out and shows them. When few remain, they move to a new
 * set (encoded as Redis does) and the old root, still holding what was shown, is left in *rest for
 * set_release(); otherwise rest->root is NULL. */
void set_pop(struct set *s, struct rng *rng, uint64_t count, set_visit_fn visit, void *arg,
             struct set *rest);

extern const struct value_ops set_value_ops;
