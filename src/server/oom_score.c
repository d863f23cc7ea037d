#include "server/oom_score.h"

#include "base/log.h"
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>

#define PROC_FILE "/proc/self/oom_score_adj"

enum { /* values of oom-score-adj */
    MODE_NO,
    MODE_RELATIVE,
    MODE_ABSOLUTE
};

enum {
    SCORE_MAX = 1000
};

static bool active;
static int before; /* we have touched it; meaningless while not active */

static bool read_score(int *out)
{
    FILE *file = fopen(PROC_FILE, "re");
    if (!file)
        return false;
    bool good = fscanf(file, "%d", out) == 1;
    fclose(file);
    return good;
}

/* The kernel answers when the buffer is flushed. */
static bool write_score(int score)
{
    FILE *file = fopen(PROC_FILE, "we");
    if (!file)
        return false;
    bool good = fprintf(file, "%d", score) > 0;
    good = fclose(file) == 0 && good;
    return good;
}

static enum err fail(const char *what)
{
    log_warning("Can't %s oom_score_adj: %s", what, strerror(errno));
    return ERR_SYS;
}

static enum err put_back(void)
{
    if (!active)
        return OK;
    if (!write_score(before))
        return fail("restore");
    active = false;
    return OK;
}

enum err oom_score_apply(void)
{
    int mode = server_settings.oom_score_mode, score = server_settings.oom_score_values[0];
    if (mode == MODE_NO)
        return put_back();
    if (!active && !read_score(&before))
        return fail("read");
    if (mode == MODE_RELATIVE)
        score += before;
    if (!write_score(MAX(MIN(score, (int)SCORE_MAX), -(int)SCORE_MAX)))
        return fail("write");
    active = true;
    return OK;
}
