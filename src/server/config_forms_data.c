/* Forms of directives about the data: save and notify-keyspace-events. */
#include "base/num.h"
#include "base/text.h"
#include "server/config_row.h"
#include "server/settings.h"
#include "store/settings.h"

#include <inttypes.h>
#include <limits.h>

enum {
    SAVE_POINTS_MAX = 1024
};

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

static bool loading_files, save_seen; /* see config_save_begin_loading() */

void config_save_forget(void)
{
    save_seen = false;
}

void config_save_begin_loading(void)
{
    loading_files = true;
}

void config_save_end_loading(void)
{
    loading_files = false;
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
    bool clear = config_words_given(args, count) == 0;
    count = clear ? 0 : count;
    if (!save_valid(args, count))
        return config_fail(errbuf, "Invalid save parameters");
    if (clear || !loading_files || !save_seen)
        save_deinit();
    save_seen = save_seen || loading_files;
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
