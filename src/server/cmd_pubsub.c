/* SUBSCRIBE and its family, PUBLISH, PUBSUB. A command may have several replies, one for each
 * channel it names; with the frame protocol each is a frame of its own. Inside EXEC, where that
 * would break the frame of the whole, they are one array. */
#include "cmd/help.h"
#include "server/server_internal.h"

struct confirmations { /* the replies of one command */
    struct exec *ex;
    struct subscriber *subscriber;
    enum pubsub_kind kind;
    bool joins;
    struct output_mark array; /* frame protocol inside EXEC */
    bool in_array;
    size_t sent;
};

static struct confirmations begin_replies(struct exec *ex, enum pubsub_kind kind, bool joins)
{
    struct confirmations c = {.ex = ex, .kind = kind, .joins = joins};
    c.subscriber = client_subscriber(exec_thread(ex)->current);
    c.in_array = ex->in_exec && ex->reply->proto == REPLY_FRAME;
    if (c.in_array)
        c.array = reply_defer(ex->reply);
    return c;
}

/* A further frame: between the replies of one command others may be delivered. */
static void next_reply(struct confirmations *c)
{
    if (!c->sent || c->in_array)
        return;
    reply_end(c->ex->reply);
    reply_begin(c->ex->reply);
}

/* name.ptr NULL: there was nothing to unsubscribe from. */
static void confirm(struct confirmations *c, struct slice name)
{
    static const char *const words[][PUBSUB_KINDS] = {
        {"unsubscribe", "punsubscribe", "sunsubscribe"}, {"subscribe", "psubscribe", "ssubscribe"}};

    struct reply *r = c->ex->reply;
    const uint32_t *count = c->subscriber->count;
    reply_push(r, 3);
    reply_bulk_cstr(r, words[c->joins][c->kind]);
    if (name.ptr)
        reply_bulk(r, name);
    else
        reply_null(r);
    reply_int(r, c->kind == PUBSUB_SHARD ? count[PUBSUB_SHARD]
                                         : count[PUBSUB_CHANNEL] + count[PUBSUB_PATTERN]);
    c->sent++;
}

/* Like all pushes, these are sent whatever CLIENT REPLY says. */
static void end_replies(struct confirmations *c)
{
    struct server_thread *t = exec_thread(c->ex);
    if (c->in_array)
        reply_defer_end(c->ex->reply, c->array, REPLY_ARRAY, c->sent);
    else if (c->ex->reply->proto != REPLY_FRAME)
        t->mark = output_mark(c->ex->reply->out);
}

static void change_one(struct confirmations *c, struct slice name)
{
    next_reply(c);
    if (c->joins)
        push_subscribe(c->subscriber, c->kind, name);
    else
        push_unsubscribe(c->ex, c->subscriber, c->kind, name);
    confirm(c, name);
}

static void leave_all(struct confirmations *c)
{
    struct subscription *n;
    struct buf name; /* it goes away with the last subscription */
    buf_init(&name, MEM_CLIENT);
    while ((n = c->subscriber->first[c->kind])) {
        buf_clear(&name);
        buf_append(&name, n->topic->name, n->topic->len);
        change_one(c, slice_make(n->topic->len ? buf_ptr(&name) : "", n->topic->len));
    }
    buf_deinit(&name);
    if (!c->sent)
        confirm(c, (struct slice){0});
}

static void change(struct exec *ex, enum pubsub_kind kind, bool joins)
{
    struct confirmations c = begin_replies(ex, kind, joins);
    for (uint32_t i = 1; i < ex->argc; i++)
        change_one(&c, ex->argv[i]);
    if (ex->argc == 1)
        leave_all(&c);
    end_replies(&c);
}

void cmd_subscribe(struct exec *ex)
{
    change(ex, PUBSUB_CHANNEL, true);
}

void cmd_psubscribe(struct exec *ex)
{
    change(ex, PUBSUB_PATTERN, true);
}

void cmd_ssubscribe(struct exec *ex)
{
    change(ex, PUBSUB_SHARD, true);
}

void cmd_unsubscribe(struct exec *ex)
{
    change(ex, PUBSUB_CHANNEL, false);
}

void cmd_punsubscribe(struct exec *ex)
{
    change(ex, PUBSUB_PATTERN, false);
}

void cmd_sunsubscribe(struct exec *ex)
{
    change(ex, PUBSUB_SHARD, false);
}

static void publish(struct exec *ex, enum pubsub_kind kind)
{
    if (ex->in_exec) /* what EXEC or the script changes gets its record when it ends */
        push_defer(ex->txn);
    reply_int(ex->reply, (int64_t)push_publish(exec_thread(ex), kind, ex->argv[1], ex->argv[2]));
    if (ex->in_exec)
        push_defer_end(ex->txn);
}

void cmd_publish(struct exec *ex)
{
    publish(ex, PUBSUB_CHANNEL);
}

void cmd_spublish(struct exec *ex)
{
    publish(ex, PUBSUB_SHARD);
}

/* ---- PUBSUB ---- */

static struct pubsub *pubsub_of(struct exec *ex)
{
    return &exec_thread(ex)->server->pubsub;
}

static void list_channels(struct exec *ex, enum pubsub_kind kind)
{
    if (ex->argc > 3) {
        help_fail_subcommand(ex);
        return;
    }
    struct slice pattern = ex->argc == 3 ? ex->argv[2] : (struct slice){0};
    pubsub_reply_channels(pubsub_of(ex), kind, pattern, ex->reply);
}

static void list_counts(struct exec *ex, enum pubsub_kind kind)
{
    reply_array(ex->reply, 2 * (size_t)(ex->argc - 2));
    for (uint32_t i = 2; i < ex->argc; i++) {
        reply_bulk(ex->reply, ex->argv[i]);
        reply_int(ex->reply, (int64_t)pubsub_subscribers(pubsub_of(ex), kind, ex->argv[i]));
    }
}

void cmd_pubsub_channels(struct exec *ex)
{
    list_channels(ex, PUBSUB_CHANNEL);
}

void cmd_pubsub_shardchannels(struct exec *ex)
{
    list_channels(ex, PUBSUB_SHARD);
}

void cmd_pubsub_numsub(struct exec *ex)
{
    list_counts(ex, PUBSUB_CHANNEL);
}

void cmd_pubsub_shardnumsub(struct exec *ex)
{
    list_counts(ex, PUBSUB_SHARD);
}

void cmd_pubsub_numpat(struct exec *ex)
{
    reply_int(ex->reply, (int64_t)pubsub_count(pubsub_of(ex), PUBSUB_PATTERN));
}

void cmd_pubsub_help(struct exec *ex)
{
    help_reply(ex);
}
