/* log_format.h: how a log line is written: Redis's text, logfmt (as Valkey 8.1) or JSON, one object
 * per line. Whatever bytes a message has, the line stays one line and can be parsed. */
#pragma once

#include "base/base.h"

#include <time.h>

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_LOGFMT,
    LOG_FORMAT_JSON
};

enum log_timestamps { /* Valkey 8.1's log-timestamp-format */
    LOG_TIME_LEGACY,  /* 21 Nov 2026 08:20:00.123 */
    LOG_TIME_ISO8601, /* 2026-11-21T08:20:00.123+01:00 */
    LOG_TIME_MILLIS   /* 1795249200123 */
};

enum {
    LOG_MESSAGE_MAX = 1024,
    LOG_PREFIX_MAX = 160,
    LOG_LINE_MAX = LOG_PREFIX_MAX + 6 * LOG_MESSAGE_MAX + 8
};

struct log_line {
    enum log_format format;
    enum log_timestamps timestamps;
    int level; /* enum log_level */
    int pid;
    struct timespec now;
    const char *message;
    size_t len; /* < LOG_MESSAGE_MAX */
};

/* Writes the line with its line end, without a NUL; returns its length. */
size_t log_format_line(char out[LOG_LINE_MAX], const struct log_line *line);
