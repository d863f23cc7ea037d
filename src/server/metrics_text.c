#include "server/metrics_text.h"

#include "base/num.h"

void metrics_text_slice(struct buf *out, struct slice text)
{
    buf_append(out, text.ptr, text.len);
}

void metrics_text_header(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_puts(out, "# HELP ");
    buf_puts(out, name);
    buf_putc(out, ' ');
    buf_puts(out, help);
    buf_puts(out, "\n# TYPE ");
    buf_puts(out, name);
    buf_putc(out, ' ');
    buf_puts(out, type);
    buf_putc(out, '\n');
}

void metrics_text_label(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.ptr[i]);
    }
}

void metrics_text_open(struct buf *out, const char *name, const char *label, struct slice value)
{
    buf_puts(out, name);
    buf_putc(out, '{');
    buf_puts(out, label);
    buf_puts(out, "=\"");
    metrics_text_label(out, value);
    buf_putc(out, '"');
}

void metrics_text_value(struct buf *out, double value)
{
    buf_advance(out, num_format_double(buf_reserve(out, NUM_DOUBLE_MAX_LEN), value));
    buf_putc(out, '\n');
}

bool metrics_text_take_line(struct slice *rest, struct slice *line)
{
    if (!rest->len)
        return false;
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len, used = MIN(len + 1, rest->len);
    *line = slice_make(rest->ptr, len && rest->ptr[len - 1] == '\r' ? len - 1 : len);
    *rest = slice_make(rest->ptr + used, rest->len - used);
    return true;
}

bool metrics_text_split(struct slice line, struct slice *name, struct slice *value)
{
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon || *line.ptr == '#')
        return false;
    *name = slice_make(line.ptr, (size_t)(colon - line.ptr));
    *value = slice_make(colon + 1, line.len - name->len - 1);
    return true;
}

bool metrics_text_part(struct slice parts, const char *name, double *out)
{
    size_t len = strlen(name);
    while (parts.len) {
        const char *comma = memchr(parts.ptr, ',', parts.len);
        size_t size = comma ? (size_t)(comma - parts.ptr) : parts.len;
        if (size > len && parts.ptr[len] == '=' && memcmp(parts.ptr, name, len) == 0)
            return num_parse_double(slice_make(parts.ptr + len + 1, size - len - 1), out);
        size_t used = MIN(size + 1, parts.len);
        parts = slice_make(parts.ptr + used, parts.len - used);
    }
    return false;
}

struct slice metrics_text_take_token(struct slice *rest)
{
    struct slice line = SLICE("");
    int64_t len;
    if (!metrics_text_take_line(rest, &line) || !line.len)
        return SLICE("");
    struct slice text = slice_make(line.ptr + 1, line.len - 1);
    if (*line.ptr != '$' || !num_parse_int64(text, &len) || len < 0 || (size_t)len + 2 > rest->len)
        return text;
    text = slice_make(rest->ptr, (size_t)len);
    *rest = slice_make(rest->ptr + len + 2, rest->len - (size_t)len - 2);
    return text;
}

int64_t metrics_text_take_count(struct slice *rest)
{
    int64_t n = 0;
    return num_parse_int64(metrics_text_take_token(rest), &n) ? n : 0;
}
