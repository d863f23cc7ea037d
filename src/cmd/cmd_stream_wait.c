/* XREAD and XREADGROUP wait for entries. */
#include "base/mem.h"
#include "cmd/cmd_stream_read.h"
#include "store/stream_group.h"

static const struct stream *stream_in(const struct ref *ref)
{
    return ref->entry && entry_type(ref->entry) == TYPE_STREAM ? stream_of(ref->entry) : NULL;
}

static bool has_behind(const struct stream *s, struct stream_id id)
{
    return s->len && stream_id_compare(stream_last_entry(s), id) > 0;
}

/* An entry behind the position; "+" is behind none. A key that is no stream is waited for. */
static bool ready_to_read(struct txn *t, const struct waiter *w, uint32_t key,
                          const struct ref *ref)
{
    const struct queued_command *q = container_of(w, struct blocked, waiter)->command;
    const struct stream *s = stream_in(ref);
    struct stream_id id;
    if (!s)
        return false;
    if (!stream_id_parse(q->argv[q->argc - w->key_count + key], 0, &id, NULL))
        return s->len > 0;
    return has_behind(s, id);
}

/* The words before STREAMS are options; the group's name is behind GROUP. */
static struct slice group_name(const struct queued_command *q)
{
    uint32_t at = 1;
    while (!slice_is(q->argv[at], "group"))
        at += slice_is(q->argv[at], "noack") ? 1 : 2;
    return q->argv[at + 1];
}

/* An entry that the group has not read. A stream or group that is gone is answered with an error.
 */
static bool ready_to_deliver(struct txn *t, const struct waiter *w, uint32_t key,
                             const struct ref *ref)
{
    const struct queued_command *q = container_of(w, struct blocked, waiter)->command;
    const struct stream *s = stream_in(ref);
    const struct stream_group *g = s ? stream_group_find(s, group_name(q)) : NULL;
    return !g || has_behind(s, g->last_id);
}

/* "$" is what the stream's last ID is now. */
static void resolve_last(struct exec *ex, const struct reading *r, struct slice *argv,
                         char (*texts)[STREAM_ID_MAX_LEN])
{
    struct ref ref;
    memcpy(argv, ex->argv, ex->argc * sizeof(*argv));
    for (uint32_t i = 0; i < r->keys; i++) {
        struct slice *id = &argv[r->streams + r->keys + i];
        if (id->len != 1 || id->ptr[0] != '$')
            continue;
        txn_find(ex->txn, &ex->keys[i], &ref);
        const struct stream *s = stream_in(&ref);
        *id = stream_id_text(texts[i], s ? s->last_id : STREAM_ID_MIN);
    }
}

void stream_read_wait(struct exec *ex, const struct reading *r)
{
    size_t argv_bytes = ex->argc * sizeof(struct slice);
    size_t text_bytes = (size_t)r->keys * STREAM_ID_MAX_LEN;
    struct slice *argv = mem_alloc(MEM_OTHER, argv_bytes);
    char(*texts)[STREAM_ID_MAX_LEN] = mem_alloc(MEM_OTHER, text_bytes);
    resolve_last(ex, r, argv, texts);
    blocking_wait(ex, &(struct blocking){.key_count = r->keys,
                                         .ready = r->by_group ? ready_to_deliver : ready_to_read,
                                         .on_missing = r->by_group,
                                         .timeout_ms = r->timeout_ms,
                                         .argv = argv});
    mem_free(MEM_OTHER, argv, argv_bytes);
    mem_free(MEM_OTHER, texts, text_bytes);
}
