#include "script/cache.h"

#include "base/hash.h"
#include "script/header.h"

void script_cache_init(struct script_cache *c)
{
    *c = (struct script_cache){.next_serial = 1};
    table_init(&c->table);
}

void script_name(struct slice text, char out[SCRIPT_SHA_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[SHA1_BYTES];
    sha1(text, sum);
    for (int i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[SCRIPT_SHA_LEN] = 0;
}

static uint64_t hash_of(const void *entry)
{
    return ((const struct script *)entry)->hash;
}

static bool has_name(const void *entry, const void *key)
{
    return memcmp(((const struct script *)entry)->sha, key, SCRIPT_SHA_LEN) == 0;
}

void script_unref(struct script *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        mem_free(MEM_OTHER, s, sizeof(*s) + s->len + 1);
}

static void unlink_evictable(struct script_cache *c, struct script *s)
{
    *(s->newer ? &s->newer->older : &c->newest) = s->older;
    *(s->older ? &s->older->newer : &c->oldest) = s->newer;
    s->newer = s->older = NULL;
    c->evictable--;
}

static void link_evictable(struct script_cache *c, struct script *s)
{
    s->older = c->newest;
    s->newer = NULL;
    *(s->older ? &s->older->newer : &c->oldest) = s;
    c->newest = s;
    c->evictable++;
}

static void free_slot(struct script_cache *c, uint32_t slot)
{
    if (c->free_count == c->free_cap) {
        uint32_t cap = MAX(2 * c->free_cap, 16u);
        c->free_slots = mem_realloc(MEM_OTHER, c->free_slots, c->free_cap * sizeof(uint32_t),
                                    cap * sizeof(uint32_t));
        c->free_cap = cap;
    }
    c->free_slots[c->free_count++] = slot;
}

static void drop(struct script_cache *c, struct script *s)
{
    if (s->evictable)
        unlink_evictable(c, s);
    free_slot(c, s->slot);
    atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->bytes, sizeof(*s) + s->len + 1, memory_order_relaxed);
    if (s->flags & SCRIPT_DECLARED_KEYS)
        atomic_fetch_sub_explicit(&c->declaring, 1, memory_order_relaxed);
    script_unref(s);
}

static void drop_entry(void *entry, void *arg)
{
    drop(arg, entry);
}

void script_cache_flush(struct script_cache *c)
{
    lock_acquire(&c->lock);
    table_deinit(&c->table, drop_entry, c);
    table_init(&c->table);
    lock_release(&c->lock);
}

void script_cache_deinit(struct script_cache *c)
{
    script_cache_flush(c);
    mem_free(MEM_OTHER, c->free_slots, c->free_cap * sizeof(uint32_t));
}

static struct script *find(struct script_cache *c, const char *sha, uint64_t hash,
                           struct table_pos *pos)
{
    return table_find(&c->table, hash, has_name, sha, pos);
}

struct script *script_cache_find(struct script_cache *c, struct slice sha)
{
    char name[SCRIPT_SHA_LEN];
    struct table_pos pos;
    if (sha.len != SCRIPT_SHA_LEN)
        return NULL;
    for (int i = 0; i < SCRIPT_SHA_LEN; i++)
        name[i] = (char)(sha.ptr[i] >= 'A' && sha.ptr[i] <= 'Z' ? sha.ptr[i] + 32 : sha.ptr[i]);
    uint64_t hash = hash_bytes(name, SCRIPT_SHA_LEN);
    lock_acquire(&c->lock);
    struct script *s = find(c, name, hash, &pos);
    if (s) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
        if (s->evictable && s != c->newest) {
            unlink_evictable(c, s);
            link_evictable(c, s);
        }
    }
    lock_release(&c->lock);
    return s;
}

static void evict_one(struct script_cache *c)
{
    struct script *s = c->oldest;
    struct table_pos pos;
    if (c->evictable < SCRIPT_CACHE_MAX || !find(c, s->sha, s->hash, &pos))
        return;
    table_remove(&c->table, s->hash, pos, hash_of);
    drop(c, s);
    atomic_fetch_add_explicit(&c->evicted, 1, memory_order_relaxed);
}

static struct script *create(struct script_cache *c, struct slice text, const char *sha,
                             uint32_t flags, struct slice body, bool evictable)
{
    struct script *s = mem_alloc(MEM_OTHER, sizeof(*s) + text.len + 1);
    *s = (struct script){.refs = 1,
                         .flags = flags,
                         .serial = c->next_serial++,
                         .evictable = evictable,
                         .hash = hash_bytes(sha, SCRIPT_SHA_LEN),
                         .len = text.len};
    s->slot = c->free_count ? c->free_slots[--c->free_count] : c->slot_count++;
    memcpy(s->sha, sha, SCRIPT_SHA_LEN + 1);
    memcpy(s->text, text.ptr, text.len);
    s->text[text.len] = 0;
    s->body = slice_make(s->text + (body.ptr - text.ptr), body.len);
    return s;
}

struct script *script_cache_add(struct script_cache *c, struct slice text, const char *sha,
                                uint32_t flags, struct slice body, bool evictable)
{
    struct table_pos pos;
    lock_acquire(&c->lock);
    struct script *s = find(c, sha, hash_bytes(sha, SCRIPT_SHA_LEN), &pos);
    if (!s) {
        if (evictable)
            evict_one(c);
        s = create(c, text, sha, flags, body, evictable);
        table_insert(&c->table, s->hash, s, hash_of);
        if (evictable)
            link_evictable(c, s);
        atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&c->bytes, sizeof(*s) + s->len + 1, memory_order_relaxed);
        if (flags & SCRIPT_DECLARED_KEYS)
            atomic_fetch_add_explicit(&c->declaring, 1, memory_order_relaxed);
    } else if (s->evictable && !evictable) {
        unlink_evictable(c, s);
        s->evictable = false;
    }
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    lock_release(&c->lock);
    return s;
}
