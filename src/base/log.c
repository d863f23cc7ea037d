#include "base/log.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_MAX = 1024,
    PREFIX_MAX = 64,
    LINE_MAX_LEN = PREFIX_MAX + 4 * MESSAGE_MAX + 1
};

_Atomic int log_threshold = LOG_NOTICE;

static _Atomic int log_fd = STDOUT_FILENO;
/* Guards what follows; writers of lines do not take it. */
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;
static char *file_path; /* NULL: standard output */
/* Once open, this number stays in use for ever: a new file replaces the old one under it (dup3), so
 * that a line being written meanwhile can never go into a stranger's descriptor. */
static int file_fd = -1;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_threshold, (int)level, memory_order_relaxed);
}

/* With file_lock held. */
static enum err open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return ERR_SYS;
    if (file_fd < 0) {
        file_fd = fd;
        return OK;
    }
    int replaced = dup3(fd, file_fd, O_CLOEXEC);
    close(fd);
    return replaced < 0 ? ERR_SYS : OK;
}

enum err log_set_file(const char *path)
{
    enum err err = OK;
    pthread_mutex_lock(&file_lock);
    if (*path)
        err = open_file(path);
    if (err == OK) {
        atomic_store_explicit(&log_fd, *path ? file_fd : STDOUT_FILENO, memory_order_relaxed);
        mem_strfree(file_path);
        file_path = *path ? mem_strdup(path) : NULL;
    }
    pthread_mutex_unlock(&file_lock);
    return err;
}

void log_reopen(void)
{
    pthread_mutex_lock(&file_lock);
    enum err err = file_path ? open_file(file_path) : OK;
    pthread_mutex_unlock(&file_lock);
    if (err != OK)
        log_warning("Can't reopen the log file: %m");
}

/* "pid:M 21 Nov 2026 08:20:00.123 * " */
static size_t format_prefix(char *out, enum log_level level)
{
    struct timespec now;
    struct tm tm;
    char date[40];
    clock_gettime(CLOCK_REALTIME, &now); /* not clock.h's: a test's shift must not appear here */
    localtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%d %b %Y %H:%M:%S", &tm);
    int len = snprintf(out, PREFIX_MAX, "%d:M %s.%03d %c ", (int)getpid(), date,
                       (int)(now.tv_nsec / 1000000), ".-*#"[level & 3]);
    return (size_t)MIN(len, PREFIX_MAX - 1);
}

/* At most four bytes. */
static size_t escape_byte(char *out, unsigned char c)
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
    const char *hex = "0123456789abcdef";
    memcpy(out, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    return 4;
}

/* Normally one write(2); goes on only after a signal or a short write. */
static void write_line(const char *line, size_t len)
{
    int fd = atomic_load_explicit(&log_fd, memory_order_relaxed);
    while (len) {
        ssize_t written = write(fd, line, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        line += written;
        len -= (size_t)written;
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved_errno = errno;
    char message[MESSAGE_MAX], line[LINE_MAX_LEN];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    size_t end = format_prefix(line, level);
    for (int i = 0; i < MIN(len, MESSAGE_MAX - 1); i++)
        end += escape_byte(line + end, (unsigned char)message[i]);
    line[end++] = '\n';
    write_line(line, end);
    errno = saved_errno;
}
