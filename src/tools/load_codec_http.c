/* HTTP/1.1 with keep-alive: GET and PUT of /kv/{key} for the two simple commands, POST / with a
 * JSON array of arguments for all others. */
#include "base/num.h"

#include <strings.h>

#include "tools/load_codec.h"

/* What stands for itself in a path and within a JSON string. */
static bool plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && !memchr("-._~:", c, 5))
            return false;
    }
    return text.len > 0;
}

static void common_headers(struct buf *out, const char *token)
{
    buf_puts(out, " HTTP/1.1\r\nHost: localhost\r\n");
    if (token)
        buf_printf(out, "Authorization: Bearer %s\r\n", token);
}

static void put_key(struct buf *out, const char *method, struct slice key, const char *token,
                    size_t *at)
{
    buf_printf(out, "%s /kv/", method);
    at[1] = buf_len(out);
    buf_append(out, key.ptr, key.len);
    common_headers(out, token);
}

static enum err encode_json(struct buf *out, const struct slice *argv, uint32_t argc,
                            const char *token, size_t *at)
{
    size_t length = 2 + argc - 1;
    for (uint32_t i = 0; i < argc; i++) {
        if (argv[i].len && !plain(argv[i]))
            return ERR_LIMIT;
        length += argv[i].len + 2;
    }
    buf_puts(out, "POST /");
    common_headers(out, token);
    buf_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n[", length);
    for (uint32_t i = 0; i < argc; i++) {
        buf_puts(out, i ? ",\"" : "\"");
        at[i] = buf_len(out);
        buf_append(out, argv[i].ptr, argv[i].len);
        buf_putc(out, '"');
    }
    buf_putc(out, ']');
    return OK;
}

enum err load_http_encode(struct buf *out, const struct slice *argv, uint32_t argc,
                          const char *token, size_t *at)
{
    for (uint32_t i = 0; i < argc; i++)
        at[i] = SIZE_MAX;
    if (argc == 2 && slice_is(argv[0], "get") && plain(argv[1])) {
        put_key(out, "GET", argv[1], token, at);
        buf_puts(out, "\r\n");
        return OK;
    }
    if (argc == 3 && slice_is(argv[0], "set") && plain(argv[1])) {
        put_key(out, "PUT", argv[1], token, at);
        buf_printf(out, "Content-Length: %zu\r\n\r\n", argv[2].len);
        at[2] = buf_len(out);
        buf_append(out, argv[2].ptr, argv[2].len);
        return OK;
    }
    return encode_json(out, argv, argc, token, at);
}

/* The value of a header, given with its colon; false: there is none. */
static bool find_header(struct slice head, const char *name, struct slice *value)
{
    size_t len = strlen(name);
    const char *end = head.ptr + head.len;
    for (const char *line = head.ptr; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        next = next ? next + 1 : end;
        if ((size_t)(next - line) > len && strncasecmp(line, name, len) == 0) {
            const char *from = line + len, *to = next;
            while (from < to && *from == ' ')
                from++;
            while (to > from && (to[-1] == '\n' || to[-1] == '\r' || to[-1] == ' '))
                to--;
            *value = slice_make(from, (size_t)(to - from));
            return true;
        }
        line = next;
    }
    return false;
}

/* Answers to these requests say how long they are; one that does not would last until the
 * connection ends, and is as bad as one that is no HTTP. */
enum load_reply_kind load_http_reply(struct slice data, size_t *size, struct slice *text)
{
    enum {
        STATUS_LINE = 12
    }; /* "HTTP/1.1 200" */

    if (data.len < STATUS_LINE)
        return LOAD_INCOMPLETE;
    if (memcmp(data.ptr, "HTTP/1.", 7) != 0)
        return LOAD_BROKEN;
    const char *end = memmem(data.ptr, data.len, "\r\n\r\n", 4);
    if (!end)
        return LOAD_INCOMPLETE;
    struct slice head = slice_make(data.ptr, (size_t)(end + 2 - data.ptr)), value = {0};
    const char *status = data.ptr + 9;
    uint64_t length = 0;
    if (find_header(head, "Content-Length:", &value) &&
        (!num_parse_uint64(value, &length) || length > INT64_MAX / 2))
        return LOAD_BROKEN;
    if (!value.ptr && memcmp(status, "204", 3) != 0)
        return LOAD_BROKEN;
    *size = head.len + 2 + (size_t)length;
    if (data.len < *size)
        return LOAD_INCOMPLETE;
    *text = slice_make(end + 4, (size_t)length);
    if (*status == '2')
        return LOAD_VALUE;
    return memcmp(status, "404", 3) == 0 ? LOAD_NIL : LOAD_ERROR;
}
