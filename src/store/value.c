#include "store/value.h"

#include "ds/heap.h"
#include "ds/table.h"
#include "store/hash.h"
#include "store/keyspace.h"
#include "store/list.h"
#include "store/set.h"
#include "store/stream.h"
#include "store/zset.h"

static void string_destroy(enum encoding encoding, void *root)
{
    blob_unref(root);
}

/* Pages go back to the system one by one. */
static size_t string_effort(enum encoding encoding, const void *root)
{
    enum {
        BYTES_PER_EFFORT = 64 * 1024
    };

    return 1 + ((const struct blob *)root)->len / BYTES_PER_EFFORT;
}

static size_t string_bytes(enum encoding encoding, const void *root, size_t samples)
{
    return blob_bytes(root);
}

/* A blob with two owners is immutable: whoever changes it takes a copy first. */
static void *string_copy(enum encoding encoding, const void *root)
{
    struct blob *b = (struct blob *)root;
    blob_ref(b);
    return b;
}

static void string_visit(enum encoding encoding, const void *root, value_visit_fn visit, void *arg)
{
    const struct blob *b = root;
    visit(arg, slice_make(b->bytes, b->len), slice_make("", 0));
}

static const struct value_ops string_ops = {
    .destroy = string_destroy,
    .effort = string_effort,
    .bytes = string_bytes,
    .copy = string_copy,
    .visit = string_visit,
};

const struct value_ops *const value_ops[TYPE_COUNT] = {
    [TYPE_STRING] = &string_ops, [TYPE_LIST] = &list_value_ops, [TYPE_HASH] = &hash_value_ops,
    [TYPE_SET] = &set_value_ops, [TYPE_ZSET] = &zset_value_ops, [TYPE_STREAM] = &stream_value_ops,
};

static bool is_direct(enum encoding encoding)
{
    return encoding == ENC_INLINE || encoding == ENC_INT;
}

struct entry *entry_copy(const struct entry *e, struct slice key, bool expires)
{
    enum encoding encoding = entry_encoding(e);
    struct value_shape shape = {encoding, encoding == ENC_INLINE ? e->inline_len : 8, 0};
    struct entry *copy = entry_create(key, entry_type(e), shape, expires);
    copy->flags |= e->flags & ENTRY_RAW;
    entry_set_access(copy, entry_access(e));
    if (expires)
        entry_set_unlisted_expire(copy, entry_expire_ms(e));
    if (is_direct(encoding))
        memcpy(entry_value(copy), entry_value(e), shape.bytes);
    else
        entry_set_pointer(copy, value_ops[entry_type(e)]->copy(encoding, entry_pointer(e)));
    return copy;
}

void entry_visit(const struct entry *e, value_visit_fn visit, void *arg)
{
    enum encoding encoding = entry_encoding(e);
    char scratch[NUM_INT64_MAX_LEN];
    if (is_direct(encoding))
        visit(arg, entry_string(e, scratch), slice_make("", 0));
    else
        value_ops[entry_type(e)]->visit(encoding, entry_pointer(e), visit, arg);
}

size_t entry_memory(const struct entry *e, size_t samples)
{
    enum {
        TABLE_SHARE = sizeof(struct table_bucket) / (TABLE_SLOTS - 1)
    };

    size_t bytes = mem_size_class(entry_size(e)) + TABLE_SHARE;
    if (entry_expires(e))
        bytes += sizeof(struct heap_item);
    if (!is_direct(entry_encoding(e)))
        bytes += value_ops[entry_type(e)]->bytes(entry_encoding(e), entry_pointer(e), samples);
    return bytes;
}

enum {
    STRING_PIECE = 256
};

uint64_t value_elements(const struct entry *e)
{
    switch (entry_type(e)) {
    case TYPE_STRING:
        return entry_string_len(e) / STRING_PIECE;
    case TYPE_LIST:
        return list_of(e)->len;
    case TYPE_SET:
        return set_len(&(struct set){entry_encoding(e), entry_pointer(e)});
    case TYPE_HASH:
        return hash_len(hash_of(e));
    case TYPE_ZSET: {
        struct zset z = zset_of(e);
        return zset_len(&z);
    }
    case TYPE_STREAM:
        return stream_elements(stream_of(e));
    default:
        return 0;
    }
}

uint64_t entry_len(const struct entry *e)
{
    switch (entry_type(e)) {
    case TYPE_STRING:
        return entry_string_len(e);
    case TYPE_STREAM:
        return stream_of(e)->len;
    default:
        return value_elements(e);
    }
}
