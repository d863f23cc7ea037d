/* XGROUP and XACK. */
#include "cmd/help.h"
#include "cmd/stream_args.h"

struct group_args {
    bool make_stream;
    int64_t entries_read;
};

static bool parse_group(struct exec *ex, bool creates, struct group_args *a)
{
    *a = (struct group_args){.entries_read = STREAM_READ_UNKNOWN};
    for (uint32_t at = 5; at < ex->argc; at++) {
        if (creates && arg_is(ex, at, "mkstream")) {
            a->make_stream = true;
        } else if (arg_is(ex, at, "entriesread") && at + 1 < ex->argc) {
            if (!arg_int(ex, ++at, &a->entries_read, NULL))
                return false;
            if (a->entries_read < 0 && a->entries_read != STREAM_READ_UNKNOWN)
                return fail(ex, "ERR value for ENTRIESREAD must be positive or -1");
        } else {
            help_fail_subcommand(ex);
            return false;
        }
    }
    return true;
}

/* "$" is the stream's last ID. */
static bool parse_group_id(struct exec *ex, const struct stream *s, bool strict,
                           struct stream_id *out)
{
    struct slice text = ex->argv[4];
    char c = text.len == 1 ? text.ptr[0] : 0;
    *out = c == '$' && s ? s->last_id : c == '+' ? STREAM_ID_MAX : STREAM_ID_MIN;
    if (c == '$' || (!strict && (c == '-' || c == '+')))
        return true;
    return arg_stream_id(ex, 4, 0, out);
}

static bool find_stream(struct exec *ex, struct ref *ref, bool may_miss)
{
    if (!find_typed(ex, 0, TYPE_STREAM, ref))
        return false;
    if (ref->entry || may_miss)
        return true;
    return fail(ex, "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you "
                    "may want to use the MKSTREAM option to create an empty stream "
                    "automatically.");
}

/* NULL: the error has been answered. */
static struct stream_group *find_group(struct exec *ex, struct ref *ref)
{
    if (!find_stream(ex, ref, false))
        return NULL;
    struct slice key = ex->argv[2], name = ex->argv[3];
    struct stream_group *g = stream_group_find(stream_of(ref->entry), name);
    if (!g)
        reply_errorf(ex->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                     (int)name.len, name.ptr, (int)key.len, key.ptr);
    return g;
}

void cmd_xgroup_create(struct exec *ex)
{
    struct group_args a;
    struct ref ref;
    struct stream_id id;
    if (!parse_group(ex, true, &a) || !find_stream(ex, &ref, a.make_stream))
        return;
    if (ex->argc > 8) {
        help_fail_subcommand(ex);
        return;
    }
    struct stream *s = ref.entry ? stream_of(ref.entry) : NULL;
    if (!parse_group_id(ex, s, true, &id))
        return;
    if (s && stream_group_find(s, ex->argv[3])) {
        fail(ex, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    if (s)
        txn_edit(ex->txn, &ref);
    else
        txn_add(ex->txn, &ref, TYPE_STREAM, ENC_STREAM, stream_create());
    stream_group_add(stream_of(ref.entry), ex->argv[3], id, a.entries_read);
    if (s)
        txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_CREATE);
    else
        txn_commit(ex->txn, &ref, EVENT_XGROUP_CREATE);
    reply_ok(ex->reply);
}

void cmd_xgroup_setid(struct exec *ex)
{
    struct group_args a;
    struct ref ref;
    struct stream_id id;
    struct stream_group *g;
    if (!parse_group(ex, false, &a) || !(g = find_group(ex, &ref)))
        return;
    if (ex->argc > 7) {
        help_fail_subcommand(ex);
        return;
    }
    if (!parse_group_id(ex, stream_of(ref.entry), false, &id))
        return;
    txn_edit(ex->txn, &ref);
    g->last_id = id;
    g->entries_read = a.entries_read;
    txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_SETID);
    reply_ok(ex->reply);
}

void cmd_xgroup_destroy(struct exec *ex)
{
    struct ref ref;
    if (!find_stream(ex, &ref, false))
        return;
    struct stream_group *g = stream_group_find(stream_of(ref.entry), ex->argv[3]);
    if (g) {
        if (defer_edit(ex, g->pending_count * COST_MEMBER))
            return;
        txn_edit(ex->txn, &ref);
        stream_group_remove(stream_of(ref.entry), g);
        txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_DESTROY);
    }
    reply_int(ex->reply, g != NULL);
}

void cmd_xgroup_createconsumer(struct exec *ex)
{
    struct ref ref;
    bool added;
    struct stream_group *g = find_group(ex, &ref);
    if (!g)
        return;
    txn_edit(ex->txn, &ref);
    stream_consumer_get(g, ex->argv[4], ex->txn->now_ms, &added);
    if (added)
        txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_CREATECONSUMER);
    reply_int(ex->reply, added);
}

void cmd_xgroup_delconsumer(struct exec *ex)
{
    struct ref ref;
    size_t pending = 0;
    struct stream_group *g = find_group(ex, &ref);
    if (!g)
        return;
    struct stream_consumer *c = stream_consumer_find(g, ex->argv[4]);
    if (c) {
        if (defer_edit(ex, c->pending_count * COST_MEMBER))
            return;
        txn_edit(ex->txn, &ref);
        pending = c->pending_count;
        stream_consumer_remove(g, c);
        txn_commit_unwatched(ex->txn, &ref, EVENT_XGROUP_DELCONSUMER);
    }
    reply_int(ex->reply, (int64_t)pending);
}

void cmd_xgroup_help(struct exec *ex)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a consumer group that reads from behind an ID. Options:",
        "    * MKSTREAM",
        "      Make an empty stream when there is none.",
        "    * ENTRIESREAD entries_read",
        "      Set how many entries the group has read.",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer in a group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Delete a consumer with its pending entries.",
        "DESTROY <key> <groupname>",
        "    Delete a group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set how far a group has read.",
        NULL,
    };
    reply_help(ex, lines);
}

void cmd_xack(struct exec *ex)
{
    struct ref ref;
    struct stream_id id;
    int64_t acknowledged = 0;
    if (!read_typed(ex, 0, TYPE_STREAM, &ref)) /* a read for statistics, as in Redis */
        return;
    struct stream_group *g =
        ref.entry ? stream_group_find(stream_of(ref.entry), ex->argv[2]) : NULL;
    if (!g) {
        reply_int(ex->reply, 0);
        return;
    }
    if (!arg_stream_ids(ex, 3) || defer_edit(ex, (uint64_t)(ex->argc - 3) * COST_MEMBER))
        return;
    txn_edit(ex->txn, &ref);
    for (uint32_t i = 3; i < ex->argc; i++) {
        struct stream_pending *p =
            stream_id_parse(ex->argv[i], 0, &id, NULL) ? stream_pending_find(g, id) : NULL;
        if (p) {
            stream_pending_remove(g, p);
            acknowledged++;
        }
    }
    if (acknowledged)
        txn_commit_unwatched(ex->txn, &ref, EVENT_NONE);
    reply_int(ex->reply, acknowledged);
}
