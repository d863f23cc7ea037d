#include "proto/json.h"

#include "base/utf8.h"
#include "proto/limits.h"

/* ---- commands ---- */

void json_commands_init(struct json_commands *c)
{
    *c = (struct json_commands){0};
    buf_init(&c->text, MEM_CLIENT);
}

void json_commands_deinit(struct json_commands *c)
{
    mem_free(MEM_CLIENT, c->args, c->arg_cap * sizeof(*c->args));
    mem_free(MEM_CLIENT, c->ends, c->cap * sizeof(*c->ends));
    buf_deinit(&c->text);
}

/* Until all is read, ptr holds an offset: the text moves as it grows. */
static void push_offset(struct json_commands *c, size_t begin)
{
    if (c->arg_count == c->arg_cap) {
        uint32_t cap = c->arg_cap ? c->arg_cap * 2 : 16;
        c->args =
            mem_realloc(MEM_CLIENT, c->args, c->arg_cap * sizeof(*c->args), cap * sizeof(*c->args));
        c->arg_cap = cap;
    }
    c->args[c->arg_count++] = slice_make((const char *)begin, buf_len(&c->text) - begin);
}

static void unsettle(struct json_commands *c)
{
    const char *base = buf_slice(&c->text).ptr;
    for (uint32_t i = 0; i < c->arg_count; i++)
        c->args[i].ptr = (const char *)(c->args[i].ptr - base);
}

static void settle(struct json_commands *c)
{
    const char *base = buf_slice(&c->text).ptr;
    for (uint32_t i = 0; i < c->arg_count; i++)
        c->args[i].ptr = base + (uintptr_t)c->args[i].ptr;
}

void json_commands_end(struct json_commands *c)
{
    if (c->count == c->cap) {
        uint32_t cap = c->cap ? c->cap * 2 : 4;
        c->ends =
            mem_realloc(MEM_CLIENT, c->ends, c->cap * sizeof(*c->ends), cap * sizeof(*c->ends));
        c->cap = cap;
    }
    c->ends[c->count++] = c->arg_count;
}

void json_commands_add(struct json_commands *c, struct slice arg)
{
    const char *before = buf_slice(&c->text).ptr;
    size_t begin = buf_len(&c->text);
    buf_append(&c->text, arg.ptr, arg.len);
    const char *base = buf_slice(&c->text).ptr;
    for (uint32_t i = 0; base != before && i < c->arg_count; i++)
        c->args[i].ptr = base + (c->args[i].ptr - before);
    push_offset(c, begin);
    c->args[c->arg_count - 1].ptr = base + begin;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    struct json_commands *out;
};

static enum err fail(struct reader *r, const char *why)
{
    r->out->error = why;
    return ERR_SYNTAX;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool take_hex4(struct reader *r, uint32_t *out)
{
    *out = 0;
    if (r->end - r->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        char lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (uint32_t)(lower - 'a' + 10);
        else
            return false;
    }
    return true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(b, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_putc(b, (char)(0xc0 | c >> 6));
    } else if (c < 0x10000) {
        buf_putc(b, (char)(0xe0 | c >> 12));
        buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
    } else {
        buf_putc(b, (char)(0xf0 | c >> 18));
        buf_putc(b, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_putc(b, (char)(0x80 | (c & 0x3f)));
}

/* Behind "\u". */
static enum err read_code_point(struct reader *r)
{
    uint32_t c, low;
    if (!take_hex4(r, &c))
        return fail(r, "malformed escape");
    if (c >= 0xdc00 && c < 0xe000)
        return fail(r, "half of a surrogate pair");
    if (c >= 0xd800 && c < 0xdc00) {
        if (!take(r, '\\') || !take(r, 'u') || !take_hex4(r, &low) || low < 0xdc00 || low >= 0xe000)
            return fail(r, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(&r->out->text, c);
    return OK;
}

static enum err read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return fail(r, "unfinished string");
    char c = *r->at++;
    if (c == 'u')
        return read_code_point(r);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return fail(r, "malformed escape");
    buf_putc(&r->out->text, to[found - from]);
    return OK;
}

/* Behind the opening quote. */
static enum err read_string(struct reader *r)
{
    size_t begin = buf_len(&r->out->text);
    for (;;) {
        const char *from = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20)
            r->at++;
        buf_append(&r->out->text, from, (size_t)(r->at - from));
        if (r->at == r->end)
            return fail(r, "unfinished string");
        char c = *r->at++;
        if (c == '"')
            break;
        if (c != '\\')
            return fail(r, "control character in a string");
        enum err err = read_escape(r);
        if (err)
            return err;
    }
    push_offset(r->out, begin);
    return OK;
}

static bool take_digits(struct reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > from;
}

static bool take_number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !take_digits(r))
        return false;
    if (take(r, '.') && !take_digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '-'))
            take(r, '+');
        return take_digits(r);
    }
    return true;
}

static bool take_word(struct reader *r, struct slice word)
{
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.ptr, word.len) != 0)
        return false;
    r->at += word.len;
    return true;
}

static enum err read_scalar(struct reader *r)
{
    const char *from = r->at;
    if (take(r, '"'))
        return read_string(r);
    bool known = take_word(r, SLICE("true")) || take_word(r, SLICE("false")) || take_number(r);
    if (!known)
        return fail(r, "an argument must be a string, a number or a boolean");
    size_t begin = buf_len(&r->out->text);
    buf_append(&r->out->text, from, (size_t)(r->at - from));
    push_offset(r->out, begin);
    return OK;
}

static enum err read_items(struct reader *r, enum err (*item)(struct reader *r))
{
    skip_space(r);
    if (take(r, ']'))
        return OK;
    for (;;) {
        skip_space(r);
        enum err err = item(r);
        if (err)
            return err;
        skip_space(r);
        if (take(r, ']'))
            return OK;
        if (!take(r, ','))
            return fail(r, "',' or ']' expected");
    }
}

static enum err read_command(struct reader *r)
{
    uint32_t before = r->out->arg_count;
    if (!take(r, '['))
        return fail(r, "a command must be an array");
    enum err err = read_items(r, read_scalar);
    if (err)
        return err;
    if (r->out->arg_count == before)
        return fail(r, "empty command");
    if (r->out->count == LIMIT_HTTP_COMMANDS)
        return fail(r, "too many commands");
    json_commands_end(r->out);
    return OK;
}

enum err json_commands_read(struct json_commands *c, struct slice text)
{
    struct reader r = {text.ptr, text.ptr + text.len, c};
    unsettle(c);
    if (!utf8_valid(text))
        return fail(&r, "not UTF-8");
    skip_space(&r);
    const char *first = r.at;
    if (!take(&r, '['))
        return fail(&r, "an array expected");
    skip_space(&r);
    c->nested = r.at < r.end && *r.at == '[';
    if (!c->nested)
        r.at = first;
    enum err err = c->nested ? read_items(&r, read_command) : read_command(&r);
    if (err)
        return err;
    skip_space(&r);
    if (r.at < r.end)
        return fail(&r, "something behind the array");
    settle(c);
    return OK;
}
