/* Server-sent events (html.spec.whatwg.org, 9.2): each push is an event whose data is the push's
 * parts with commas between them, as Upstash's servers send it. */
#include "base/num.h"
#include "server/http_internal.h"

/* Takes the line at the front, without its end. */
static struct slice take_line(struct slice *rest)
{
    size_t len = 0;
    while (len + 1 < rest->len && rest->ptr[len] != '\r')
        len++;
    struct slice line = slice_make(rest->ptr, len);
    size_t used = MIN(len + 2, rest->len);
    *rest = slice_make(rest->ptr + used, rest->len - used);
    return line;
}

/* A line of data ends at each line end: the reader puts them together again. */
static void put_data(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\r' || c == '\n') {
            buf_puts(out, "\ndata: ");
            i += c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n';
        } else {
            buf_putc(out, c);
        }
    }
}

static void put_part(struct buf *out, struct slice *rest)
{
    struct slice line = take_line(rest), text = slice_make(line.ptr + 1, line.len - 1);
    int64_t len;
    if (*line.ptr != '$') {
        put_data(out, text);
        return;
    }
    if (!num_parse_int64(text, &len) || len < 0)
        return;
    put_data(out, slice_make(rest->ptr, (size_t)len));
    *rest = slice_make(rest->ptr + len + 2, rest->len - (size_t)len - 2);
}

static void put_event(struct buf *out, struct slice *rest)
{
    int64_t parts = 1;
    if (*rest->ptr == '*') {
        struct slice line = take_line(rest);
        if (!num_parse_int64(slice_make(line.ptr + 1, line.len - 1), &parts))
            return;
    }
    buf_puts(out, "data: ");
    for (int64_t i = 0; i < parts && rest->len; i++) {
        if (i)
            buf_putc(out, ',');
        put_part(out, rest);
    }
    buf_puts(out, "\n\n");
}

static void put_events(struct buf *out, struct slice rest)
{
    while (rest.len)
        put_event(out, &rest);
}

struct blob *http_events(const struct http_client *h, struct slice push)
{
    struct buf out;
    if (!h->streams)
        return NULL;
    buf_init(&out, MEM_CLIENT);
    put_events(&out, push);
    struct blob *b = blob_create(buf_len(&out), buf_len(&out));
    memcpy(b->bytes, buf_ptr(&out), b->len);
    buf_deinit(&out);
    return b;
}

/* Its length is nobody's to know: it ends with the connection. */
void http_stream_respond(struct exchange *x)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                               "Connection: close\r\n\r\n";
    struct http_client *h = x->client;
    struct slice replies = buf_slice(&h->replies.bytes);
    if (!replies.len || *replies.ptr == '-') {
        struct slice rest = replies, line = replies.len ? take_line(&rest) : SLICE("-ERR closing");
        char text[256];
        size_t len = MIN(line.len - 1, sizeof(text) - 1);
        snprintf(text, sizeof(text), "%.*s", (int)len, line.ptr + 1);
        http_fail(x, http_status_of(slice_cstr(text)), text);
        return;
    }
    h->streams = true;
    buf_puts(&x->out->bytes, head);
    put_events(&x->out->bytes, replies);
}
