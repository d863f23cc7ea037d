#include "store/entry.h"

#include "base/assert.h"
#include "base/hash.h"

static size_t value_bytes(const struct entry *e)
{
    return entry_encoding(e) == ENC_INLINE ? e->inline_len : 8;
}

static size_t total_size(uint32_t klen, bool expires, size_t value)
{
    return sizeof(struct entry) + entry_klen_bytes(klen) + (expires ? ENTRY_EXPIRE_BYTES : 0) +
           klen + value;
}

size_t entry_size(const struct entry *e)
{
    return total_size(entry_klen(e), entry_expires(e), value_bytes(e));
}

uint64_t entry_hash(const void *entry)
{
    return hash_slice(entry_key(entry));
}

INLINE bool starts_like_int(struct slice text)
{
    return text.len - 1 < 20 && ((unsigned)(text.ptr[0] - '0') <= 9 || text.ptr[0] == '-');
}

struct value_shape value_shape_string(struct slice text)
{
    int64_t integer;
    if (starts_like_int(text) && num_parse_int64(text, &integer))
        return (struct value_shape){ENC_INT, 8, integer};
    if (text.len <= ENTRY_INLINE_MAX)
        return (struct value_shape){ENC_INLINE, text.len, 0};
    return (struct value_shape){ENC_BLOB, 8, 0};
}

static void put_head(struct entry *e, struct slice key, uint32_t access, struct value_shape shape)
{
    uint32_t klen = (uint32_t)key.len;
    e->access_klen = access | MIN(klen, 255u) << 24;
    if (klen >= 255)
        memcpy(e->body, &klen, 4);
    entry_set_encoding(e, shape.encoding);
    e->inline_len = shape.encoding == ENC_INLINE ? (uint16_t)shape.bytes : 0;
}

struct entry *entry_create(struct slice key, enum value_type type, struct value_shape shape,
                           bool expires)
{
    ASSERT(key.len <= UINT32_MAX);
    size_t size = total_size((uint32_t)key.len, expires, shape.bytes);
    struct entry *e =
        mem_alloc(MEM_DATA, mem_size_class(size)); /* reshape_in_place() uses it all */
    e->type_encoding = (uint8_t)type;
    e->flags = expires ? ENTRY_EXPIRES : 0;
    put_head(e, key, 0, shape);
    memcpy((char *)entry_key(e).ptr, key.ptr, key.len);
    return e;
}

struct entry *entry_husk(const struct entry *e)
{
    bool expires = entry_expires(e);
    struct value_shape shape = {entry_encoding(e), 8, 0};
    struct entry *husk = entry_create(entry_key(e), entry_type(e), shape, expires);
    husk->flags |= e->flags & (ENTRY_RAW | ENTRY_PARITY);
    entry_set_access(husk, entry_access(e));
    if (expires)
        memcpy(entry_expire_at(husk), entry_expire_at(e), ENTRY_EXPIRE_BYTES);
    entry_set_pointer(husk, entry_pointer(e));
    return husk;
}

void entry_free(struct entry *e)
{
    mem_free(MEM_DATA, e, entry_size(e));
}

/* In the same size class: the key moves by the difference of the expire fields, nothing is
 * allocated. */
static struct entry *reshape_in_place(struct entry *e, struct value_shape shape, bool expires,
                                      bool keep_value)
{
    struct slice key = entry_key(e);
    size_t carried = key.len + (keep_value ? value_bytes(e) : 0);
    if (expires != entry_expires(e)) {
        char *target = entry_expire_at(e) + (expires ? ENTRY_EXPIRE_BYTES : 0);
        memmove(target, key.ptr, carried);
        e->flags = (uint8_t)(expires ? e->flags | ENTRY_EXPIRES : e->flags & ~ENTRY_EXPIRES);
    }
    entry_set_encoding(e, shape.encoding);
    e->inline_len = shape.encoding == ENC_INLINE ? (uint16_t)shape.bytes : 0;
    return e;
}

struct entry *entry_reshape(struct entry *e, struct value_shape shape, bool expires,
                            bool keep_value)
{
    struct slice key = entry_key(e);
    size_t size = total_size((uint32_t)key.len, expires, shape.bytes), old = entry_size(e);
    if (likely(mem_size_class(size) == mem_size_class(old)))
        return reshape_in_place(e, shape, expires, keep_value);
    struct entry *copy = entry_create(key, entry_type(e), shape, expires);
    copy->flags |= e->flags & (uint8_t)~ENTRY_EXPIRES;
    entry_set_access(copy, entry_access(e));
    if (expires && entry_expires(e))
        memcpy(entry_expire_at(copy), entry_expire_at(e), ENTRY_EXPIRE_BYTES);
    if (keep_value)
        memcpy(entry_value(copy), entry_value(e), value_bytes(e));
    mem_free(MEM_DATA, e, old);
    return copy;
}

void entry_fill_string(struct entry *e, struct value_shape shape, struct slice text)
{
    if (shape.encoding == ENC_INLINE) {
        bytes_copy(entry_value(e), text.ptr, text.len);
    } else if (shape.encoding == ENC_INT) {
        memcpy(entry_value(e), &shape.integer, 8);
    } else {
        struct blob *b = blob_create(text.len, text.len);
        memcpy(b->bytes, text.ptr, text.len);
        entry_set_pointer(e, b);
    }
}

struct slice entry_string(const struct entry *e, char *scratch)
{
    switch (entry_encoding(e)) {
    case ENC_INLINE:
        return entry_inline_string(e);
    case ENC_INT:
        return slice_make(scratch, num_format_int64(scratch, entry_int(e)));
    default: {
        const struct blob *b = entry_pointer(e);
        ASSERT(entry_encoding(e) == ENC_BLOB);
        return slice_make(b->bytes, b->len);
    }
    }
}

size_t entry_string_len(const struct entry *e)
{
    char scratch[NUM_INT64_MAX_LEN];
    return entry_string(e, scratch).len;
}

const char *entry_encoding_name(const struct entry *e)
{
    switch (entry_encoding(e)) {
    case ENC_INT:
        return "int";
    case ENC_INLINE:
        return e->inline_len > ENTRY_EMBSTR_MAX || e->flags & ENTRY_RAW ? "raw" : "embstr";
    case ENC_BLOB:
        return "raw";
    case ENC_PACKED:
    case ENC_SHORT_DEQUE:
        return "listpack";
    case ENC_INTSET:
        return "intset";
    case ENC_TABLE:
        return "hashtable";
    case ENC_TREE:
        return "skiplist";
    case ENC_DEQUE:
        return "quicklist";
    case ENC_STREAM:
        return "stream";
    }
    return "unknown";
}

const char *value_type_name(enum value_type type)
{
    static const char *const names[TYPE_COUNT] = {
        [TYPE_STRING] = "string", [TYPE_LIST] = "list", [TYPE_SET] = "set",
        [TYPE_ZSET] = "zset",     [TYPE_HASH] = "hash", [TYPE_STREAM] = "stream"};
    return names[type];
}
