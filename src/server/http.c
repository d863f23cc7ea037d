#include "server/http_internal.h"

/* ---- messages that do their work in parts take turns ---- */

static void leave_turns(struct server_thread *t, struct http_client *h)
{
    *h->turn_link = h->next_turn;
    if (h->next_turn)
        h->next_turn->turn_link = h->turn_link;
    else
        t->last_turn = h->turn_link;
    h->turn_link = NULL;
}

enum http_step http_go_on_later(struct exchange *x)
{
    struct server_thread *t = thread_of(x->conn);
    struct http_client *h = x->client;
    h->next_turn = NULL;
    h->turn_link = t->last_turn;
    *t->last_turn = h;
    t->last_turn = &h->next_turn;
    t->net.reactor.again = true;
    conn_leave(x->conn);
    return HTTP_LATER;
}

void http_turn(struct server_thread *t)
{
    struct http_client *h = t->turns;
    leave_turns(t, h);
    if (t->turns)
        t->net.reactor.again = true;
    conn_return(h->conn);
}

/* ---- life ---- */

struct http_client *http_client_create(struct conn *c)
{
    struct http_client *h = mem_zalloc(MEM_CLIENT, sizeof(*h));
    h->conn = c;
    output_init(&h->replies);
    buf_init(&h->credential, MEM_CLIENT);
    json_commands_init(&h->commands);
    return h;
}

void http_client_destroy(struct http_client *h)
{
    if (!h)
        return;
    if (h->turn_link)
        leave_turns(thread_of(h->conn), h);
    http_scrape_destroy(h->scrape);
    output_deinit(&h->replies);
    buf_deinit(&h->credential);
    json_commands_deinit(&h->commands);
    acl_user_unref(h->own);
    mem_free(MEM_CLIENT, h, sizeof(*h));
}

void http_client_own(struct http_client *h, struct acl_user *user)
{
    h->own = acl_user_ref(user);
}

void http_answered_later(struct http_client *h, uint64_t lsn)
{
    h->lsn = MAX(h->lsn, lsn);
    conn_gather(h->conn, output_len(&h->replies));
}

/* ---- running the commands ---- */

/* The next commands as requests; returns how many. */
static uint32_t make_requests(const struct exchange *x, uint32_t limit, struct request *requests)
{
    const struct json_commands *c = &x->commands;
    uint32_t done = x->client->done, count = MIN(c->count - done, limit);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t begin = done + i ? c->ends[done + i - 1] : 0, end = c->ends[done + i];
        requests[i] = (struct request){.argv = c->args + begin, .argc = end - begin};
        for (uint32_t a = begin; a < end; a++)
            requests[i].bytes += c->args[a].len;
    }
    return count;
}

/* Without its MULTI the commands of a transaction must not run. */
static bool has_begun(const struct exchange *x)
{
    static const char ok[] = "+OK\r\n";
    const struct buf *replies = &x->client->replies.bytes;
    return x->form != HTTP_EXEC || x->client->done == 0 ||
           (buf_len(replies) >= sizeof(ok) - 1 &&
            memcmp(buf_ptr(replies), ok, sizeof(ok) - 1) == 0);
}

/* As any client that passes its limit, but told why; half a transaction ends with the connection.
 */
static enum http_step fail_too_long(struct exchange *x)
{
    stat_bump(&x->conn->thread->counters.limit_closed, 1);
    conn_close_after_flush(x->conn);
    return http_fail(x, 507, "ERR the replies are longer than client-output-buffer-limit allows");
}

static enum http_step run_commands(struct exchange *x)
{
    struct request requests[LIMIT_BATCH_REQUESTS];
    struct http_client *h = x->client;
    struct conn *c = x->conn;
    struct reply *reply = &thread_of(c)->reply;
    while (h->done < x->commands.count && has_begun(x)) {
        bool alone = x->form == HTTP_EXEC && h->done == 0;
        uint32_t count = make_requests(x, alone ? 1 : LIMIT_BATCH_REQUESTS, requests);
        reply->left_ms = x->form == HTTP_KV ? &h->left_ms : NULL;
        h->done += dispatch(c, requests, count, &h->replies);
        reply->left_ms = NULL;
        h->lsn = MAX(h->lsn, c->thread->reply_lsn);
        if (c->state != CONN_OPEN)
            break;
        if (!conn_allows(c, output_len(&h->replies)))
            return fail_too_long(x);
        if (c->blocked || c->away || c->parked || c->held)
            return HTTP_LATER;
    }
    return HTTP_GO_ON;
}

/* ---- one message ---- */

static void exchange_init(struct exchange *x, struct conn *c, const struct slice *message,
                          struct output *out)
{
    struct slice target = message[HTTP_TARGET];
    const char *mark = memchr(target.ptr, '?', target.len);
    size_t path = mark ? (size_t)(mark - target.ptr) : target.len;
    *x = (struct exchange){.conn = c, .client = client_http(c), .out = out, .message = message};
    x->path = slice_make(target.ptr, path);
    x->query = mark ? slice_make(mark + 1, target.len - path - 1) : SLICE("");
    x->base64 = slice_is(message[HTTP_ENCODING], "base64");
    x->commands = x->client->commands;
    x->form = x->client->form;
    json_commands_init(&x->client->commands);
}

/* For when the message is given again. */
static void keep_message(const struct exchange *x)
{
    struct http_client *h = x->client;
    h->commands = x->commands;
    h->form = x->form;
    conn_gather(x->conn, output_len(&h->replies) + http_scrape_bytes(h->scrape));
}

/* The body is still to come, and welcome. */
static enum http_step ask_for_body(struct exchange *x)
{
    if (x->message[HTTP_EXPECT].ptr && x->message[HTTP_VERSION].ptr[2] == '1')
        buf_puts(&x->out->bytes, "HTTP/1.1 100 Continue\r\n\r\n");
    return HTTP_ANSWERED;
}

static enum http_step run_message(struct exchange *x)
{
    enum http_step step = http_guard(x);
    if (step == HTTP_GO_ON)
        step = http_open_door(x);
    if (step == HTTP_GO_ON)
        step = http_login(x);
    if (step != HTTP_GO_ON)
        return step;
    if (slice_equal(x->message[HTTP_STAGE], SLICE("head")))
        return ask_for_body(x);
    step = http_route(x);
    if (step == HTTP_GO_ON)
        step = run_commands(x);
    return step == HTTP_GO_ON ? http_respond_replies(x) : step;
}

/* The next message begins anew. */
static void finish_message(struct conn *c)
{
    struct http_client *h = client_http(c);
    c->thread->reply_lsn = MAX(c->thread->reply_lsn, h->lsn);
    output_deinit(&h->replies);
    output_init(&h->replies);
    conn_gather(c, 0);
    h->done = 0;
    h->lsn = 0;
}

uint32_t http_execute(struct conn *c, struct request *requests, uint32_t count, struct output *out)
{
    uint32_t at = 0;
    for (; at < count && c->state == CONN_OPEN; at++) {
        struct exchange x;
        if (client_http(c)->streams)
            continue; /* nobody listens to it any more */
        exchange_init(&x, c, requests[at].argv, out);
        if (run_message(&x) == HTTP_LATER) {
            keep_message(&x);
            break;
        }
        json_commands_deinit(&x.commands);
        finish_message(c);
    }
    return at;
}
