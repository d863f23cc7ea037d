#include "store/rdb_pack.h"

#include "ds/intset.h"
#include "ds/packed.h"

enum {
    ZIPLIST_HEADER = 10,
    ZIPLIST_COUNT_UNKNOWN = 65535,
    ZIP_END = 0xFF,
    ZIP_LONG = 0xFE, /* a length of four bytes follows */
    ZIPMAP_COUNT_UNKNOWN = 254,
};

/* ---- ziplist ---- */

/* The form byte(s) of a string: sizes of head and text. False: not a string, or cut off. */
static bool zip_text(const unsigned char *p, size_t left, size_t *head, size_t *len)
{
    switch (p[0] >> 6) {
    case 0:
        *head = 1;
        *len = p[0] & 0x3F;
        return true;
    case 1:
        *head = 2;
        *len = left < 2 ? 0 : (size_t)(p[0] & 0x3F) << 8 | p[1];
        return left >= 2;
    case 2:
        *head = 5;
        *len = left < 5 ? 0 : (size_t)__builtin_bswap32(LE_SWAP(32, le_load32(p + 1)));
        return left >= 5;
    default:
        return false;
    }
}

/* Bytes of an integer behind its form byte; 0: none, the form byte holds it; -1: no such form. */
static int zip_int_bytes(unsigned char form)
{
    switch (form) {
    case 0xC0:
        return 2;
    case 0xD0:
        return 4;
    case 0xE0:
        return 8;
    case 0xF0:
        return 3;
    case 0xFE:
        return 1;
    default:
        return form >= 0xF1 && form <= 0xFD ? 0 : -1;
    }
}

/* The size of form and value, 0 when they do not fit. */
static size_t zip_value(const unsigned char *p, size_t left, struct packed_value *out)
{
    size_t head, len;
    if (zip_text(p, left, &head, &len)) {
        *out = (struct packed_value){.ptr = (const char *)p + head, .len = len};
        return len <= left - head ? head + len : 0;
    }
    int bytes = zip_int_bytes(p[0]);
    if (p[0] < 0xC0 || bytes < 0 || (size_t)bytes > left - 1)
        return 0;
    uint64_t value = 0;
    for (int i = bytes; i > 0; i--)
        value = value << 8 | p[i];
    int unused = 64 - 8 * bytes; /* shifted up and back down to extend the sign */
    int64_t number = bytes ? (int64_t)(value << unused) >> unused : (p[0] & 0x0F) - 1;
    *out = packed_int_value(number);
    return 1 + (size_t)bytes;
}

/* The size of a whole entry, 0 when it does not fit. */
static size_t zip_entry(const unsigned char *p, size_t left, size_t *before,
                        struct packed_value *out)
{
    size_t head = left && p[0] == ZIP_LONG ? 5 : 1;
    if (left <= head)
        return 0;
    *before = head == 1 ? p[0] : le_load32(p + 1);
    size_t size = zip_value(p + head, left - head, out);
    return size ? head + size : 0;
}

static bool open_ziplist(struct rdb_pack *p)
{
    size_t size = 0, before = 0, last = ZIPLIST_HEADER, at = ZIPLIST_HEADER;
    struct packed_value value;
    if (p->len <= ZIPLIST_HEADER || le_load32(p->bytes) != p->len ||
        p->bytes[p->len - 1] != ZIP_END)
        return false;
    for (; p->bytes[at] != ZIP_END; at += size, p->count++) {
        size_t previous = size;
        last = at;
        size = zip_entry(p->bytes + at, p->len - 1 - at, &before, &value);
        if (!size || before != previous)
            return false;
    }
    unsigned told = le_load16(p->bytes + 8);
    p->at = ZIPLIST_HEADER;
    return at == p->len - 1 && le_load32(p->bytes + 4) == last &&
           (told == ZIPLIST_COUNT_UNKNOWN || told == p->count);
}

/* ---- zipmap ---- */

/* The size of one part, key or value, 0 when it does not fit. */
static size_t zipmap_part(const unsigned char *p, size_t left, bool is_value, struct slice *out)
{
    size_t head = left && p[0] == ZIP_LONG ? 5 : 1;
    if (left < head + is_value || p[0] == ZIP_END)
        return 0;
    size_t len = head == 1 ? p[0] : le_load32(p + 1);
    size_t unused = is_value ? p[head] : 0;
    head += is_value;
    *out = slice_make(p + head, len);
    return len + unused <= left - head ? head + len + unused : 0;
}

static bool open_zipmap(struct rdb_pack *p)
{
    struct slice part;
    size_t size;
    bool is_value = false;
    if (p->len < 2 || p->bytes[p->len - 1] != ZIP_END)
        return false;
    size_t at = 1;
    for (; p->bytes[at] != ZIP_END || is_value; at += size, p->count++) {
        size = zipmap_part(p->bytes + at, p->len - 1 - at, is_value, &part);
        if (!size)
            return false;
        is_value = !is_value;
    }
    p->at = 1;
    return at == p->len - 1 && (p->bytes[0] >= ZIPMAP_COUNT_UNKNOWN || p->bytes[0] == p->count / 2);
}

/* ---- all kinds ---- */

bool rdb_pack_open(struct rdb_pack *p, enum rdb_pack_kind kind, struct slice bytes)
{
    *p = (struct rdb_pack){
        .kind = kind, .bytes = (const unsigned char *)bytes.ptr, .len = bytes.len};
    switch (kind) {
    case RDB_PACK_ZIPLIST:
        return open_ziplist(p);
    case RDB_PACK_ZIPMAP:
        return open_zipmap(p);
    case RDB_PACK_INTSET:
        if (!intset_validate(p->bytes, p->len))
            return false;
        p->count = intset_len(p->bytes);
        return true;
    default:
        if (!packed_validate(p->bytes, p->len))
            return false;
        p->count = packed_len(p->bytes);
        p->at = PACKED_HEADER;
        return true;
    }
}

static bool next_ziplist(struct rdb_pack *p, struct packed_value *out)
{
    size_t before;
    if (p->bytes[p->at] == ZIP_END)
        return false;
    p->at += zip_entry(p->bytes + p->at, p->len - 1 - p->at, &before, out);
    return true;
}

static bool next_zipmap(struct rdb_pack *p, struct packed_value *out)
{
    struct slice part;
    if (p->bytes[p->at] == ZIP_END && !p->is_value)
        return false;
    p->at += zipmap_part(p->bytes + p->at, p->len - 1 - p->at, p->is_value, &part);
    p->is_value = !p->is_value;
    *out = (struct packed_value){.ptr = part.ptr, .len = part.len};
    return true;
}

bool rdb_pack_next(struct rdb_pack *p, struct packed_value *out)
{
    switch (p->kind) {
    case RDB_PACK_ZIPLIST:
        return next_ziplist(p, out);
    case RDB_PACK_ZIPMAP:
        return next_zipmap(p, out);
    case RDB_PACK_INTSET:
        if (p->at == p->count)
            return false;
        *out = packed_int_value(intset_get(p->bytes, (uint32_t)p->at++));
        return true;
    default:
        if (p->bytes[p->at] == PACKED_END)
            return false;
        *out = packed_entry_get(p->bytes + p->at);
        p->at += packed_entry_size(p->bytes + p->at);
        return true;
    }
}
