/* Directives with a form of their own: lists, pairs and letters. */
#include "base/num.h"
#include "base/text.h"
#include "net/settings.h"
#include "server/config_row.h"
#include "server/settings.h"
#include "store/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum {
    BIND_MAX = 16,
    SAVE_POINTS_MAX = 1024,
    PERCENTILES_MAX = 64
};

/* "" as the only word means no words. */
static int words_given(const struct slice *args, int count)
{
    return count == 1 && args[0].len == 0 ? 0 : count;
}

/* bind: addresses */

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
    count = words_given(args, count);
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

/* client-output-buffer-limit: <class> <hard> <soft> <seconds> ... */

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

/* One line per class, written when that class differs from its part of the default. */
static void limits_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct limit_values defaults[CLIENT_CLASSES] = {{0}};
    char errbuf[CONFIG_ERROR_MAX];
    struct slice words[CLIENT_CLASSES * 4];
    struct buf store, line;
    buf_init(&store, MEM_OTHER);
    buf_init(&line, MEM_OTHER);
    int count = text_split_args(slice_cstr(row->default_text), &store, words, CLIENT_CLASSES * 4);
    limits_parse(words, count, defaults, errbuf);
    for (int i = 0; i < CLIENT_CLASSES; i++) {
        const struct output_limit *limit = &net_settings.output_limits[i];
        buf_clear(&line);
        buf_printf(&line, "%s %s ", row->name, i == CLIENT_REPLICA ? "replica" : class_names[i]);
        config_format_memory(&line, limit->hard_bytes);
        buf_putc(&line, ' ');
        config_format_memory(&line, limit->soft_bytes);
        buf_printf(&line, " %" PRId64, limit->soft_s);
        config_rewriter_line(rewriter, row->name, buf_slice(&line),
                             limit->hard_bytes != defaults[i].hard ||
                                 limit->soft_bytes != defaults[i].soft ||
                                 limit->soft_s != defaults[i].seconds);
    }
    buf_deinit(&line);
    buf_deinit(&store);
}

const struct config_form config_form_output_limits = {
    .set = limits_set, .get = limits_get, .rewrite = limits_rewrite};

/* dir: the process's working directory itself is the storage */

static enum config_change dir_set(const struct slice *args, int count, char *errbuf)
{
    if (count != 1)
        return config_fail(errbuf, "wrong number of arguments");
    char *path = config_copy(args[0]);
    int failed = chdir(path) ? errno : 0;
    mem_strfree(path);
    return failed ? config_fail(errbuf, "%s", strerror(failed)) : CONFIG_CHANGED;
}

static void dir_get(struct buf *out)
{
    char path[PATH_MAX];
    if (getcwd(path, sizeof(path)))
        buf_puts(out, path);
}

/* Always written: a server started elsewhere must find its data again. */
static void dir_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line, path;
    buf_init(&line, MEM_OTHER);
    buf_init(&path, MEM_OTHER);
    dir_get(&path);
    buf_printf(&line, "%s ", row->name);
    text_quote(&line, buf_slice(&path));
    config_rewriter_line(rewriter, row->name, buf_slice(&line), true);
    buf_deinit(&path);
    buf_deinit(&line);
}

const struct config_form config_form_dir = {.set = dir_set, .get = dir_get, .rewrite = dir_rewrite};

/* oom-score-adj-values: three numbers */

static enum config_change oom_set(const struct slice *args, int count, char *errbuf)
{
    int64_t values[ARRAY_LEN(server_settings.oom_score_values)];
    enum config_change outcome = CONFIG_SAME;
    if (count != ARRAY_LEN(values))
        return config_fail(errbuf, "wrong number of arguments");
    for (int i = 0; i < count; i++)
        if (!num_parse_int64(args[i], &values[i]) || values[i] < -2000 || values[i] > 2000)
            return config_fail(
                errbuf, "Invalid oom-score-adj-values, elements must be between -2000 and 2000.");
    for (int i = 0; i < count; i++) {
        if (server_settings.oom_score_values[i] != (int)values[i])
            outcome = CONFIG_CHANGED;
        server_settings.oom_score_values[i] = (int)values[i];
    }
    return outcome;
}

static void oom_get(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(server_settings.oom_score_values); i++)
        buf_printf(out, "%s%d", i ? " " : "", server_settings.oom_score_values[i]);
}

const struct config_form config_form_oom_scores = {.set = oom_set, .get = oom_get};

/* latency-tracking-info-percentiles: numbers from 0 to 100 */

static void percentiles_deinit(void)
{
    mem_free(MEM_OTHER, server_settings.percentiles,
             server_settings.percentile_count * sizeof(double));
    server_settings.percentiles = NULL;
    server_settings.percentile_count = 0;
}

static enum config_change percentiles_set(const struct slice *args, int count, char *errbuf)
{
    double values[PERCENTILES_MAX];
    count = words_given(args, count);
    if (count > PERCENTILES_MAX)
        return config_fail(errbuf, "Invalid latency-tracking-info-percentiles parameters");
    for (int i = 0; i < count; i++) {
        if (!num_parse_double(args[i], &values[i]))
            return config_fail(errbuf, "Invalid latency-tracking-info-percentiles parameters");
        if (values[i] < 0 || values[i] > 100)
            return config_fail(errbuf, "latency-tracking-info-percentiles parameters should sit "
                                       "between [0.0,100.0]");
    }
    percentiles_deinit();
    if (count == 0)
        return CONFIG_CHANGED;
    server_settings.percentiles = mem_alloc(MEM_OTHER, (size_t)count * sizeof(double));
    memcpy(server_settings.percentiles, values, (size_t)count * sizeof(double));
    server_settings.percentile_count = (size_t)count;
    return CONFIG_CHANGED;
}

/* Six digits without trailing zeros, as Redis prints them. */
static void percentiles_get(struct buf *out)
{
    for (size_t i = 0; i < server_settings.percentile_count; i++) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%f", server_settings.percentiles[i]);
        while (text[len - 1] == '0')
            len--;
        if (text[len - 1] == '.')
            len--;
        buf_printf(out, "%s%.*s", i ? " " : "", len, text);
    }
}

const struct config_form config_form_percentiles = {
    .set = percentiles_set, .get = percentiles_get, .deinit = percentiles_deinit};

/* notify-keyspace-events: letters */

/* Redis's order of printing. */
static const struct {
    char letter;
    unsigned bit;
} notify_letters[] = {
    {'g', NOTIFY_GENERIC},  {'$', NOTIFY_STRING}, {'l', NOTIFY_LIST},    {'s', NOTIFY_SET},
    {'h', NOTIFY_HASH},     {'z', NOTIFY_ZSET},   {'x', NOTIFY_EXPIRED}, {'e', NOTIFY_EVICTED},
    {'t', NOTIFY_STREAM},   {'d', NOTIFY_MODULE}, {'n', NOTIFY_NEW},     {'K', NOTIFY_KEYSPACE},
    {'E', NOTIFY_KEYEVENT}, {'m', NOTIFY_MISS},
};

static unsigned notify_bit(char letter)
{
    if (letter == 'A')
        return NOTIFY_ALL;
    for (size_t i = 0; i < ARRAY_LEN(notify_letters); i++)
        if (notify_letters[i].letter == letter)
            return notify_letters[i].bit;
    return 0;
}

static enum config_change notify_set(const struct slice *args, int count, char *errbuf)
{
    unsigned events = 0;
    if (count != 1)
        return config_fail(errbuf, "wrong number of arguments");
    for (size_t i = 0; i < args[0].len; i++) {
        unsigned bit = notify_bit(args[0].ptr[i]);
        if (!bit)
            return config_fail(errbuf, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
        events |= bit;
    }
    store_settings.notify_events = events;
    return CONFIG_CHANGED;
}

static void notify_get(struct buf *out)
{
    unsigned events = store_settings.notify_events;
    bool all = (events & NOTIFY_ALL) == NOTIFY_ALL;
    if (all)
        buf_putc(out, 'A');
    for (size_t i = 0; i < ARRAY_LEN(notify_letters); i++) {
        unsigned bit = notify_letters[i].bit;
        if ((events & bit) && !(all && (bit & NOTIFY_ALL)))
            buf_putc(out, notify_letters[i].letter);
    }
}

static void notify_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line, events;
    buf_init(&line, MEM_OTHER);
    buf_init(&events, MEM_OTHER);
    notify_get(&events);
    buf_printf(&line, "%s ", row->name);
    text_quote(&line, buf_slice(&events));
    config_rewriter_line(rewriter, row->name, buf_slice(&line), buf_len(&events) > 0);
    buf_deinit(&events);
    buf_deinit(&line);
}

const struct config_form config_form_notify = {
    .set = notify_set, .get = notify_get, .rewrite = notify_rewrite};

/* save: pairs of seconds and changes */

static bool loading_files, save_seen; /* see config_save_begin_loading() */

void config_save_begin_loading(void)
{
    loading_files = true;
}

void config_save_end_loading(void)
{
    loading_files = save_seen = false;
}

static void save_deinit(void)
{
    mem_free(MEM_OTHER, server_settings.save_points,
             server_settings.save_point_count * sizeof(struct save_point));
    server_settings.save_points = NULL;
    server_settings.save_point_count = 0;
}

static void save_append(struct save_point point)
{
    size_t count = server_settings.save_point_count;
    server_settings.save_points = mem_realloc(MEM_OTHER, server_settings.save_points,
                                              count * sizeof(point), (count + 1) * sizeof(point));
    server_settings.save_points[count] = point;
    server_settings.save_point_count++;
}

static bool save_valid(const struct slice *args, int count)
{
    int64_t value;
    if (count & 1 || (size_t)count / 2 + server_settings.save_point_count > SAVE_POINTS_MAX)
        return false;
    for (int i = 0; i < count; i++)
        if (!num_parse_int64(args[i], &value) || value < (i & 1 ? 0 : 1) || value > INT_MAX)
            return false;
    return true;
}

static enum config_change save_set(const struct slice *args, int count, char *errbuf)
{
    bool clear = words_given(args, count) == 0;
    count = clear ? 0 : count;
    if (!save_valid(args, count))
        return config_fail(errbuf, "Invalid save parameters");
    if (clear || !loading_files || !save_seen)
        save_deinit();
    save_seen = loading_files;
    for (int i = 0; i < count; i += 2) {
        struct save_point point = {0};
        bool ok = num_parse_int64(args[i], &point.seconds) &&
                  num_parse_int64(args[i + 1], &point.changes);
        if (ok)
            save_append(point);
    }
    return CONFIG_CHANGED;
}

static void save_get(struct buf *out)
{
    for (size_t i = 0; i < server_settings.save_point_count; i++)
        buf_printf(out, "%s%" PRId64 " %" PRId64, i ? " " : "",
                   server_settings.save_points[i].seconds, server_settings.save_points[i].changes);
}

/* One line per point, always written, as Redis does. */
static void save_rewrite(const struct config_row *row, struct config_rewriter *rewriter)
{
    struct buf line;
    buf_init(&line, MEM_OTHER);
    if (server_settings.save_point_count == 0)
        config_rewriter_line(rewriter, row->name, SLICE("save \"\""), true);
    for (size_t i = 0; i < server_settings.save_point_count; i++) {
        buf_clear(&line);
        buf_printf(&line, "save %" PRId64 " %" PRId64, server_settings.save_points[i].seconds,
                   server_settings.save_points[i].changes);
        config_rewriter_line(rewriter, row->name, buf_slice(&line), true);
    }
    buf_deinit(&line);
}

const struct config_form config_form_save = {
    .set = save_set, .get = save_get, .deinit = save_deinit, .rewrite = save_rewrite};

/* replicaof: host and port, or "no one" */

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
