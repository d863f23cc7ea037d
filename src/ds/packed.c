#include "ds/packed.h"

#include "base/assert.h"
#include "base/mem.h"

static uint32_t header_count(const unsigned char *p)
{
    return le_load16(p + 4);
}

/* Sticks at "unknown" once there: a later deletion cannot know the count without a walk. */
static void adjust_count(unsigned char *p, int64_t delta)
{
    uint32_t count = header_count(p);
    if (count != PACKED_COUNT_UNKNOWN)
        le_store16(p + 4, (uint16_t)MIN((int64_t)count + delta, (int64_t)PACKED_COUNT_UNKNOWN));
}

unsigned char *packed_create(void)
{
    unsigned char *p = mem_alloc(MEM_DATA, mem_size_class(PACKED_EMPTY));
    le_store32(p, PACKED_EMPTY);
    le_store16(p + 4, 0);
    p[PACKED_HEADER] = PACKED_END;
    return p;
}

void packed_free(unsigned char *p)
{
    if (p)
        mem_free(MEM_DATA, p, mem_size_class(packed_bytes(p)));
}

unsigned char *packed_dup(const unsigned char *p)
{
    size_t bytes = packed_bytes(p);
    return memcpy(mem_alloc(MEM_DATA, mem_size_class(bytes)), p, bytes);
}

uint32_t packed_len(const unsigned char *p)
{
    uint32_t count = header_count(p);
    if (likely(count != PACKED_COUNT_UNKNOWN))
        return count;
    count = 0;
    packed_foreach(p, at) count++;
    return count;
}

bool packed_can_add(const unsigned char *p, size_t len)
{
    size_t total;
    return !ckd_add(&total, p ? packed_bytes(p) : 0, len) && total <= PACKED_BYTES_MAX;
}

static uint32_t seek_forward(const unsigned char *p, uint64_t steps)
{
    uint32_t at = packed_first(p);
    while (at && steps-- > 0)
        at = packed_next(p, at);
    return at;
}

static uint32_t seek_backward(const unsigned char *p, uint64_t steps)
{
    uint32_t at = packed_last(p);
    while (at && steps-- > 0)
        at = packed_prev(p, at);
    return at;
}

uint32_t packed_seek(const unsigned char *p, int64_t index)
{
    uint32_t count = header_count(p);
    if (count == PACKED_COUNT_UNKNOWN)
        return index >= 0 ? seek_forward(p, (uint64_t)index)
                          : seek_backward(p, (uint64_t) - (index + 1));
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return 0;
    uint64_t behind = count - 1 - (uint64_t)index;
    return behind < (uint64_t)index ? seek_backward(p, behind) : seek_forward(p, (uint64_t)index);
}

uint32_t packed_find(const unsigned char *p, uint32_t from, struct slice value, unsigned skip)
{
    if (from == 0 || value.len > PACKED_VALUE_MAX)
        return 0;
    const struct packed_plan plan = packed_plan_text(value);
    const unsigned char *at = p + from;
    for (unsigned wait = 0; *at != PACKED_END; at += packed_entry_size(at)) {
        if (wait > 0) {
            wait--;
            continue;
        }
        if (packed_entry_equal(at, &plan))
            return (uint32_t)(at - p);
        wait = skip;
    }
    return 0;
}

static unsigned char *resize(unsigned char *p, size_t had, size_t want)
{
    had = mem_size_class(had);
    want = mem_size_class(want);
    return had == want ? p : mem_realloc(MEM_DATA, p, had, want);
}

/* Makes the `old` bytes at `at` a hole of `new` bytes and keeps what is behind them. */
static unsigned char *splice(unsigned char *p, uint32_t at, uint32_t old, uint32_t new)
{
    uint64_t bytes = packed_bytes(p), total = bytes - old + new;
    ASSERT(total <= UINT32_MAX);
    if (total > bytes)
        p = resize(p, bytes, total);
    memmove(p + at + new, p + at + old, bytes - at - old);
    if (total < bytes)
        p = resize(p, bytes, total);
    le_store32(p, (uint32_t)total);
    return p;
}

static unsigned char *insert(unsigned char *p, uint32_t at, struct packed_plan plan)
{
    DASSERT(at >= PACKED_HEADER && at < packed_bytes(p));
    p = splice(p, at, 0, plan.size);
    packed_entry_write(p + at, &plan);
    adjust_count(p, 1);
    return p;
}

static struct packed_plan plan_for(struct slice value)
{
    ASSERT(value.len <= PACKED_VALUE_MAX);
    return packed_plan_text(value);
}

unsigned char *packed_insert(unsigned char *p, uint32_t at, struct slice value)
{
    return insert(p, at, plan_for(value));
}

unsigned char *packed_insert_after(unsigned char *p, uint32_t at, struct slice value)
{
    return insert(p, at + packed_entry_size(p + at), plan_for(value));
}

unsigned char *packed_append(unsigned char *p, struct slice value)
{
    return insert(p, packed_bytes(p) - 1, plan_for(value));
}

unsigned char *packed_append_int(unsigned char *p, int64_t value)
{
    return insert(p, packed_bytes(p) - 1, packed_plan_int(value));
}

static unsigned char *replace(unsigned char *p, uint32_t at, struct packed_plan plan)
{
    uint32_t old = packed_entry_size(p + at);
    if (old != plan.size)
        p = splice(p, at, old, plan.size);
    packed_entry_write(p + at, &plan);
    return p;
}

unsigned char *packed_replace(unsigned char *p, uint32_t at, struct slice value)
{
    return replace(p, at, plan_for(value));
}

unsigned char *packed_delete(unsigned char *p, uint32_t *at)
{
    p = splice(p, *at, packed_entry_size(p + *at), 0);
    adjust_count(p, -1);
    if (p[*at] == PACKED_END)
        *at = 0;
    return p;
}

unsigned char *packed_delete_range(unsigned char *p, int64_t index, uint32_t count)
{
    uint32_t first = packed_seek(p, index), end = first, deleted = 0;
    if (first == 0)
        return p;
    while (deleted < count && p[end] != PACKED_END) {
        end += packed_entry_size(p + end);
        deleted++;
    }
    p = splice(p, first, end - first, 0);
    adjust_count(p, -(int64_t)deleted);
    return p;
}

/* Size of the entry at `at` when it is whole within `room` bytes, otherwise 0. */
static size_t checked_entry_size(const unsigned char *at, size_t room)
{
    unsigned char want[PACKED_BACKLEN_MAX];
    uint32_t head = room ? packed_head_size(at[0]) : 0;
    if (head == 0 || head > room)
        return 0;
    size_t body = packed_entry_body(at), backlen = packed_backlen_size(body);
    if (body > room || backlen > room - body)
        return 0;
    packed_backlen_write(want, (uint32_t)body);
    return memcmp(want, at + body, backlen) == 0 ? body + backlen : 0;
}

bool packed_validate(const unsigned char *bytes, size_t len)
{
    if (len < PACKED_EMPTY || packed_bytes(bytes) != len || bytes[len - 1] != PACKED_END)
        return false;
    uint64_t count = 0;
    size_t at = PACKED_HEADER, end = len - 1;
    while (at < end) {
        size_t size = checked_entry_size(bytes + at, end - at);
        if (size == 0)
            return false;
        at += size;
        count++;
    }
    return header_count(bytes) == PACKED_COUNT_UNKNOWN || header_count(bytes) == count;
}
