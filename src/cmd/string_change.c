#include "cmd/string_change.h"

bool string_change_defer(struct exec *ex, const struct ref *ref, size_t min_len)
{
    return ex->slow_limit != UINT64_MAX &&
           defer_claiming(ex, string_edit_effort(ref, min_len) / BYTES_PER_ELEMENT);
}

/* A blob of the result. */
static struct blob *take_result(const struct string_edit *edit)
{
    if (edit->in_place) /* the worker's own copy of the entry has a reference, too */
        blob_ref(edit->blob);
    if (edit->blob)
        return edit->blob;
    struct blob *blob = blob_create(edit->len, edit->len);
    memcpy(blob->bytes, edit->small, edit->len);
    return blob;
}

void string_change_end(struct exec *ex, struct string_edit *edit, enum event event)
{
    if (likely(!ex->outcome)) {
        string_edit_end(edit, event);
        return;
    }
    publish_outcome(ex, &(struct outcome){.type = TYPE_STRING,
                                          .root = take_result(edit),
                                          .event = event,
                                          .keeps_ttl = true,
                                          .key = ex->keys[0]});
}
