/* disk_model.h: a disk in memory that can lose its power: a table of file operations (os/file.h)
 * for tests.
 *
 * What is written stands in a volatile half; sync makes it durable. So do names: what open, rename
 * and unlink do to a directory is volatile until the directory itself is synced; syncing a file
 * does not save its name. After disk_model_cut_power() every operation fails with EIO, and
 * disk_model_restore_power() leaves what such a machine might find at its next start: of each
 * file what was durable and, of what was appended since, an arbitrary beginning, perhaps followed
 * by zeros; of the changes of names an arbitrary number of the first ones. An unsynced file that
 * was cut or overwritten has its old or its new content.
 *
 * There is one disk; operations may come from any thread. Directories need not be made. */
#pragma once

#include "os/file.h"

extern const struct file_ops disk_model_ops;

/* An empty disk with power, and the dice of what a power failure leaves. */
void disk_model_init(uint64_t seed);
void disk_model_deinit(void);

/* Power fails at the n-th change from now (a write, sync, rename …, counted from 1), which has no
 * effect any more. */
void disk_model_fail_after(uint64_t changes);
void disk_model_cut_power(void);
/* No descriptor may be in use any more. */
void disk_model_restore_power(void);

/* A disk whose syncs do nothing, and say that they did: what the test of the test needs. */
void disk_model_ignore_syncs(bool ignore);
/* What every sync takes, in µs, with the disk free for others: for group commit to have something
 * to gather. */
void disk_model_slow_syncs(unsigned us);
/* What syncs sleep with instead of usleep(); NULL: that. */
void disk_model_sleep_with(void (*sleep_us)(unsigned us));
