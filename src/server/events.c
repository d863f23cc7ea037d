/* events.c: what the store tells of its keys (store/notify.h) goes on its way to clients: events to
 * subscribers of the channels of keyspace notifications, changes to clients that keep a cache. */
#include "server/events.h"

#include "server/server_internal.h"

/* Every txn that changes keys, and is not mute, belongs to a reactor. */
static struct server_thread *txn_thread(struct txn *txn)
{
    return container_of(txn, struct server_thread, txn);
}

static void publish(struct server_thread *t, const char *kind, int db, struct slice subject,
                    struct slice message)
{
    struct buf channel;
    buf_init(&channel, MEM_CLIENT);
    buf_printf(&channel, "__%s@%d__:", kind, db);
    buf_append(&channel, subject.ptr, subject.len);
    push_publish(t, PUBSUB_CHANNEL, buf_slice(&channel), message);
    buf_deinit(&channel);
}

static void publish_event(struct txn *txn, int db, enum event event, struct slice key)
{
    struct server_thread *t = txn_thread(txn);
    struct slice name = slice_cstr(events[event].name);
    if (store_settings.notify_events & NOTIFY_KEYSPACE)
        publish(t, "keyspace", db, key, name);
    if (store_settings.notify_events & NOTIFY_KEYEVENT)
        publish(t, "keyevent", db, name, key);
}

/* Nobody's command made a key or a member expire, or chose it for eviction. */
static bool is_nobodys(enum event event)
{
    return event == EVENT_EXPIRED || event == EVENT_EVICTED || event == EVENT_HEXPIRED ||
           event == EVENT_SEXPIRED || event == EVENT_ZEXPIRED;
}

static uint64_t author(const struct server_thread *t, enum event event)
{
    if (is_nobodys(event))
        return 0;
    if (t->serving)
        return t->serving;
    return t->current ? t->current->info.id : 0;
}

static void note_change(struct txn *txn, const struct key *key, enum event event)
{
    struct server_thread *t = txn_thread(txn);
    uint64_t by = author(t, event);
    prefix_note(t, key, by);
    tracking_changed(t, key, by);
}

static void note_flush(struct txn *txn)
{
    tracking_flushed(txn_thread(txn));
}

/* With a log, nothing of a change leaves this thread before its record is in the log. */
static void publish_event_logged(struct txn *txn, int db, enum event event, struct slice key)
{
    push_defer(txn);
    publish_event(txn, db, event, key);
    push_defer_end(txn);
}

static void note_change_logged(struct txn *txn, const struct key *key, enum event event)
{
    push_defer(txn);
    note_change(txn, key, event);
    push_defer_end(txn);
}

static void note_flush_logged(struct txn *txn)
{
    push_defer(txn);
    note_flush(txn);
    push_defer_end(txn);
}

const struct notify_ops events_ops = {publish_event_logged, note_change_logged, note_flush_logged};
