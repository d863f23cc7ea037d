#include "cmd/arguments.h"

#include "base/assert.h"
#include "proto/reply.h"

enum {
    NAME_BYTES = 64
};

struct argument {
    char kind; /* as in arguments.def: a letter, '=', '(' or '[' */
    struct slice name, token, since, deprecated;
    struct slice inner; /* of a group */
    int key_spec;       /* -1: none */
    bool has_token, optional, multiple, repeats_token;
};

static const char *const texts[COMMAND_COUNT] = {
#define ARGUMENTS(id, text) [CMD_ID_##id] = (text),
#include "cmd/arguments.def"
#undef ARGUMENTS
};

struct slice arguments_text(const struct command *cmd)
{
    return slice_cstr(texts[cmd->id] ? texts[cmd->id] : "");
}

/* ---- reading; the texts are ours, so what does not fit is our mistake ---- */

static struct slice skip(struct slice text, size_t len)
{
    ASSERT(len <= text.len);
    return slice_make(text.ptr + len, text.len - len);
}

/* Takes what stands before the first of `ends`, or all. */
static struct slice take_word(struct slice *text, const char *ends)
{
    size_t len = 0;
    while (len < text->len && !strchr(ends, text->ptr[len]))
        len++;
    struct slice word = slice_make(text->ptr, len);
    *text = skip(*text, len);
    return word;
}

/* What stands between the brackets at the start of the text. */
static struct slice take_group(struct slice *text)
{
    size_t at = 0;
    int depth = 0;
    do {
        ASSERT(at < text->len);
        char c = text->ptr[at++];
        depth += (c == '(' || c == '[') - (c == ')' || c == ']');
    } while (depth);
    struct slice inner = slice_make(text->ptr + 1, at - 2);
    *text = skip(*text, at);
    return inner;
}

static void read_head(struct slice *text, struct argument *a)
{
    if (text->ptr[0] == '=' || (text->len > 1 && text->ptr[1] == ':')) {
        a->kind = text->ptr[0];
        *text = skip(*text, a->kind == '=' ? 1 : 2);
        a->name = take_word(text, " =@^!?+&");
        if (a->kind == '=') {
            a->has_token = true;
            a->token = a->name;
        }
        return;
    }
    a->name = take_word(text, "([");
    a->kind = text->ptr[0];
    a->inner = take_group(text);
}

static void read_mark(struct slice *text, struct argument *a)
{
    char mark = text->ptr[0];
    *text = skip(*text, 1);
    switch (mark) {
    case '@':
        a->key_spec = take_word(text, " =^!?+&").ptr[0] - '0';
        break;
    case '=':
        a->has_token = true;
        a->token = take_word(text, " @^!?+&");
        break;
    case '^':
        a->since = take_word(text, " !?+&");
        break;
    case '!':
        a->deprecated = take_word(text, " ?+&");
        break;
    case '?':
        a->optional = true;
        break;
    case '+':
        a->multiple = true;
        break;
    default:
        ASSERT(mark == '&');
        a->repeats_token = true;
    }
}

/* Takes the first argument of a list. */
static struct argument read_argument(struct slice *list)
{
    struct argument a = {.key_spec = -1};
    read_head(list, &a);
    while (list->len && list->ptr[0] != ' ')
        read_mark(list, &a);
    if (list->len)
        *list = skip(*list, 1);
    return a;
}

/* ---- writing ---- */

static const char *type_name(char kind)
{
    switch (kind) {
    case 'k':
        return "key";
    case 's':
        return "string";
    case 'i':
        return "integer";
    case 'd':
        return "double";
    case 't':
        return "unix-time";
    case 'p':
        return "pattern";
    case '=':
        return "pure-token";
    case '(':
        return "block";
    default:
        ASSERT(kind == '[');
        return "oneof";
    }
}

/* One that is only a word is named by it, in lower case. */
static void reply_name(struct reply *r, const struct argument *a)
{
    char lower[NAME_BYTES];
    bool by_token = a->kind == '=' && a->name.ptr == a->token.ptr;
    ASSERT(a->name.len <= sizeof(lower));
    for (size_t i = 0; i < a->name.len; i++) {
        char c = a->name.ptr[i];
        lower[i] = by_token && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    reply_bulk(r, slice_make(lower, a->name.len));
}

static size_t reply_text(struct reply *r, const char *field, struct slice text)
{
    if (!text.len)
        return 0;
    reply_bulk_cstr(r, field);
    reply_bulk(r, text);
    return 1;
}

static size_t reply_flags(struct reply *r, const struct argument *a)
{
    size_t count = (size_t)a->optional + a->multiple + a->repeats_token;
    if (!count)
        return 0;
    reply_bulk_cstr(r, "flags");
    reply_set(r, count);
    if (a->optional)
        reply_status(r, "optional");
    if (a->multiple)
        reply_status(r, "multiple");
    if (a->repeats_token)
        reply_status(r, "multiple_token");
    return 1;
}

static void reply_argument(struct reply *r, const struct argument *a)
{
    struct output_mark mark = reply_defer(r);
    size_t fields = 2;
    reply_bulk_cstr(r, "name");
    reply_name(r, a);
    reply_bulk_cstr(r, "type");
    reply_bulk_cstr(r, type_name(a->kind));
    if (!a->inner.len) {
        reply_bulk_cstr(r, "display_text");
        reply_name(r, a);
        fields++;
    }
    if (a->key_spec >= 0) {
        reply_bulk_cstr(r, "key_spec_index");
        reply_int(r, a->key_spec);
        fields++;
    }
    if (a->has_token) { /* MIGRATE has an empty one */
        reply_bulk_cstr(r, "token");
        reply_bulk(r, a->token);
        fields++;
    }
    fields += reply_text(r, "since", a->since);
    fields += reply_text(r, "deprecated_since", a->deprecated);
    fields += reply_flags(r, a);
    if (a->inner.len) {
        reply_bulk_cstr(r, "arguments");
        arguments_reply(r, a->inner);
        fields++;
    }
    reply_defer_end(r, mark, REPLY_MAP, fields);
}

void arguments_reply(struct reply *r, struct slice list)
{
    struct output_mark mark = reply_defer(r);
    size_t count = 0;
    while (list.len) {
        struct argument a = read_argument(&list);
        reply_argument(r, &a);
        count++;
    }
    reply_defer_end(r, mark, REPLY_ARRAY, count);
}
