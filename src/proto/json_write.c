/* Replies into JSON. */
#include "base/assert.h"
#include "base/num.h"
#include "base/utf8.h"
#include "proto/json.h"

static void put_escaped(struct buf *out, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        buf_putc(out, '\\');
        buf_putc(out, to[found - from]);
        return;
    }
    buf_puts(out, "\\u00");
    buf_putc(out, hex[c >> 4]);
    buf_putc(out, hex[c & 15]);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void json_put_string(struct buf *out, struct slice s)
{
    buf_putc(out, '"');
    while (s.len) {
        size_t plain = 0;
        while (plain < s.len && is_plain((unsigned char)s.ptr[plain]))
            plain++;
        buf_append(out, s.ptr, plain);
        s = slice_make(s.ptr + plain, s.len - plain);
        if (!s.len)
            break;
        size_t len = utf8_sequence(s);
        if (len > 1)
            buf_append(out, s.ptr, len);
        else if (len == 1)
            put_escaped(out, (unsigned char)*s.ptr);
        else
            buf_puts(out, "\xef\xbf\xbd");
        len = MAX(len, (size_t)1);
        s = slice_make(s.ptr + len, s.len - len);
    }
    buf_putc(out, '"');
}

void json_put_base64(struct buf *out, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = buf_reserve(out, (s.len + 2) / 3 * 4 + 2), *start = to;
    const unsigned char *p = (const unsigned char *)s.ptr;
    *to++ = '"';
    for (size_t i = 0; i < s.len; i += 3) {
        size_t left = s.len - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0u);
        *to++ = digits[bits >> 18];
        *to++ = digits[bits >> 12 & 63];
        *to++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[bits & 63] : '=';
    }
    *to++ = '"';
    buf_advance(out, (size_t)(to - start));
}

/* The line at the front, without its end. Our own replies are always whole. */
static struct slice take_line(struct slice *rest)
{
    const char *end = memchr(rest->ptr, '\r', rest->len);
    ASSERT(end);
    struct slice line = slice_make(rest->ptr, (size_t)(end - rest->ptr));
    *rest = slice_make(end + 2, rest->len - line.len - 2);
    return line;
}

static int64_t length_of(struct slice line)
{
    int64_t n = 0;
    bool ok = num_parse_int64(slice_make(line.ptr + 1, line.len - 1), &n);
    ASSERT(ok);
    return n;
}

static void put_text(struct buf *out, struct slice s, bool base64)
{
    if (base64)
        json_put_base64(out, s);
    else
        json_put_string(out, s);
}

/* Everything but an array; `line` is its first. */
static void put_scalar(struct buf *out, struct slice line, struct slice *rest, bool base64)
{
    struct slice text = slice_make(line.ptr + 1, line.len - 1);
    if (*line.ptr == ':') {
        buf_append(out, text.ptr, text.len);
    } else if (*line.ptr == '$') {
        int64_t len = length_of(line);
        if (len < 0) {
            buf_puts(out, "null");
            return;
        }
        put_text(out, slice_make(rest->ptr, (size_t)len), base64);
        *rest = slice_make(rest->ptr + len + 2, rest->len - (size_t)len - 2);
    } else {
        bool plain = *line.ptr == '-' || slice_equal(text, SLICE("OK"));
        put_text(out, text, base64 && !plain);
    }
}

/* The innermost open array of `left`, which holds how many values each still needs. */
static int64_t *innermost(const struct buf *left)
{
    return (int64_t *)(void *)(left->data + left->end) - 1;
}

/* Behind a value: closes the arrays that it ends. */
static void close_arrays(struct buf *out, struct buf *left)
{
    while (buf_len(left) && --*innermost(left) == 0) {
        buf_putc(out, ']');
        left->end -= sizeof(int64_t);
    }
    if (buf_len(left))
        buf_putc(out, ',');
}

/* An iteration is a value or the opening of an array: a script's reply may be nested deeply, which
 * must cost no stack. */
static void put_value(struct buf *out, struct slice *rest, bool base64)
{
    struct buf left;
    buf_init(&left, MEM_CLIENT);
    do {
        struct slice line = take_line(rest);
        int64_t count = *line.ptr == '*' ? length_of(line) : -1;
        if (count > 0) {
            buf_append(&left, &count, sizeof(count));
            buf_putc(out, '[');
            continue;
        }
        if (*line.ptr == '*')
            buf_puts(out, count ? "null" : "[]");
        else
            put_scalar(out, line, rest, base64);
        close_arrays(out, &left);
    } while (buf_len(&left));
    buf_deinit(&left);
}

bool json_put_reply(struct buf *out, struct slice *rest, bool base64, bool wrapped)
{
    bool failed = *rest->ptr == '-';
    if (wrapped)
        buf_puts(out, failed ? "{\"error\":" : "{\"result\":");
    put_value(out, rest, base64);
    if (wrapped)
        buf_putc(out, '}');
    return !failed;
}
