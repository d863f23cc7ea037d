#include "server/acl_log.h"

#include "base/clock.h"
#include "server/settings.h"

enum {
    GROUPING_MS = 60 * 1000,
    GROUPING_SCAN = 10 /* entries that are looked at for a similar one */
};

static void set_text(struct buf *b, struct slice text)
{
    buf_clear(b);
    buf_append(b, text.ptr, MIN(text.len, (size_t)ACL_LOG_TEXT_MAX));
}

static void destroy(struct acl_log_entry *e)
{
    buf_deinit(&e->object);
    buf_deinit(&e->user);
    buf_deinit(&e->client);
    mem_free(MEM_OTHER, e, sizeof(*e));
}

/* Drops what follows after `keep` entries. */
static void trim(struct acl_log *log, uint64_t keep)
{
    struct acl_log_entry **link = &log->first, *e;
    while (keep && *link) {
        link = &(*link)->next;
        keep--;
    }
    while ((e = *link)) {
        *link = e->next;
        destroy(e);
    }
}

static struct slice cut(struct slice text)
{
    return slice_make(text.ptr, MIN(text.len, (size_t)ACL_LOG_TEXT_MAX));
}

static bool is_similar(const struct acl_log_entry *e, const struct acl_denial *d, int64_t now_ms)
{
    return e->verdict == d->verdict && e->context == d->context &&
           now_ms - e->updated_ms <= GROUPING_MS &&
           slice_equal(buf_slice(&e->user), cut(d->user)) &&
           slice_equal(buf_slice(&e->object), cut(d->object));
}

/* Takes a similar entry out of the list, or makes one. */
static struct acl_log_entry *take_entry(struct acl_log *log, const struct acl_denial *d,
                                        int64_t now_ms)
{
    struct acl_log_entry **link = &log->first, *e;
    for (int i = 0; (e = *link) && i < GROUPING_SCAN; i++, link = &e->next)
        if (is_similar(e, d, now_ms)) {
            *link = e->next;
            return e;
        }
    e = mem_zalloc(MEM_OTHER, sizeof(*e));
    e->verdict = d->verdict;
    e->context = d->context;
    e->id = log->next_id++;
    e->created_ms = now_ms;
    buf_init(&e->object, MEM_OTHER);
    buf_init(&e->user, MEM_OTHER);
    buf_init(&e->client, MEM_OTHER);
    set_text(&e->object, d->object);
    set_text(&e->user, d->user);
    return e;
}

void acl_log_add(struct acl_log *log, const struct acl_denial *d)
{
    int64_t now_ms = clock_wall_ms();
    atomic_fetch_add_explicit(&log->denied[d->verdict], 1, memory_order_relaxed);
    lock_acquire(&log->lock);
    struct acl_log_entry *e = take_entry(log, d, now_ms);
    e->count++;
    e->updated_ms = now_ms;
    set_text(&e->client, d->client);
    e->next = log->first;
    log->first = e;
    trim(log, atomic_load_explicit(&server_settings.acllog_max_len, memory_order_relaxed));
    lock_release(&log->lock);
}

void acl_log_clear(struct acl_log *log)
{
    lock_acquire(&log->lock);
    trim(log, 0);
    lock_release(&log->lock);
}

/* ---- ACL LOG ---- */

static void reply_text(struct reply *r, const char *name, const char *value)
{
    reply_bulk_cstr(r, name);
    reply_bulk_cstr(r, value);
}

static void reply_buf(struct reply *r, const char *name, const struct buf *value)
{
    reply_bulk_cstr(r, name);
    reply_bulk(r, buf_slice(value));
}

static void reply_number(struct reply *r, const char *name, uint64_t value)
{
    reply_bulk_cstr(r, name);
    reply_int(r, (int64_t)value);
}

static void reply_entry(struct reply *r, const struct acl_log_entry *e, int64_t now_ms)
{
    static const char *const reasons[] = {[ACL_DENIED_COMMAND] = "command",
                                          [ACL_DENIED_KEY] = "key",
                                          [ACL_DENIED_AUTH] = "auth",
                                          [ACL_DENIED_CHANNEL] = "channel"};
    static const char *const contexts[] = {
        [ACL_TOPLEVEL] = "toplevel", [ACL_MULTI] = "multi", [ACL_SCRIPT] = "lua"};

    reply_map(r, 10);
    reply_number(r, "count", e->count);
    reply_text(r, "reason", reasons[e->verdict]);
    reply_text(r, "context", contexts[e->context]);
    reply_buf(r, "object", &e->object);
    reply_buf(r, "username", &e->user);
    reply_bulk_cstr(r, "age-seconds");
    reply_double(r, (double)(now_ms - e->updated_ms) / 1000);
    reply_buf(r, "client-info", &e->client);
    reply_number(r, "entry-id", e->id);
    reply_number(r, "timestamp-created", (uint64_t)e->created_ms);
    reply_number(r, "timestamp-last-updated", (uint64_t)e->updated_ms);
}

void acl_log_reply(struct acl_log *log, struct reply *r, uint64_t max)
{
    struct output_mark mark = reply_defer(r);
    int64_t now_ms = clock_wall_ms();
    uint64_t shown = 0;
    lock_acquire(&log->lock);
    for (const struct acl_log_entry *e = log->first; e && shown < max; e = e->next, shown++)
        reply_entry(r, e, now_ms);
    lock_release(&log->lock);
    reply_defer_end(r, mark, REPLY_ARRAY, shown);
}
