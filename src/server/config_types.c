/* Parsing and printing of the ordinary types: bool, numbers, enums, strings. */
#include "base/num.h"
#include "base/text.h"
#include "server/config_row.h"
#include "server/settings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    HZ_MIN = 1,
    HZ_MAX = 500
};

enum config_change config_fail(char *errbuf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(errbuf, CONFIG_ERROR_MAX, format, args);
    va_end(args);
    return CONFIG_FAILED;
}

char *config_copy(struct slice text)
{
    size_t len = text.len ? strnlen(text.ptr, text.len) : 0;
    char *copy = mem_alloc(MEM_OTHER, len + 1);
    if (len)
        memcpy(copy, text.ptr, len);
    copy[len] = 0;
    return copy;
}

/* Numbers of any width, _Atomic or not: relaxed stores serve both, see the rule in settings.h. */
static int64_t load_number(const struct config_row *row)
{
    void *at = config_storage(row);
    switch (row->width) {
    case 1:
        return __atomic_load_n((uint8_t *)at, __ATOMIC_RELAXED);
    case 4:
        if (row->is_unsigned)
            return __atomic_load_n((uint32_t *)at, __ATOMIC_RELAXED);
        return __atomic_load_n((int32_t *)at, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((int64_t *)at, __ATOMIC_RELAXED);
    }
}

static enum config_change store_number(const struct config_row *row, int64_t value)
{
    void *at = config_storage(row);
    if (load_number(row) == value)
        return CONFIG_SAME;
    switch (row->width) {
    case 1:
        __atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((int64_t *)at, value, __ATOMIC_RELAXED);
        break;
    }
    return CONFIG_CHANGED;
}

static enum config_change set_bool(const struct config_row *row, struct slice text, char *errbuf)
{
    if (slice_is(text, "yes"))
        return store_number(row, 1);
    if (slice_is(text, "no"))
        return store_number(row, 0);
    return config_fail(errbuf, "argument must be 'yes' or 'no'");
}

static bool parse_octal(struct slice text, int64_t *out)
{
    if (text.len == 0 || text.len > 20)
        return false;
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7')
            return false;
        *out = *out * 8 + (text.ptr[i] - '0');
    }
    return true;
}

static bool parse_memory(struct slice text, int64_t *out)
{
    uint64_t bytes;
    if (!num_parse_memory(text, &bytes))
        return false;
    *out = (int64_t)bytes;
    return true;
}

static bool parse_percent(struct slice text, int64_t *out)
{
    if (text.len < 2 || text.ptr[text.len - 1] != '%')
        return parse_memory(text, out);
    if (!num_parse_int64(slice_make(text.ptr, text.len - 1), out) || *out < 0)
        return false;
    *out = -*out;
    return true;
}

static bool parse_number(const struct config_row *row, struct slice text, int64_t *out,
                         char *errbuf)
{
    bool ok;
    const char *reason;
    switch (row->type) {
    case CONFIG_MEMORY:
        ok = parse_memory(text, out);
        reason = "argument must be a memory value";
        break;
    case CONFIG_PERCENT:
        ok = parse_percent(text, out);
        reason = "argument must be a memory or percent value";
        break;
    case CONFIG_OCTAL:
        ok = parse_octal(text, out);
        reason = "argument couldn't be parsed as an octal number";
        break;
    default:
        ok = num_parse_int64(text, out);
        reason = "argument couldn't be parsed into an integer";
        break;
    }
    if (!ok)
        config_fail(errbuf, "%s", reason);
    return ok;
}

static bool check_bounds(const struct config_row *row, int64_t value, char *errbuf)
{
    if (row->type == CONFIG_PERCENT && value < 0) {
        if (value >= row->min)
            return true;
        config_fail(errbuf, "percentage argument must be less or equal to %" PRId64, -row->min);
        return false;
    }
    if (row->is_unsigned) {
        if ((uint64_t)value >= (uint64_t)row->min && (uint64_t)value <= (uint64_t)row->max)
            return true;
        config_fail(errbuf,
                    row->type == CONFIG_OCTAL
                        ? "argument must be between %" PRIo64 " and %" PRIo64 " inclusive"
                        : "argument must be between %" PRIu64 " and %" PRIu64 " inclusive",
                    (uint64_t)row->min, (uint64_t)row->max);
        return false;
    }
    if (value >= row->min && value <= row->max)
        return true;
    config_fail(errbuf, "argument must be between %" PRId64 " and %" PRId64 " inclusive", row->min,
                row->max);
    return false;
}

static enum config_change set_number(const struct config_row *row, struct slice text, char *errbuf)
{
    int64_t value;
    if (!parse_number(row, text, &value, errbuf) || !check_bounds(row, value, errbuf))
        return CONFIG_FAILED;
    if ((row->flags & CONFIG_POWER_OF_2) && (value & (value - 1)))
        return config_fail(errbuf, "argument must be a power of two");
    return store_number(row, value);
}

static enum config_change enum_fail(const struct config_row *row, char *errbuf)
{
    size_t len =
        (size_t)snprintf(errbuf, CONFIG_ERROR_MAX, "argument(s) must be one of the following: ");
    for (const struct config_name *name = row->names; name->name; name++)
        len += (size_t)snprintf(errbuf + len, CONFIG_ERROR_MAX - len, "%s%s",
                                name == row->names ? "" : ", ", name->name);
    return CONFIG_FAILED;
}

static enum config_change set_enum(const struct config_row *row, const struct slice *args,
                                   int count, char *errbuf)
{
    int64_t value = 0;
    if (count == 0)
        return enum_fail(row, errbuf);
    for (int i = 0; i < count; i++) {
        const struct config_name *name = row->names;
        while (name->name && !slice_is(args[i], name->name))
            name++;
        if (!name->name)
            return enum_fail(row, errbuf);
        value |= name->value;
    }
    if (row->names == config_shutdown_options && (value & SHUTDOWN_SAVE) &&
        (value & SHUTDOWN_NOSAVE))
        return config_fail(errbuf, "shutdown options SAVE and NOSAVE can't be used simultaneously");
    return store_number(row, value);
}

static enum config_change set_string(const struct config_row *row, struct slice text, char *errbuf)
{
    char **at = config_storage(row);
    if (text.len && memchr(text.ptr, 0, text.len))
        return config_fail(errbuf, "argument contains a NUL byte");
    char *copy = config_copy(text);
    const char *reason = row->check ? row->check(copy) : NULL;
    if (reason || (*at && strcmp(*at, copy) == 0)) {
        mem_strfree(copy);
        return reason ? config_fail(errbuf, "%s", reason) : CONFIG_SAME;
    }
    mem_strfree(*at);
    *at = copy;
    return CONFIG_CHANGED;
}

enum config_change config_value_set(const struct config_row *row, const struct slice *args,
                                    int count, char *errbuf)
{
    if (row->type == CONFIG_SPECIAL)
        return row->form->set(args, count, errbuf);
    if (row->type == CONFIG_ENUM && (row->flags & CONFIG_MULTI))
        return set_enum(row, args, count, errbuf);
    if (count != 1)
        return config_fail(errbuf, "wrong number of arguments");
    switch (row->type) {
    case CONFIG_BOOL:
        return set_bool(row, args[0], errbuf);
    case CONFIG_ENUM:
        return set_enum(row, args, 1, errbuf);
    case CONFIG_STRING:
        return set_string(row, args[0], errbuf);
    default:
        return set_number(row, args[0], errbuf);
    }
}

/* Every blank separates, so two in a row make an empty word; an empty text is no word at all. */
enum config_change config_value_set_text(const struct config_row *row, struct slice text,
                                         char *errbuf)
{
    if (!(row->flags & CONFIG_MULTI))
        return config_value_set(row, &text, 1, errbuf);
    size_t words = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        words += text.ptr[i] == ' ';
    if (words > 4096)
        return config_fail(errbuf, "wrong number of arguments");
    struct slice *args = mem_alloc(MEM_OTHER, (words + 1) * sizeof(*args));
    size_t start = 0;
    for (size_t word = 0; word < words; word++) {
        const char *blank = memchr(text.ptr + start, ' ', text.len - start);
        size_t end = blank ? (size_t)(blank - text.ptr) : text.len;
        args[word] = slice_make(text.ptr + start, end - start);
        start = end + 1;
    }
    enum config_change outcome = config_value_set(row, args, (int)words, errbuf);
    mem_free(MEM_OTHER, args, (words + 1) * sizeof(*args));
    return outcome;
}

static void get_number(const struct config_row *row, int64_t value, struct buf *out)
{
    if (row->type == CONFIG_PERCENT && value < 0)
        buf_printf(out, "%" PRId64 "%%", -value);
    else if (row->type == CONFIG_OCTAL)
        buf_printf(out, "%" PRIo64, (uint64_t)value);
    else if (row->type == CONFIG_MEMORY)
        buf_printf(out, "%" PRIu64, (uint64_t)value);
    else
        buf_printf(out, "%" PRId64, value);
}

static void get_enum(const struct config_row *row, int64_t value, struct buf *out)
{
    for (const struct config_name *name = row->names; name->name; name++)
        if (name->value == value) {
            buf_puts(out, name->name);
            return;
        }
    const char *blank = "";
    for (const struct config_name *name = row->names; name->name; name++)
        if (name->value & value) {
            buf_printf(out, "%s%s", blank, name->name);
            blank = " ";
        }
}

void config_value_get(const struct config_row *row, struct buf *out)
{
    switch (row->type) {
    case CONFIG_SPECIAL:
        row->form->get(out);
        break;
    case CONFIG_BOOL:
        buf_puts(out, load_number(row) ? "yes" : "no");
        break;
    case CONFIG_ENUM:
        get_enum(row, load_number(row), out);
        break;
    case CONFIG_STRING:
        buf_printf(out, "%s", *(char **)config_storage(row));
        break;
    default:
        get_number(row, load_number(row), out);
        break;
    }
}

void config_value_deinit(const struct config_row *row)
{
    if (row->type == CONFIG_SPECIAL && row->form->deinit)
        row->form->deinit();
    if (row->type == CONFIG_STRING) {
        char **at = config_storage(row);
        mem_strfree(*at);
        *at = NULL;
    }
}

bool config_value_is_default(const struct config_row *row)
{
    struct buf text;
    buf_init(&text, MEM_OTHER);
    config_value_get(row, &text);
    buf_putc(&text, 0);
    bool same = strcmp(buf_ptr(&text), row->default_text) == 0;
    buf_deinit(&text);
    return same;
}

void config_format_memory(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"", "kb", "mb", "gb"};
    int unit = 0;
    while (unit < 3 && bytes && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    buf_printf(out, "%" PRIu64 "%s", bytes, units[unit]);
}

void config_value_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line, value;
    if (row->type == CONFIG_SPECIAL && row->form->rewrite) {
        row->form->rewrite(row, rewriter);
        return;
    }
    buf_init(&line, MEM_OTHER);
    buf_init(&value, MEM_OTHER);
    config_value_get(row, &value);
    buf_printf(&line, "%s ", row->name);
    if (row->type == CONFIG_STRING || buf_len(&value) == 0)
        text_quote(&line, buf_slice(&value));
    else if (row->type == CONFIG_MEMORY || (row->type == CONFIG_PERCENT && load_number(row) >= 0))
        config_format_memory(&line, (uint64_t)load_number(row));
    else
        buf_append(&line, buf_ptr(&value), buf_len(&value));
    config_rewriter_line(rewriter, row->name, buf_slice(&line), !config_value_is_default(row));
    buf_deinit(&value);
    buf_deinit(&line);
}

void config_normalize(void)
{
    int hz = server_settings.hz;
    if (hz < HZ_MIN || hz > HZ_MAX)
        server_settings.hz = hz < HZ_MIN ? HZ_MIN : HZ_MAX;
}
