#include "server/invalidation.h"

#include "base/assert.h"
#include "server/push.h"

static size_t names_bytes(const struct changed_key *keys, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += keys[i].name.len;
    return bytes;
}

struct invalidation *invalidation_create(const struct changed_key *keys, uint32_t count)
{
    size_t head = sizeof(struct invalidation) + count * sizeof(struct changed_key);
    size_t bytes = head + names_bytes(keys, count);
    struct invalidation *inv = mem_alloc(MEM_CLIENT, bytes);
    char *at = (char *)inv + head;
    *inv = (struct invalidation){.refs = 1, .count = count, .bytes = bytes};
    for (uint32_t i = 0; i < count; i++) {
        size_t len = keys[i].name.len;
        inv->keys[i] = (struct changed_key){slice_make(at, len), keys[i].by};
        if (len)
            memcpy(at, keys[i].name.ptr, len);
        at += len;
    }
    return inv;
}

void invalidation_ref(struct invalidation *inv)
{
    atomic_fetch_add_explicit(&inv->refs, 1, memory_order_relaxed);
}

void invalidation_unref(struct invalidation *inv)
{
    if (atomic_fetch_sub_explicit(&inv->refs, 1, memory_order_acq_rel) == 1)
        mem_free(MEM_CLIENT, inv, inv->bytes);
}

static bool is_left(const struct key_range *range, uint32_t i)
{
    return !range->except || range->of->keys[range->first + i].by != range->except;
}

uint32_t invalidation_count(const struct key_range *range)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < range->count; i++)
        left += is_left(range, i);
    return left;
}

static void put_keys(struct reply *r, const struct key_range *range)
{
    if (!range->of->count) {
        reply_null(r);
        return;
    }
    reply_array(r, invalidation_count(range));
    for (uint32_t i = 0; i < range->count; i++)
        if (is_left(range, i))
            reply_bulk(r, range->of->keys[range->first + i].name);
}

struct blob *invalidation_encode(const struct key_range *range, enum reply_proto proto)
{
    struct output out;
    output_init(&out);
    struct reply r = {.out = &out, .proto = proto};
    reply_begin(&r);
    if (proto == REPLY_RESP3) {
        reply_push(&r, 2);
        reply_bulk_cstr(&r, "invalidate");
    } else {
        reply_push(&r, 3);
        reply_bulk_cstr(&r, "message");
        reply_bulk_cstr(&r, "__redis__:invalidate");
    }
    put_keys(&r, range);
    reply_end(&r);
    struct blob *b = push_blob(&out);
    output_deinit(&out);
    return b;
}
