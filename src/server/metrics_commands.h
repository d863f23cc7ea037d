/* metrics_commands.h: the counters of each command as metrics: calls, times, errors, percentiles
 * and histogram.
 *
 * A metric's samples must stand together, a command's counters are read together: so each metric
 * has a text, and each step adds one command to all of them. A step is what a reactor does at once:
 * O(buckets × threads), a few microseconds. Owner: whoever makes the texts. */
#pragma once

#include "base/buf.h"

struct server;

enum {
    METRICS_COMMAND_TEXTS = 6
};

struct metrics_commands {
    struct buf texts[METRICS_COMMAND_TEXTS]; /* one behind the other they are the whole */
    int next;                                /* the command that follows */
    bool histograms;                         /* they are wanted */
};

void metrics_commands_init(struct metrics_commands *m, bool histograms);
void metrics_commands_deinit(struct metrics_commands *m);
/* The next command; false: there is none. A reactor inside its gate. */
bool metrics_commands_step(struct metrics_commands *m, const struct server *s);
