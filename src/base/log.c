#include "base/log.h"

#include "base/lock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <sys/stat.h>

enum {
    RING_LINES = 32,
    RING_LINE_BYTES = 256
};

_Atomic int log_threshold = LOG_NOTICE;

static _Atomic int log_fd = STDOUT_FILENO;
static _Atomic int log_format = LOG_FORMAT_TEXT, log_timestamps = LOG_TIME_LEGACY;
/* Guards what follows; writers of lines do not take it. */
static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER;
static char *file_path; /* NULL: standard output */
/* Once open, this number stays in use for ever: a new file replaces the old one under it (dup3), so
 * that a line being written meanwhile can never go into a stranger's descriptor. */
static int file_fd = -1;

/* The last lines, for a crash report; long ones cut. */
static struct lock ring_lock;
static char ring[RING_LINES][RING_LINE_BYTES];
static size_t ring_lens[RING_LINES];
static unsigned ring_next;

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

/* With file_lock held. Whether the path names another file than the open one, or none. */
static bool is_rotated(void)
{
    struct stat named, open;
    return file_path && fstat(file_fd, &open) == 0 &&
           (stat(file_path, &named) != 0 || named.st_ino != open.st_ino ||
            named.st_dev != open.st_dev);
}

void log_follow_rotation(void)
{
    pthread_mutex_lock(&file_lock);
    bool rotated = is_rotated();
    pthread_mutex_unlock(&file_lock);
    if (rotated)
        log_reopen();
}

void log_set_format(enum log_format format, enum log_timestamps timestamps)
{
    atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
    atomic_store_explicit(&log_timestamps, (int)timestamps, memory_order_relaxed);
}

/* Normally one write(2); goes on only after a signal or a short write. */
void log_write_raw(const char *line, size_t len)
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

int log_descriptor(void)
{
    return atomic_load_explicit(&log_fd, memory_order_relaxed);
}

/* ---- the last lines ---- */

static void remember(const char *line, size_t len)
{
    len = MIN(len, (size_t)RING_LINE_BYTES);
    lock_acquire(&ring_lock);
    unsigned at = ring_next++ % RING_LINES;
    memcpy(ring[at], line, len);
    ring[at][len - 1] = '\n';
    ring_lens[at] = len;
    lock_release(&ring_lock);
}

void log_write_last(void)
{
    bool locked = lock_try(&ring_lock); /* else whoever holds it may be what crashed */
    for (unsigned i = 0; i < RING_LINES; i++) {
        unsigned at = (ring_next + i) % RING_LINES;
        log_write_raw(ring[at], MIN(ring_lens[at], (size_t)RING_LINE_BYTES));
    }
    if (locked)
        lock_release(&ring_lock);
}

void log_write(enum log_level level, const char *format, ...)
{
    int saved_errno = errno;
    char message[LOG_MESSAGE_MAX], text[LOG_LINE_MAX];
    struct log_line line = {.level = (int)level, .pid = (int)getpid(), .message = message};
    va_list args;
    va_start(args, format);
    int len = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    line.len = (size_t)MAX(MIN(len, LOG_MESSAGE_MAX - 1), 0);
    line.format = (enum log_format)atomic_load_explicit(&log_format, memory_order_relaxed);
    line.timestamps =
        (enum log_timestamps)atomic_load_explicit(&log_timestamps, memory_order_relaxed);
    clock_gettime(CLOCK_REALTIME, &line.now); /* not clock.h's: a test's shift must not appear */
    size_t end = log_format_line(text, &line);
    log_write_raw(text, end);
    remember(text, end);
    errno = saved_errno;
}
