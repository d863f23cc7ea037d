#include "tools/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum {
    SHOW_MS = 200
};

void progress_init(struct progress *p, const char *unit)
{
    *p = (struct progress){.unit = unit,
                           .shown_ms = clock_monotonic_ms() - SHOW_MS,
                           .terminal = isatty(STDERR_FILENO)};
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t count)
{
    if (!p->terminal)
        return;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - p->shown_ms < SHOW_MS)
        return;
    p->shown_ms = now_ms;
    double percent = total ? (double)MIN(done, total) * 100 / (double)total : 100;
    fprintf(stderr, "\r%5.1f %%  %" PRIu64 " %s", percent, count, p->unit);
}

void progress_end(struct progress *p)
{
    if (p->terminal)
        fprintf(stderr, "\r\033[K");
}
