#include "persist/aof_ring.h"

#include "base/assert.h"

enum {
    RING_BYTES = 1 << 20, /* stays in the cache: whoever commits takes it all */
    ALIGN = 16,
    INLINE_MAX = 16 << 10 /* longer records stand outside */
};

struct record {
    _Atomic uint32_t size; /* in the ring, with this header; 0: not written yet */
    int32_t db;
    uint64_t len; /* of the text; above INLINE_MAX, its address follows instead */
};

_Static_assert(sizeof(struct record) == ALIGN, "a header never wraps");

void aof_ring_init(struct aof_ring *r)
{
    *r = (struct aof_ring){.bytes = mem_zalloc(MEM_OTHER, RING_BYTES)};
}

static struct record *record_at(const struct aof_ring *r, uint64_t lsn)
{
    return (struct record *)(r->bytes + (lsn & (RING_BYTES - 1)));
}

/* The two pieces of a place in the ring; the second is empty but at the ring's end. */
static void pieces(const struct aof_ring *r, uint64_t at, size_t len, struct slice out[2])
{
    size_t begin = at & (RING_BYTES - 1), first = MIN(len, RING_BYTES - begin);
    out[0] = slice_make(r->bytes + begin, first);
    out[1] = slice_make(r->bytes, len - first);
}

static void copy_in(struct aof_ring *r, uint64_t at, const void *bytes, size_t len)
{
    struct slice place[2];
    pieces(r, at, len, place);
    memcpy((char *)place[0].ptr, bytes, place[0].len);
    if (unlikely(place[1].len))
        memcpy((char *)place[1].ptr, (const char *)bytes + place[0].len, place[1].len);
}

static char *copy_outside(struct slice text)
{
    char *copy = mem_alloc(MEM_OTHER, text.len);
    memcpy(copy, text.ptr, text.len);
    return copy;
}

uint64_t aof_ring_put(struct aof_ring *r, int db, struct slice text, void (*empty)(void *arg),
                      void *arg)
{
    char *outside = unlikely(text.len > INLINE_MAX) ? copy_outside(text) : NULL;
    size_t len = outside ? sizeof(outside) : text.len;
    uint32_t size = (uint32_t)(sizeof(struct record) + len + ALIGN - 1) & ~(uint32_t)(ALIGN - 1);
    uint64_t at = atomic_fetch_add(&r->tail, size);
    /* acquire: the place was zeroed before it was given back */
    while (unlikely(at + size - atomic_load_explicit(&r->taken, memory_order_acquire) > RING_BYTES))
        empty(arg);
    struct record *record = record_at(r, at);
    record->db = db;
    record->len = text.len;
    copy_in(r, at + sizeof(*record), outside ? (const char *)&outside : text.ptr, len);
    /* release: pairs with aof_ring_take() */
    atomic_store_explicit(&record->size, size, memory_order_release);
    return at + size;
}

static void zero(struct aof_ring *r, uint64_t at, size_t len)
{
    struct slice place[2];
    pieces(r, at, len, place);
    memset((char *)place[0].ptr, 0, place[0].len);
    memset((char *)place[1].ptr, 0, place[1].len);
}

COLD static void visit_outside(const struct record *record, const struct slice place[2],
                               aof_ring_visit visit, void *arg)
{
    char *text;
    memcpy(&text, place[0].ptr, sizeof(text)); /* 16-aligned: never in two pieces */
    visit(arg, record->db, slice_make(text, record->len), SLICE(""));
    mem_free(MEM_OTHER, text, record->len);
}

uint64_t aof_ring_take(struct aof_ring *r, aof_ring_visit visit, void *arg)
{
    uint64_t from = atomic_load_explicit(&r->taken, memory_order_relaxed), at = from;
    uint32_t size;
    while (at - from < RING_BYTES &&
           (size = atomic_load_explicit(&record_at(r, at)->size, memory_order_acquire)) != 0) {
        const struct record *record = record_at(r, at);
        bool outside = record->len > INLINE_MAX;
        struct slice place[2];
        pieces(r, at + sizeof(*record), outside ? sizeof(char *) : record->len, place);
        if (unlikely(outside))
            visit_outside(record, place, visit, arg);
        else
            visit(arg, record->db, place[0], place[1]);
        at += size;
    }
    zero(r, from, at - from);
    /* release: pairs with aof_ring_put() */
    atomic_store_explicit(&r->taken, at, memory_order_release);
    return at;
}

static void ignore(void *arg, int db, struct slice first, struct slice second) {}

void aof_ring_deinit(struct aof_ring *r)
{
    aof_ring_take(r, ignore, NULL); /* frees what stands outside */
    ASSERT(atomic_load(&r->taken) == atomic_load(&r->tail));
    mem_free(MEM_OTHER, r->bytes, RING_BYTES);
}
