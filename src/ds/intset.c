#include "ds/intset.h"

#include "base/assert.h"
#include "base/le.h"
#include "base/mem.h"

static uint32_t width_of(const unsigned char *set)
{
    return le_load32(set);
}

static uint32_t width_for(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

INLINE int64_t load(const unsigned char *set, uint32_t width, size_t index)
{
    const unsigned char *at = set + INTSET_HEADER + index * width;
    if (width == 2)
        return (int16_t)le_load16(at);
    return width == 4 ? (int32_t)le_load32(at) : (int64_t)le_load64(at);
}

static void store(unsigned char *set, uint32_t width, size_t index, int64_t value)
{
    unsigned char *at = set + INTSET_HEADER + index * width;
    if (width == 2)
        le_store16(at, (uint16_t)value);
    else if (width == 4)
        le_store32(at, (uint32_t)value);
    else
        le_store64(at, (uint64_t)value);
}

static size_t size_of(uint32_t width, uint32_t len)
{
    return INTSET_HEADER + (size_t)width * len;
}

static void set_header(unsigned char *set, uint32_t width, uint32_t len)
{
    le_store32(set, width);
    le_store32(set + 4, len);
}

/* Memory for `bytes`; the block is always a whole size class, so most calls change nothing. */
static unsigned char *resize(unsigned char *set, size_t bytes)
{
    size_t had = mem_size_class(intset_bytes(set)), want = mem_size_class(bytes);
    return had == want ? set : mem_realloc(MEM_DATA, set, had, want);
}

unsigned char *intset_create(void)
{
    unsigned char *set = mem_alloc(MEM_DATA, mem_size_class(INTSET_HEADER));
    set_header(set, 2, 0);
    return set;
}

void intset_free(unsigned char *set)
{
    if (set)
        mem_free(MEM_DATA, set, mem_size_class(intset_bytes(set)));
}

unsigned char *intset_dup(const unsigned char *set)
{
    size_t bytes = intset_bytes(set);
    return memcpy(mem_alloc(MEM_DATA, mem_size_class(bytes)), set, bytes);
}

uint32_t intset_len(const unsigned char *set)
{
    return le_load32(set + 4);
}

size_t intset_bytes(const unsigned char *set)
{
    return size_of(width_of(set), intset_len(set));
}

/* First index whose element is >= value; len when there is none. The step is arithmetic, not a
 * branch: a search through random values would mispredict every other one. */
INLINE uint32_t lower_bound(const unsigned char *set, uint32_t width, int64_t value)
{
    uint32_t low = 0, count = intset_len(set);
    while (count > 1) {
        uint32_t half = count / 2;
        low += (load(set, width, low + half - 1) < value) * half;
        count -= half;
    }
    return low + (count && load(set, width, low) < value);
}

static bool search(const unsigned char *set, int64_t value, uint32_t *at)
{
    uint32_t width = width_of(set), len = intset_len(set);
    /* One loop per width keeps the choice out of the search. */
    if (width == 2)
        *at = lower_bound(set, 2, value);
    else if (width == 4)
        *at = lower_bound(set, 4, value);
    else
        *at = lower_bound(set, 8, value);
    return *at < len && load(set, width, *at) == value;
}

bool intset_find(const unsigned char *set, int64_t value)
{
    uint32_t at;
    return search(set, value, &at);
}

int64_t intset_get(const unsigned char *set, uint32_t index)
{
    DASSERT(index < intset_len(set));
    return load(set, width_of(set), index);
}

/* A value that needs more width than any element lies before or after all of them. */
static unsigned char *widen_and_add(unsigned char *set, int64_t value)
{
    uint32_t old = width_of(set), width = width_for(value), len = intset_len(set);
    uint32_t shift = value < 0 ? 1 : 0;
    set = resize(set, size_of(width, len + 1));
    for (uint32_t i = len; i-- > 0;) /* from the end: targets never overlap what is still unread */
        store(set, width, i + shift, load(set, old, i));
    store(set, width, shift ? 0 : len, value);
    set_header(set, width, len + 1);
    return set;
}

unsigned char *intset_add(unsigned char *set, int64_t value, bool *added)
{
    uint32_t width = width_of(set), len = intset_len(set), at = 0;
    bool fits = width_for(value) <= width, present = fits && search(set, value, &at);
    if (added)
        *added = !present;
    if (present)
        return set;
    ASSERT(len < UINT32_MAX);
    if (!fits)
        return widen_and_add(set, value);
    set = resize(set, size_of(width, len + 1));
    unsigned char *hole = set + size_of(width, at);
    memmove(hole + width, hole, (size_t)(len - at) * width);
    store(set, width, at, value);
    set_header(set, width, len + 1);
    return set;
}

unsigned char *intset_remove(unsigned char *set, int64_t value, bool *removed)
{
    uint32_t width = width_of(set), len = intset_len(set), at;
    bool present = search(set, value, &at);
    if (removed)
        *removed = present;
    if (!present)
        return set;
    unsigned char *hole = set + size_of(width, at);
    memmove(hole, hole + width, (size_t)(len - at - 1) * width);
    set = resize(set, size_of(width, len - 1));
    set_header(set, width, len - 1);
    return set;
}

bool intset_validate(const unsigned char *bytes, size_t len)
{
    if (len < INTSET_HEADER)
        return false;
    uint32_t width = width_of(bytes), count = intset_len(bytes);
    if (width != 2 && width != 4 && width != 8)
        return false;
    if (size_of(width, count) != len)
        return false;
    for (uint32_t i = 1; i < count; i++)
        if (load(bytes, width, i - 1) >= load(bytes, width, i))
            return false;
    return true;
}
