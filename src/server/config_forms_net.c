/* Forms of network directives: bind, client-output-buffer-limit, replicaof. */
#include "base/num.h"
#include "base/text.h"
#include "net/settings.h"
#include "server/config_row.h"
#include "server/settings.h"

#include <inttypes.h>

enum {
    BIND_MAX = 16
};

static void bind_deinit(void)
{
    struct string_list *list = &server_settings.bind;
    for (int i = 0; i < list->count; i++)
        mem_strfree(list->items[i]);
    mem_free(MEM_OTHER, list->items, (size_t)list->count * sizeof(char *));
    *list = (struct string_list){NULL, 0};
}

static enum config_change bind_set(const struct slice *args, int count, char *errbuf)
{
    count = config_words_given(args, count);
    if (count > BIND_MAX)
        return config_fail(errbuf, "Too many bind addresses specified.");
    for (int i = 0; i < count; i++)
        if (args[i].len && memchr(args[i].ptr, 0, args[i].len))
            return config_fail(errbuf, "argument contains a NUL byte");
    bind_deinit();
    struct string_list *list = &server_settings.bind;
    if (count)
        list->items = mem_alloc(MEM_OTHER, (size_t)count * sizeof(char *));
    for (; list->count < count; list->count++)
        list->items[list->count] = config_copy(args[list->count]);
    return CONFIG_CHANGED;
}

static void bind_get(struct buf *out)
{
    for (int i = 0; i < server_settings.bind.count; i++)
        buf_printf(out, "%s%s", i ? " " : "", server_settings.bind.items[i]);
}

const struct config_form config_form_bind = {
    .set = bind_set, .get = bind_get, .deinit = bind_deinit};

/* <class> <hard> <soft> <seconds> ... */
static const char *const class_names[CLIENT_CLASSES] = {"normal", "slave", "pubsub"};

static int find_class(struct slice name)
{
    for (int i = 0; i < CLIENT_CLASSES; i++)
        if (slice_is(name, class_names[i]))
            return i;
    return slice_is(name, "replica") ? CLIENT_REPLICA : -1;
}

struct limit_values {
    uint64_t hard, soft;
    int64_t seconds;
    bool given;
};

static enum config_change limits_parse(const struct slice *args, int count,
                                       struct limit_values *values, char *errbuf)
{
    if (count % 4)
        return config_fail(errbuf, "Wrong number of arguments in buffer limit configuration.");
    for (int i = 0; i < count; i += 4) {
        int class = find_class(args[i]);
        if (class < 0)
            return config_fail(errbuf,
                               "Invalid client class specified in buffer limit configuration.");
        struct limit_values *to = &values[class];
        if (!num_parse_memory(args[i + 1], &to->hard) ||
            !num_parse_memory(args[i + 2], &to->soft) ||
            !num_parse_int64(args[i + 3], &to->seconds) || to->seconds < 0)
            return config_fail(
                errbuf,
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
        to->given = true;
    }
    return CONFIG_CHANGED;
}

static enum config_change limits_set(const struct slice *args, int count, char *errbuf)
{
    struct limit_values values[CLIENT_CLASSES] = {{0}};
    if (limits_parse(args, count, values, errbuf) == CONFIG_FAILED)
        return CONFIG_FAILED;
    for (int i = 0; i < CLIENT_CLASSES; i++) {
        if (!values[i].given)
            continue;
        net_settings.output_limits[i].hard_bytes = values[i].hard;
        net_settings.output_limits[i].soft_bytes = values[i].soft;
        net_settings.output_limits[i].soft_s = values[i].seconds;
    }
    return CONFIG_CHANGED;
}

static void limits_get(struct buf *out)
{
    for (int i = 0; i < CLIENT_CLASSES; i++) {
        const struct output_limit *limit = &net_settings.output_limits[i];
        buf_printf(out, "%s%s %" PRIu64 " %" PRIu64 " %" PRId64, i ? " " : "", class_names[i],
                   limit->hard_bytes, limit->soft_bytes, limit->soft_s);
    }
}

static void limits_rewrite_class(const struct config_row *row, struct config_rewriter *rewriter,
                                 int class, bool force)
{
    const struct output_limit *limit = &net_settings.output_limits[class];
    struct buf line;
    buf_init(&line, MEM_OTHER);
    buf_printf(&line, "%s %s ", row->name,
               class == CLIENT_REPLICA ? "replica" : class_names[class]);
    config_format_memory(&line, limit->hard_bytes);
    buf_putc(&line, ' ');
    config_format_memory(&line, limit->soft_bytes);
    buf_printf(&line, " %" PRId64, limit->soft_s);
    config_rewriter_line(rewriter, row->name, buf_slice(&line), force);
    buf_deinit(&line);
}

/* One line per class. Classes that differ from the default come first, so that they get the old
 * lines and a second rewrite changes nothing. */
static void limits_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct limit_values defaults[CLIENT_CLASSES] = {{0}};
    char errbuf[CONFIG_ERROR_MAX];
    struct slice words[CLIENT_CLASSES * 4];
    bool differs[CLIENT_CLASSES];
    struct buf store;
    buf_init(&store, MEM_OTHER);
    int count = text_split_args(slice_cstr(row->default_text), &store, words, CLIENT_CLASSES * 4);
    limits_parse(words, count, defaults, errbuf);
    for (int i = 0; i < CLIENT_CLASSES; i++) {
        const struct output_limit *limit = &net_settings.output_limits[i];
        differs[i] = limit->hard_bytes != defaults[i].hard ||
                     limit->soft_bytes != defaults[i].soft || limit->soft_s != defaults[i].seconds;
    }
    for (int pass = 1; pass >= 0; pass--)
        for (int i = 0; i < CLIENT_CLASSES; i++)
            if (differs[i] == pass)
                limits_rewrite_class(row, rewriter, i, differs[i]);
    buf_deinit(&store);
}

const struct config_form config_form_output_limits = {
    .set = limits_set, .get = limits_get, .rewrite = limits_rewrite};

static void replicaof_deinit(void)
{
    mem_strfree(server_settings.primary_host);
    server_settings.primary_host = NULL;
    server_settings.primary_port = 0;
}

static enum config_change replicaof_set(const struct slice *args, int count, char *errbuf)
{
    int64_t port = 0;
    bool none = count == 0 || (count == 2 && slice_is(args[0], "no") && slice_is(args[1], "one"));
    if (!none && count != 2)
        return config_fail(errbuf, "wrong number of arguments");
    if (!none && (!num_parse_int64(args[1], &port) || port < 0 || port > 65535))
        return config_fail(errbuf, "Invalid master port");
    replicaof_deinit();
    server_settings.primary_host = config_copy(none ? SLICE("") : args[0]);
    server_settings.primary_port = (int)port;
    return CONFIG_CHANGED;
}

static void replicaof_get(struct buf *out)
{
    if (server_settings.primary_host && *server_settings.primary_host)
        buf_printf(out, "%s %d", server_settings.primary_host, server_settings.primary_port);
}

static void replicaof_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line;
    buf_init(&line, MEM_OTHER);
    buf_printf(&line, "%s ", row->name);
    replicaof_get(&line);
    if (*server_settings.primary_host)
        config_rewriter_line(rewriter, row->name, buf_slice(&line), true);
    else
        config_rewriter_done(rewriter, row->name);
    buf_deinit(&line);
}

const struct config_form config_form_replicaof = {.set = replicaof_set,
                                                  .get = replicaof_get,
                                                  .deinit = replicaof_deinit,
                                                  .rewrite = replicaof_rewrite};
