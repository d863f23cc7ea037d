#include "script/header.h"

#include "base/base.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint32_t flag;
} flags[] = {
    {"no-writes", SCRIPT_NO_WRITES},
    {"allow-oom", SCRIPT_ALLOW_OOM},
    {"allow-stale", SCRIPT_ALLOW_STALE},
    {"no-cluster", SCRIPT_NO_CLUSTER},
    {"allow-cross-slot-keys", SCRIPT_ALLOW_CROSS_SLOT},
    {"declared-keys", SCRIPT_DECLARED_KEYS},
};

uint32_t script_flag_by_name(struct slice name)
{
    for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
        if (slice_equal(name, slice_cstr(flags[i].name)))
            return flags[i].flag;
    return 0;
}

const char *script_flag_name(uint32_t flag)
{
    for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].flag == flag)
            return flags[i].name;
    return NULL;
}

static bool fail(char error[SCRIPT_HEADER_ERROR_BYTES], const char *text, struct slice what)
{
    snprintf(error, SCRIPT_HEADER_ERROR_BYTES, "%s%.*s", text, (int)MIN(what.len, (size_t)80),
             what.ptr);
    return false;
}

/* Takes what stands before the separator off the front. */
static struct slice take(struct slice *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = slice_make(rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len);
    size_t used = part.len + (end != NULL);
    *rest = slice_make(rest->ptr + used, rest->len - used);
    return part;
}

static bool starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && bytes_equal(s.ptr, prefix.ptr, prefix.len);
}

static bool read_flags(struct slice list, uint32_t *out, char error[SCRIPT_HEADER_ERROR_BYTES])
{
    while (list.len) {
        struct slice name = take(&list, ',');
        uint32_t flag = script_flag_by_name(name);
        if (!flag)
            return fail(error, "ERR Unexpected flag in script shebang: ", name);
        *out |= flag;
    }
    return true;
}

static bool read_line(struct slice line, uint32_t *out, char error[SCRIPT_HEADER_ERROR_BYTES])
{
    struct slice engine = take(&line, ' ');
    if (!slice_equal(engine, SLICE("#!lua")))
        return fail(error, "ERR Unexpected engine in script shebang: ", engine);
    while (line.len) {
        struct slice option = take(&line, ' ');
        if (!option.len)
            continue;
        if (!starts_with(option, SLICE("flags=")))
            return fail(error, "ERR Unknown lua shebang option: ", option);
        if (!read_flags(slice_make(option.ptr + 6, option.len - 6), out, error))
            return false;
    }
    return true;
}

bool script_read_header(struct slice text, uint32_t *out_flags, struct slice *out_body,
                        char error[SCRIPT_HEADER_ERROR_BYTES])
{
    *out_flags = SCRIPT_COMPAT;
    *out_body = text;
    if (!starts_with(text, SLICE("#!")))
        return true;
    const char *end = memchr(text.ptr, '\n', text.len);
    if (!end)
        return fail(error, "ERR Invalid script shebang", SLICE(""));
    size_t len = (size_t)(end - text.ptr);
    *out_flags = 0;
    *out_body = slice_make(end, text.len - len);
    if (len && text.ptr[len - 1] == '\r')
        len--;
    return read_line(slice_make(text.ptr, len), out_flags, error);
}

bool script_declares_keys(struct slice text)
{
    char error[SCRIPT_HEADER_ERROR_BYTES];
    struct slice body;
    uint32_t found;
    return starts_with(text, SLICE("#!")) && script_read_header(text, &found, &body, error) &&
           found & SCRIPT_DECLARED_KEYS;
}
