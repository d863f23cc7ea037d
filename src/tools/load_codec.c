#include "tools/load_codec.h"

#include "base/num.h"

#include "tools/frame_client.h"

static enum err encode_resp(struct buf *out, const struct slice *argv, uint32_t argc,
                            const char *token, size_t *at)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        at[i] = buf_len(out);
        buf_append(out, argv[i].ptr, argv[i].len);
        buf_append(out, "\r\n", 2);
    }
    return OK;
}

/* The number of a header line: digits with an optional sign, no more than 18 of them. */
static bool line_number(struct slice line, int64_t *out)
{
    bool negative = line.len && line.ptr[0] == '-';
    int64_t value = 0;
    if (line.len == negative || line.len > 18)
        return false;
    for (size_t i = negative; i < line.len; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return false;
        value = value * 10 + (line.ptr[i] - '0');
    }
    *out = negative ? -value : value;
    return true;
}

/* The value's first line, without the type and the line's end; false: not there yet. */
static bool take_line(struct slice data, struct slice *line)
{
    const char *cr = data.len ? memchr(data.ptr, '\r', data.len) : NULL;
    if (!cr || cr + 1 == data.ptr + data.len)
        return false;
    *line = slice_make(data.ptr + 1, cr > data.ptr ? (size_t)(cr - data.ptr) - 1 : 0);
    return true;
}

static enum load_reply_kind bulk_value(struct slice data, size_t *size, struct slice *text)
{
    int64_t len;
    size_t head = *size;
    if (!line_number(*text, &len) || len < -1)
        return LOAD_BROKEN;
    if (len < 0)
        return LOAD_NIL;
    *size = head + (size_t)len + 2;
    if (data.len < *size)
        return LOAD_INCOMPLETE;
    *text = slice_make(data.ptr + head, (size_t)len);
    return memcmp(data.ptr + *size - 2, "\r\n", 2) == 0 ? LOAD_VALUE : LOAD_BROKEN;
}

static enum load_reply_kind aggregate(struct slice line, unsigned per_entry, uint64_t *values)
{
    int64_t count;
    if (!line_number(line, &count) || count < -1 || count > INT32_MAX)
        return LOAD_BROKEN;
    if (count < 0)
        return LOAD_NIL;
    *values += (uint64_t)count * per_entry;
    return LOAD_VALUE;
}

/* One value without what an aggregate announces: that is added to *values. */
static enum load_reply_kind one_value(struct slice data, size_t *size, struct slice *text,
                                      uint64_t *values)
{
    if (!take_line(data, text))
        return LOAD_INCOMPLETE;
    *size = text->len + 3;
    if (data.ptr[*size - 1] != '\n')
        return LOAD_BROKEN;
    switch (data.ptr[0]) {
    case '+':
    case ':':
    case ',':
    case '#':
    case '(':
        return LOAD_VALUE;
    case '-':
        return LOAD_ERROR;
    case '_':
        return LOAD_NIL;
    case '$':
    case '=':
    case '!':
        return bulk_value(data, size, text);
    case '*':
    case '~':
        return aggregate(*text, 1, values);
    case '%':
        return aggregate(*text, 2, values);
    default:
        return LOAD_BROKEN;
    }
}

/* An aggregate is what its header says, and as long as all that it announces. No recursion. */
static enum load_reply_kind resp_reply(struct slice data, size_t *size, struct slice *text)
{
    uint64_t values = 0;
    enum load_reply_kind first = one_value(data, size, text, &values);
    if (first == LOAD_INCOMPLETE || first == LOAD_BROKEN)
        return first;
    for (size_t at = *size; values > 0; values--) {
        struct slice inner;
        enum load_reply_kind kind =
            one_value(slice_make(data.ptr + at, data.len - at), size, &inner, &values);
        if (kind == LOAD_INCOMPLETE || kind == LOAD_BROKEN)
            return kind;
        *size = at += *size;
    }
    return first;
}

static enum err encode_frame(struct buf *out, const struct slice *argv, uint32_t argc,
                             const char *token, size_t *at)
{
    size_t where = buf_len(out) + 8;
    for (uint32_t i = 0; i < argc; i++) {
        at[i] = where + 4;
        where = at[i] + argv[i].len;
    }
    return frame_client_encode(out, argv, argc);
}

static enum load_reply_kind frame_reply(struct slice data, size_t *size, struct slice *text)
{
    struct frame_value v;
    struct slice body;
    if (frame_value_reply(data, &body, size) != OK)
        return LOAD_INCOMPLETE;
    if (!frame_value_valid(body) || frame_value_take(&body, &v) != OK)
        return LOAD_BROKEN;
    *text = v.text;
    if (v.tag == FRAME_NIL)
        return LOAD_NIL;
    return v.tag == FRAME_ERROR ? LOAD_ERROR : LOAD_VALUE;
}

const struct load_codec load_codecs[] = {
    {"resp", false, false, encode_resp, resp_reply},
    {"resp3", true, false, encode_resp, resp_reply},
    {"frame", false, false, encode_frame, frame_reply},
    {"http", false, true, load_http_encode, load_http_reply},
};
const size_t load_codec_count = ARRAY_LEN(load_codecs);

const struct load_codec *load_codec_find(const char *name)
{
    for (size_t i = 0; i < load_codec_count; i++)
        if (slice_is(slice_cstr(name), load_codecs[i].name))
            return &load_codecs[i];
    return NULL;
}
