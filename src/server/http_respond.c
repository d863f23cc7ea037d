/* Responses: heads, errors, and replies as JSON. */
#include "base/clock.h"
#include "base/num.h"
#include "server/http_internal.h"

#include <time.h>

enum {
    DATE_LEN = 29
};

const struct http_notes http_no_notes = {.ttl_ms = -1};

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

/* Formatted once a second. */
static struct slice date_text(void)
{
    static _Thread_local char text[DATE_LEN + 1];
    static _Thread_local int64_t at_s;
    int64_t now_s = clock_wall_ms() / 1000;
    if (now_s != at_s) {
        struct tm tm;
        time_t t = (time_t)now_s;
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        at_s = now_s;
    }
    return slice_make(text, DATE_LEN);
}

static void put_number(struct buf *b, uint64_t n)
{
    buf_advance(b, num_format_uint64(buf_reserve(b, NUM_INT64_MAX_LEN), n));
}

static void put_literal(struct buf *b, struct slice text)
{
    buf_append(b, text.ptr, text.len);
}

static void put_notes(struct buf *b, const struct http_notes *notes)
{
    if (notes->etag.len) {
        put_literal(b, SLICE("ETag: \""));
        put_literal(b, notes->etag);
        put_literal(b, SLICE("\"\r\n"));
    }
    if (notes->ttl_ms >= 0) {
        put_literal(b, SLICE("X-TTL-Ms: "));
        put_number(b, (uint64_t)notes->ttl_ms);
        put_literal(b, SLICE("\r\nX-TTL: "));
        put_number(b, (uint64_t)(notes->ttl_ms + 999) / 1000);
        put_literal(b, SLICE("\r\n"));
    }
    if (notes->allow)
        buf_printf(b, "Allow: %s\r\n", notes->allow);
    if (notes->lines)
        buf_puts(b, notes->lines);
}

static void put_status(struct buf *b, int status, const char *cache)
{
    if (likely(status == 200)) {
        put_literal(b, SLICE("HTTP/1.1 200 OK\r\nDate: "));
    } else {
        buf_printf(b, "HTTP/1.1 %d %s\r\nDate: ", status, reason_of(status));
    }
    put_literal(b, date_text());
    if (status == 401)
        put_literal(b, SLICE("\r\nWWW-Authenticate: Bearer realm=\"tokamak\""));
    if (likely(!cache))
        put_literal(b, SLICE("\r\nCache-Control: no-store"));
    else
        buf_printf(b, "\r\nCache-Control: %s", cache);
    put_literal(b, SLICE("\r\nX-Content-Type-Options: nosniff\r\n"));
}

static void put_length(struct buf *b, int status, const char *type, size_t length)
{
    if (status == 204 || status == 304)
        return;
    buf_puts(b, "Content-Type: ");
    buf_puts(b, type);
    put_literal(b, SLICE("\r\nContent-Length: "));
    put_number(b, length);
    put_literal(b, SLICE("\r\n"));
}

/* What the connection does behind the response. */
static bool stays_open(const struct exchange *x)
{
    bool unread = slice_equal(x->message[HTTP_STAGE], SLICE("head"));
    return !unread && x->conn->state == CONN_OPEN &&
           slice_equal(x->message[HTTP_PERSISTENCE], SLICE("keep-alive"));
}

static void put_head(struct exchange *x, int status, const char *type, size_t length,
                     const struct http_notes *notes)
{
    struct buf *b = &x->out->bytes;
    put_status(b, status, notes->cache);
    put_length(b, status, type, length);
    put_notes(b, notes);
    if (!stays_open(x))
        put_literal(b, SLICE("Connection: close\r\n"));
    else if (x->message[HTTP_VERSION].ptr[2] == '0')
        put_literal(b, SLICE("Connection: keep-alive\r\n"));
    put_literal(b, SLICE("\r\n"));
}

void http_end_body(struct exchange *x)
{
    if (!stays_open(x))
        conn_close_after_flush(x->conn);
}

void http_begin_body(struct exchange *x, const char *type, size_t length)
{
    struct net_thread *t = x->conn->thread;
    t->reply_lsn = MAX(t->reply_lsn, x->client->lsn);
    put_head(x, 200, type, length, &http_no_notes);
}

void http_put_head(struct exchange *x, int status, const char *type, size_t length,
                   const struct http_notes *notes)
{
    put_head(x, status, type, length, notes);
    http_end_body(x);
}

void http_respond(struct exchange *x, int status, const char *type, struct slice body)
{
    http_put_head(x, status, type, body.len, &http_no_notes);
    if (!http_method_is(x, "HEAD"))
        buf_append(&x->out->bytes, body.ptr, body.len);
}

enum http_step http_fail(struct exchange *x, int status, const char *error)
{
    struct buf body;
    buf_init(&body, MEM_CLIENT);
    buf_puts(&body, "{\"error\":");
    json_put_string(&body, slice_cstr(error));
    buf_putc(&body, '}');
    http_respond(x, status, "application/json", buf_slice(&body));
    buf_deinit(&body);
    return HTTP_ANSWERED;
}

/* Before anything is known of a message: one response, and the end. */
void http_put_refusal(struct buf *out, int status, const char *error)
{
    struct buf body;
    buf_init(&body, MEM_CLIENT);
    buf_puts(&body, "{\"error\":");
    json_put_string(&body, slice_cstr(error));
    buf_putc(&body, '}');
    put_status(out, status, NULL);
    put_length(out, status, "application/json", buf_len(&body));
    put_literal(out, SLICE("Connection: close\r\n\r\n"));
    put_literal(out, buf_slice(&body));
    buf_deinit(&body);
}

void http_protocol_error(struct conn *c, struct output *out)
{
    if (!client_http(c)->streams)
        http_put_refusal(&out->bytes, c->parser.status, c->parser.error);
}

int http_status_of(struct slice error)
{
    static const struct {
        const char *code;
        int status;
    } codes[] = {
        {"NOAUTH ", 401},  {"WRONGPASS ", 401}, {"NOPERM ", 403}, {"LOADING ", 503},
        {"MISCONF ", 503}, {"BUSY ", 503},      {"OOM ", 507},    {"WRONGTYPE ", 409},
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        size_t len = strlen(codes[i].code);
        if (error.len >= len && memcmp(error.ptr, codes[i].code, len) == 0)
            return codes[i].status;
    }
    return 400;
}

struct slice http_flatten(struct http_client *h, struct buf *flat)
{
    const struct output *o = &h->replies;
    size_t at = 0;
    if (!o->ref_count)
        return buf_slice(&o->bytes);
    for (uint32_t i = 0; i < o->ref_count; i++) {
        buf_append(flat, buf_ptr(&o->bytes) + at, o->refs[i].at - at);
        buf_append(flat, o->refs[i].blob->bytes, o->refs[i].blob->len);
        at = o->refs[i].at;
    }
    buf_append(flat, buf_ptr(&o->bytes) + at, buf_len(&o->bytes) - at);
    return buf_slice(flat);
}

static int json_status(struct slice reply)
{
    if (*reply.ptr != '-')
        return 200;
    int status = http_status_of(slice_make(reply.ptr + 1, reply.len - 1));
    return status == 409 ? 400 : status; /* the SDK's servers answer so */
}

static int put_one(struct exchange *x, struct buf *body, struct slice *rest)
{
    int status = json_status(*rest);
    json_put_reply(body, rest, x->base64, true);
    return status;
}

static int put_many(struct exchange *x, struct buf *body, struct slice *rest, int64_t count)
{
    buf_putc(body, '[');
    for (int64_t i = 0; i < count; i++) {
        if (i)
            buf_putc(body, ',');
        if (rest->len)
            json_put_reply(body, rest, x->base64, true);
        else
            buf_puts(body, "{\"error\":\"ERR the connection is closing\"}");
    }
    buf_putc(body, ']');
    return 200;
}

/* Behind MULTI's and all the QUEUED: EXEC's. */
static int put_exec(struct exchange *x, struct buf *body, struct slice *rest)
{
    struct buf skipped;
    int64_t count = 0;
    buf_init(&skipped, MEM_CLIENT);
    for (uint32_t i = 1; i < x->client->done; i++)
        json_put_reply(&skipped, rest, false, false);
    buf_deinit(&skipped);
    const char *end = rest->len ? memchr(rest->ptr, '\r', rest->len) : NULL;
    if (!end || *rest->ptr != '*' ||
        !num_parse_int64(slice_make(rest->ptr + 1, (size_t)(end - rest->ptr) - 1), &count) ||
        count < 0)
        return put_one(x, body, rest);
    *rest = slice_make(end + 2, rest->len - (size_t)(end - rest->ptr) - 2);
    return put_many(x, body, rest, count);
}

static void respond_json(struct exchange *x)
{
    struct buf body, flat;
    int status;
    buf_init(&body, MEM_CLIENT);
    buf_init(&flat, MEM_CLIENT);
    struct slice rest = http_flatten(x->client, &flat);
    if (!rest.len) {
        status = 503;
        buf_puts(&body, "{\"error\":\"ERR the connection is closing\"}");
    } else if (x->form == HTTP_MANY) {
        status = put_many(x, &body, &rest, x->commands.count);
    } else if (x->form == HTTP_EXEC) {
        status = put_exec(x, &body, &rest);
    } else {
        status = put_one(x, &body, &rest);
    }
    http_respond(x, status, "application/json", buf_slice(&body));
    buf_deinit(&flat);
    buf_deinit(&body);
}

enum http_step http_respond_replies(struct exchange *x)
{
    switch (x->form) {
    case HTTP_KV:
        http_kv_respond(x);
        break;
    case HTTP_METRICS:
        return http_metrics(x);
    case HTTP_STREAM:
        http_stream_respond(x);
        break;
    default:
        respond_json(x);
    }
    return HTTP_ANSWERED;
}
