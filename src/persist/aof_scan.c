#include "persist/aof_scan.h"

#include "base/num.h"

enum {
    LINE_MAX_BYTES = 1024, /* as Redis: it reads comments into a buffer of this size */
    LENGTH_DIGITS = 20,
    ARG_MIN_BYTES = 5 /* "$0\r\n\r\n" less one, so that no sum is off by one */
};

struct cursor {
    const char *begin, *at, *end;
    struct aof_scan *out;
};

static enum aof_scan_result bad(struct cursor *c, const char *reason)
{
    c->out->bad_at = (size_t)(c->at - c->begin);
    c->out->reason = reason;
    return AOF_SCAN_BAD;
}

static enum aof_scan_result lacks(struct cursor *c, size_t bytes)
{
    c->out->missing = bytes;
    return AOF_SCAN_SHORT;
}

/* "<type><number>\r\n". AOF_SCAN_COMMAND: taken. */
static enum aof_scan_result take_length(struct cursor *c, char type, uint64_t *value)
{
    if (c->at == c->end)
        return lacks(c, 1);
    if (*c->at != type)
        return bad(c, type == '*' ? "neither a command nor a comment begins here"
                                  : "an argument does not begin with '$'");
    const char *digits = c->at + 1;
    size_t room = MIN((size_t)(c->end - digits), (size_t)LENGTH_DIGITS + 1);
    const char *cr = memchr(digits, '\r', room);
    if (!cr)
        return room > LENGTH_DIGITS ? bad(c, "a length without an end") : lacks(c, 1);
    if (!num_parse_uint64(slice_make(digits, (size_t)(cr - digits)), value))
        return bad(c, "a length that is no number");
    if (cr + 1 == c->end)
        return lacks(c, 1);
    if (cr[1] != '\n')
        return bad(c, "a length without an end");
    c->at = cr + 2;
    return AOF_SCAN_COMMAND;
}

static enum aof_scan_result take_argument(struct cursor *c, uint64_t rest, struct slice *out)
{
    uint64_t len;
    enum aof_scan_result got = take_length(c, '$', &len);
    if (got != AOF_SCAN_COMMAND)
        return got;
    size_t have = (size_t)(c->end - c->at);
    if (len > rest) /* no need to wait for it */
        return lacks(c, SIZE_MAX);
    if (have < len + 2)
        return lacks(c, (size_t)len + 2 - have);
    *out = slice_make(c->at, (size_t)len);
    c->at += len;
    if (c->at[0] != '\r' || c->at[1] != '\n')
        return bad(c, "an argument is longer than its length says");
    c->at += 2;
    return AOF_SCAN_COMMAND;
}

static enum aof_scan_result scan_command(struct cursor *c, uint64_t rest)
{
    uint64_t argc;
    struct slice argument;
    enum aof_scan_result got = take_length(c, '*', &argc);
    if (got != AOF_SCAN_COMMAND)
        return got;
    if (argc == 0 || argc > UINT32_MAX)
        return bad(c, "a command with an impossible number of arguments");
    if (argc > rest / ARG_MIN_BYTES)
        return lacks(c, SIZE_MAX);
    for (uint64_t i = 0; i < argc; i++) {
        got = take_argument(c, rest, &argument);
        if (got != AOF_SCAN_COMMAND)
            return got;
        if (i == 0)
            c->out->name = argument;
    }
    c->out->argc = (uint32_t)argc;
    return AOF_SCAN_COMMAND;
}

static enum aof_scan_result scan_line(struct cursor *c)
{
    size_t room = MIN((size_t)(c->end - c->at), (size_t)LINE_MAX_BYTES);
    const char *end = memchr(c->at, '\n', room);
    if (!end)
        return room == LINE_MAX_BYTES ? bad(c, "a comment without an end") : lacks(c, 1);
    size_t len = (size_t)(end - c->at);
    c->out->name = slice_make(c->at, len && end[-1] == '\r' ? len - 1 : len);
    c->at = end + 1;
    return AOF_SCAN_LINE;
}

enum aof_scan_result aof_scan(struct slice bytes, uint64_t rest, struct aof_scan *out)
{
    struct cursor c = {bytes.ptr, bytes.ptr, bytes.ptr + bytes.len, out};
    if (!bytes.len)
        return lacks(&c, 1);
    enum aof_scan_result got = *c.at == '#' ? scan_line(&c) : scan_command(&c, rest);
    out->len = (size_t)(c.at - c.begin);
    return got;
}
