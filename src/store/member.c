#include "store/member.h"

#include "base/assert.h"
#include "base/mem.h"

static size_t length_bytes(size_t len)
{
    return len >= MEMBER_LONG ? 4 : 0;
}

struct member *member_reshape(struct member *m, bool expires)
{
    if (member_expires(m) == expires)
        return m;
    size_t size = member_size(m), head = (size_t)(member_fields(m) - (const char *)m);
    const char *rest = member_score_at(m);
    size_t tail = (size_t)((const char *)m + size - rest);
    size_t gap = expires ? MEMBER_EXPIRE_BYTES : 0;
    struct member *shaped = mem_alloc(MEM_DATA, mem_size_class(head + gap + tail));
    memcpy(shaped, m, head);
    memcpy((char *)shaped + head + gap, rest, tail);
    shaped->flags ^= MEMBER_EXPIRES;
    mem_free(MEM_DATA, m, size);
    return shaped;
}

static size_t value_room(struct slice value)
{
    return 1 + length_bytes(value.len) + value.len;
}

/* A node with its name, and `extra` bytes behind that for the value. */
static struct member *create(enum member_flag flags, struct slice name, size_t extra)
{
    ASSERT(name.len <= UINT32_MAX);
    size_t size = sizeof(struct member) + length_bytes(name.len) +
                  (flags & MEMBER_SCORED ? sizeof(double) : 0) + name.len + extra;
    struct member *m = mem_alloc(MEM_DATA, mem_size_class(size)); /* room for values in place */
    uint32_t len = (uint32_t)name.len;
    m->flags = (uint8_t)flags;
    m->short_len = (uint8_t)MIN(len, (uint32_t)MEMBER_LONG);
    if (len >= MEMBER_LONG)
        memcpy(m->body, &len, 4);
    memcpy((char *)member_name(m).ptr, name.ptr, name.len);
    return m;
}

static void put_value(struct member *m, struct slice value)
{
    ASSERT(value.len <= UINT32_MAX);
    struct slice name = member_name(m);
    char *at = (char *)name.ptr + name.len;
    uint32_t len = (uint32_t)value.len;
    *at++ = (char)(uint8_t)MIN(len, (uint32_t)MEMBER_LONG);
    if (len >= MEMBER_LONG) {
        memcpy(at, &len, 4);
        at += 4;
    }
    memcpy(at, value.ptr, value.len);
}

struct member *member_create(struct slice name)
{
    return create(MEMBER_PLAIN, name, 0);
}

struct member *member_create_scored(struct slice name, double score)
{
    struct member *m = create(MEMBER_SCORED, name, 0);
    member_set_score(m, score);
    return m;
}

struct member *member_create_valued(struct slice name, struct slice value)
{
    struct member *m = create(MEMBER_VALUED, name, value_room(value));
    put_value(m, value);
    return m;
}

struct member *member_copy(const struct member *m)
{
    size_t size = member_size(m);
    struct member *copy = mem_alloc(MEM_DATA, mem_size_class(size));
    memcpy(copy, m, size);
    return copy;
}

void member_free(struct member *m)
{
    mem_free(MEM_DATA, m, member_size(m));
}

uint64_t member_hash(const void *member)
{
    return hash_slice(member_name(member));
}

struct member *member_set_value(struct member *m, struct slice value)
{
    struct slice name = member_name(m);
    size_t head = (size_t)(name.ptr + name.len - (const char *)m);
    size_t size = head + value_room(value), old = member_size(m);
    if (mem_size_class(size) != mem_size_class(old)) {
        struct member *moved = mem_alloc(MEM_DATA, mem_size_class(size));
        memcpy(moved, m, head);
        mem_free(MEM_DATA, m, old);
        m = moved;
    }
    put_value(m, value);
    return m;
}
