#include "cmd/sort_pattern.h"

#include "store/hash.h"

/* A pattern taken apart: before '*', after it, and the field ("" when there is none). */
struct parts {
    struct slice before, after, field;
};

static bool take_apart(struct slice pattern, struct parts *out)
{
    const char *end = pattern.ptr + pattern.len;
    const char *star = pattern.len ? memchr(pattern.ptr, '*', pattern.len) : NULL;
    if (!star)
        return false;
    const char *rest = star + 1;
    const char *arrow = memmem(rest, (size_t)(end - rest), "->", 2);
    bool has_field = arrow && arrow + 2 < end; /* with nothing behind it, it is part of the name */
    *out = (struct parts){
        .before = slice_make(pattern.ptr, (size_t)(star - pattern.ptr)),
        .after = slice_make(rest, (size_t)((has_field ? arrow : end) - rest)),
        .field = has_field ? slice_make(arrow + 2, (size_t)(end - arrow - 2)) : SLICE(""),
    };
    return true;
}

static void append(struct buf *b, struct slice s)
{
    if (s.len)
        buf_append(b, s.ptr, s.len);
}

bool sort_pattern_find(struct exec *ex, struct slice pattern, struct slice element,
                       struct sort_scratch *scratch, struct slice *value)
{
    struct parts parts;
    struct ref ref;
    if (slice_equal(pattern, SLICE("#"))) {
        *value = element;
        return true;
    }
    if (!take_apart(pattern, &parts))
        return false;
    buf_clear(&scratch->name);
    buf_reserve(&scratch->name, 1); /* an empty name has an address too */
    append(&scratch->name, parts.before);
    append(&scratch->name, element);
    append(&scratch->name, parts.after);
    struct key key = key_make(buf_slice(&scratch->name));
    if (!txn_find_read(ex->txn, &key, &ref))
        return false;
    if (parts.field.len)
        return entry_type(ref.entry) == TYPE_HASH &&
               hash_find(hash_of(ref.entry), parts.field, scratch->digits, value);
    if (entry_type(ref.entry) != TYPE_STRING)
        return false;
    *value = entry_string(ref.entry, scratch->digits);
    return true;
}
