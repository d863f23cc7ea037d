/* effects_file.h: debug-effects-file: what every command did, as RESP commands in one file, for the
 * test that replays them into a twin and compares the data. Not a log: nothing is synced, and one
 * lock orders all writers. Threading: the sink is called by any thread with shard locks held; the
 * lock in here is a leaf. */
#pragma once

#include "base/err.h"
#include "store/keyspace.h"

/* Opens the file for append and returns the sink in *out, which lives until effects_file_close().
 * ERR_SYS with errno. */
enum err effects_file_open(const char *path, const struct effect_sink **out) MUST_USE;
/* What the keyspace's sink is to be when the log's is `next` (NULL: there is none): the file's,
 * which passes everything on, or `next` itself. Exclusive mode, or before there are threads. */
const struct effect_sink *effects_file_before(const struct effect_sink *next);
void effects_file_close(void); /* no writer is left; harmless when nothing is open */
