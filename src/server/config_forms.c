/* Forms of directives about the process: dir, oom-score-adj-values,
 * latency-tracking-info-percentiles. */
#include "base/num.h"
#include "base/text.h"
#include "server/config_row.h"
#include "server/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum {
    PERCENTILES_MAX = 64
};

/* "" as the only word means no words. */
int config_words_given(const struct slice *args, int count)
{
    return count == 1 && args[0].len == 0 ? 0 : count;
}

/* The process's working directory itself is the storage of dir. */
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
    count = config_words_given(args, count);
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
