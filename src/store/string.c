#include "store/string.h"

enum {
    SLACK_MIN = 1 << 20
}; /* double up to a megabyte, then grow by an eighth: still amortised */

static size_t with_slack(size_t len)
{
    return len + MIN(len, MAX((size_t)SLACK_MIN, len / 8));
}

static void edit_small(struct string_edit *edit, struct slice old)
{
    memcpy(edit->small, old.ptr, old.len);
    edit->blob = NULL;
    edit->bytes = edit->small;
}

static enum err edit_new_blob(struct string_edit *edit, struct slice old, size_t cap)
{
    edit->blob = blob_try_create(edit->len, cap);
    if (!edit->blob && cap > edit->len)
        edit->blob = blob_try_create(edit->len, edit->len);
    if (!edit->blob)
        return ERR_NOMEM;
    memcpy(edit->blob->bytes, old.ptr, old.len);
    edit->bytes = edit->blob->bytes;
    return OK;
}

static enum err edit_own_blob(struct string_edit *edit, size_t cap)
{
    struct blob *b = entry_pointer(edit->ref->entry);
    txn_edit(edit->txn, edit->ref);
    if (b->cap >= edit->len)
        cap = edit->len;
    struct blob *grown = blob_reserve(b, cap);
    if (!grown && cap > edit->len)
        grown = blob_reserve(b, edit->len);
    if (!grown)
        return ERR_NOMEM;
    entry_set_pointer(edit->ref->entry, grown);
    grown->len = edit->len;
    edit->blob = grown;
    edit->bytes = grown->bytes;
    edit->in_place = true;
    return OK;
}

enum err string_edit_begin(struct string_edit *edit, struct txn *t, struct ref *ref, size_t min_len,
                           bool slack)
{
    char scratch[NUM_INT64_MAX_LEN];
    struct slice old = ref->entry ? entry_string(ref->entry, scratch) : SLICE("");
    enum err err = OK;
    edit->txn = t;
    edit->ref = ref;
    edit->len = MAX(old.len, min_len);
    edit->in_place = false;
    size_t cap = slack && edit->len > old.len ? with_slack(edit->len) : edit->len;
    if (ref->entry && entry_encoding(ref->entry) == ENC_BLOB)
        err = edit_own_blob(edit, cap);
    else if (edit->len <= ENTRY_INLINE_MAX)
        edit_small(edit, old);
    else
        err = edit_new_blob(edit, old, cap);
    if (!err)
        memset(edit->bytes + old.len, 0, edit->len - old.len);
    return err;
}

size_t string_edit_effort(const struct ref *ref, size_t min_len)
{
    const struct entry *e = ref->entry;
    size_t len = e ? entry_string_len(e) : 0, more = min_len > len ? min_len - len : 0;
    if (!e || entry_encoding(e) != ENC_BLOB)
        return len + more;
    const struct blob *b = entry_pointer(e);
    return more + (blob_shared(b) || b->cap < min_len ? len : 0);
}

void string_edit_end(struct string_edit *edit, enum event event)
{
    if (edit->in_place)
        txn_commit(edit->txn, edit->ref, event);
    else if (edit->blob)
        txn_set_blob(edit->txn, edit->ref, edit->blob, event);
    else
        txn_set_text(edit->txn, edit->ref, slice_make(edit->small, edit->len), ENTRY_RAW, event);
}

bool string_read_int(const struct entry *e, int64_t *out)
{
    char scratch[NUM_INT64_MAX_LEN];
    *out = 0;
    if (!e)
        return true;
    if (likely(entry_encoding(e) == ENC_INT)) {
        *out = entry_int(e);
        return true;
    }
    return num_parse_int64(entry_string(e, scratch), out);
}

bool string_read_long_double(const struct entry *e, long double *out)
{
    char scratch[NUM_INT64_MAX_LEN];
    *out = 0;
    return !e || num_parse_long_double(entry_string(e, scratch), out);
}
