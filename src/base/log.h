/* log.h: the server's log lines, in one of the forms of log_format.h, by default "pid:role date
 * level message" as Redis prints them; one write(2) per line. A message is cut at 1,023 bytes;
 * bytes that are not printable ASCII are escaped (\n, \x1b), so that no client can forge a line or
 * steer a terminal. Lines that cannot be written are lost. Any thread. The level and the file are
 * process-wide state, set at start and by CONFIG SET.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"
#include "base/log_format.h"

enum log_level {
    LOG_DEBUG,
    LOG_VERBOSE,
    LOG_NOTICE,
    LOG_WARNING,
    LOG_NOTHING
};

extern _Atomic int log_threshold;

/* Lines below this level are dropped. Any thread, as all setters here. */
void log_set_level(enum log_level level);
/* Empty path: standard output. The file is opened for append and kept open. ERR_SYS: the old one
 * stays. */
enum err log_set_file(const char *path) MUST_USE;
void log_set_format(enum log_format format, enum log_timestamps timestamps);
/* For a crash report; safe in signal handlers. The descriptor that lines go to; bytes as they are;
 * the last 32 lines. */
int log_descriptor(void);
void log_write_raw(const char *line, size_t len);
void log_write_last(void);
void log_reopen(void); /* after rotation; on failure goes on with the old file */
/* Reopens if the path no longer names the open file: somebody has renamed or removed it, as
 * logrotate does. Costs two stat(2); once in a while, any thread. */
void log_follow_rotation(void);
/* Whatever the threshold is; use the macros below. Keeps errno. */
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define LOG_AT(level, ...)                 \
    do {                                   \
        if ((level) >= log_threshold)      \
            log_write(level, __VA_ARGS__); \
    } while (0)
#define log_verbose(...) LOG_AT(LOG_VERBOSE, __VA_ARGS__)
#define log_notice(...)  LOG_AT(LOG_NOTICE, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_WARNING, __VA_ARGS__)
