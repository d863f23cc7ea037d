#include "base/text.h"

#include <ctype.h>

enum {
    DISTANCE_MAX_LEN = 64
};

/* Reading position in the line being split. */
struct splitter {
    const char *p, *end;
    struct buf *store;
};

enum {
    LINE_END = -1
};

INLINE int peek(const struct splitter *s, size_t ahead)
{
    return (size_t)(s->end - s->p) > ahead ? (unsigned char)s->p[ahead] : LINE_END;
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* At a backslash inside double quotes. */
static void take_escape(struct splitter *s)
{
    int high = hex_value(peek(s, 2)), low = hex_value(peek(s, 3));
    if (peek(s, 1) == 'x' && high >= 0 && low >= 0) {
        buf_putc(s->store, (char)(high << 4 | low));
        s->p += 4;
    } else if (peek(s, 1) != LINE_END) {
        buf_putc(s->store, unescape(s->p[1]));
        s->p += 2;
    } else {
        buf_putc(s->store, *s->p++);
    }
}

/* Behind an opening quote, up to and with the closing one. False when that is missing or a
 * non-blank follows it. */
static bool take_quoted(struct splitter *s, char quote)
{
    for (;;) {
        int c = peek(s, 0);
        if (c == LINE_END)
            return false;
        if (c == quote) {
            s->p++;
            return peek(s, 0) == LINE_END || isspace(peek(s, 0));
        }
        if (c == '\\' && quote == '"') {
            take_escape(s);
            continue;
        }
        if (c == '\\' && peek(s, 1) == '\'')
            s->p++;
        buf_putc(s->store, *s->p);
        s->p++;
    }
}

/* One argument; vertical tab and form feed separate arguments but do not end one, as in Redis. */
static bool take_argument(struct splitter *s)
{
    for (;; s->p++) {
        int c = peek(s, 0);
        switch (c) {
        case LINE_END:
        case ' ':
        case '\n':
        case '\r':
        case '\t':
            return true;
        case '"':
        case '\'':
            s->p++;
            return take_quoted(s, (char)c);
        default:
            buf_putc(s->store, (char)c);
        }
    }
}

int text_split_args(struct slice line, struct buf *store, struct slice *out, int max)
{
    struct splitter s = {line.ptr, line.ptr + line.len, store};
    int count = 0;
    buf_clear(store);
    /* Nothing grows by being unescaped: with this room the bytes stay where they are. */
    buf_reserve(store, line.len + 1);
    while (count < max) {
        while (isspace(peek(&s, 0)))
            s.p++;
        if (peek(&s, 0) == LINE_END)
            break;
        size_t begin = store->end;
        if (!take_argument(&s))
            return -1;
        out[count++] = slice_make(store->data + begin, store->end - begin);
    }
    return count;
}

/* The letter of a two-byte escape, or 0. */
static char escape_letter(char c)
{
    switch (c) {
    case '\\':
    case '"':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\a':
        return 'a';
    case '\b':
        return 'b';
    default:
        return 0;
    }
}

static void quote_byte(struct buf *out, char c)
{
    unsigned char byte = (unsigned char)c;
    char letter = escape_letter(c);
    if (letter) {
        buf_append(out, (char[]){'\\', letter}, 2);
    } else if (byte >= 0x20 && byte < 0x7f) {
        buf_putc(out, c);
    } else {
        const char *hex = "0123456789abcdef";
        buf_append(out, (char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4);
    }
}

void text_quote(struct buf *out, struct slice text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.len; i++)
        quote_byte(out, text.ptr[i]);
    buf_putc(out, '"');
}

/* One row of Levenshtein's table is enough: `diagonal` keeps the cell that was just overwritten. */
unsigned text_distance(const char *a, const char *b)
{
    size_t a_len = strnlen(a, DISTANCE_MAX_LEN), b_len = strnlen(b, DISTANCE_MAX_LEN);
    unsigned row[DISTANCE_MAX_LEN + 1];
    for (unsigned j = 0; j <= b_len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}
