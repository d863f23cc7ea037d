#include "base/log_format.h"

#include <stdio.h>

static const char hex[] = "0123456789abcdef";

/* ---- time ---- */

static size_t format_legacy(char *out, size_t room, const struct tm *tm, int ms)
{
    size_t len = strftime(out, room, "%d %b %Y %H:%M:%S", tm);
    return len + (size_t)snprintf(out + len, room - len, ".%03d", ms);
}

static size_t format_iso8601(char *out, size_t room, const struct tm *tm, int ms)
{
    char zone[8];
    size_t len = strftime(out, room, "%Y-%m-%dT%H:%M:%S", tm);
    strftime(zone, sizeof(zone), "%z", tm); /* +0100 */
    return len + (size_t)snprintf(out + len, room - len, ".%03d%.3s:%s", ms, zone, zone + 3);
}

static size_t format_time(char *out, size_t room, const struct log_line *line)
{
    struct tm tm;
    int ms = (int)(line->now.tv_nsec / 1000000);
    if (line->timestamps == LOG_TIME_MILLIS)
        return (size_t)snprintf(out, room, "%lld",
                                (long long)line->now.tv_sec * 1000 + (long long)ms);
    localtime_r(&line->now.tv_sec, &tm);
    return line->timestamps == LOG_TIME_ISO8601 ? format_iso8601(out, room, &tm, ms)
                                                : format_legacy(out, room, &tm, ms);
}

/* ---- bytes ---- */

/* At most four bytes. */
static size_t escape_text(char *out, unsigned char c)
{
    if (c >= 0x20 && c < 0x7f) {
        *out = (char)c;
        return 1;
    }
    const char *letter = c ? strchr("\nn\rr\tt", c) : NULL;
    if (letter) {
        memcpy(out, (char[]){'\\', letter[1]}, 2);
        return 2;
    }
    memcpy(out, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    return 4;
}

static size_t escape_quoted(char *out, unsigned char c)
{
    if (c != '"' && c != '\\')
        return escape_text(out, c);
    memcpy(out, (char[]){'\\', (char)c}, 2);
    return 2;
}

/* Bytes beyond ASCII are shown as the code points of Latin-1. */
static size_t escape_json(char *out, unsigned char c)
{
    if ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t')
        return escape_quoted(out, c);
    memcpy(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    return 6;
}

/* ---- lines ---- */

static size_t format_prefix(char *out, const struct log_line *line)
{
    static const char *const levels[] = {"debug", "info", "notice", "warning"};
    char when[64];
    const char *level = levels[line->level & 3];
    int len;
    format_time(when, sizeof(when), line);
    if (line->format == LOG_FORMAT_LOGFMT)
        len = snprintf(out, LOG_PREFIX_MAX,
                       "pid=%d role=primary timestamp=\"%s\" level=%s message=\"", line->pid, when,
                       level);
    else if (line->format == LOG_FORMAT_JSON)
        len = snprintf(out, LOG_PREFIX_MAX,
                       "{\"pid\":%d,\"role\":\"primary\",\"timestamp\":\"%s\",\"level\":\"%s\","
                       "\"message\":\"",
                       line->pid, when, level);
    else
        len = snprintf(out, LOG_PREFIX_MAX, "%d:M %s %c ", line->pid, when, ".-*#"[line->level & 3]);
    return (size_t)MIN(len, LOG_PREFIX_MAX - 1);
}

size_t log_format_line(char out[LOG_LINE_MAX], const struct log_line *line)
{
    static size_t (*const escapes[])(char *, unsigned char) = {
        [LOG_FORMAT_TEXT] = escape_text,
        [LOG_FORMAT_LOGFMT] = escape_quoted,
        [LOG_FORMAT_JSON] = escape_json};
    static const char *const ends[] = {
        [LOG_FORMAT_TEXT] = "\n", [LOG_FORMAT_LOGFMT] = "\"\n", [LOG_FORMAT_JSON] = "\"}\n"};

    size_t end = format_prefix(out, line), tail = strlen(ends[line->format]);
    for (size_t i = 0; i < line->len; i++)
        end += escapes[line->format](out + end, (unsigned char)line->message[i]);
    memcpy(out + end, ends[line->format], tail);
    return end + tail;
}
