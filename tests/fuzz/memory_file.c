#include "memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FD_BASE = 1000,
    DESCRIPTORS = 16
};

struct memory_faults memory_faults;

static struct memory_file files[MEMORY_FILES];

static struct {
    struct memory_file *file; /* NULL: unused, or a directory */
    bool used;
    size_t at;
} open_files[DESCRIPTORS];

/* Operations may come from several threads. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void unlock(pthread_mutex_t **held)
{
    int saved = errno;
    pthread_mutex_unlock(*held);
    errno = saved;
}

static pthread_mutex_t *lock(void)
{
    pthread_mutex_lock(&mutex);
    return &mutex;
}

#define LOCKED __attribute__((cleanup(unlock), unused)) pthread_mutex_t *held = lock()

static uint64_t next_random(void)
{
    uint64_t x = memory_faults.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    memory_faults.random = x;
    return x;
}

/* True: this operation fails. */
static bool fails(void)
{
    memory_faults.count++;
    if (memory_faults.count == memory_faults.fail_at) {
        errno = memory_faults.error;
        return true;
    }
    return false;
}

static bool interrupted(void)
{
    if (!memory_faults.choppy || next_random() % 4)
        return false;
    errno = EINTR;
    return true;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct memory_file *memory_file_find(const char *path)
{
    for (int i = 0; i < MEMORY_FILES; i++)
        if (*files[i].name && strcmp(files[i].name, name_of(path)) == 0)
            return &files[i];
    return NULL;
}

static struct memory_file *create(const char *path)
{
    struct memory_file *f = memory_file_find(path);
    for (int i = 0; i < MEMORY_FILES && !f; i++)
        if (!*files[i].name)
            f = &files[i];
    if (!f)
        abort();
    snprintf(f->name, sizeof(f->name), "%s", name_of(path));
    buf_clear(&f->bytes);
    return f;
}

struct memory_file *memory_file_put(const char *path, const void *bytes, size_t len)
{
    struct memory_file *f = create(path);
    buf_append(&f->bytes, bytes, len);
    return f;
}

int memory_files_count(void)
{
    int count = 0;
    for (int i = 0; i < MEMORY_FILES; i++)
        count += *files[i].name != 0;
    return count;
}

static int open_file(const char *path, int flags, unsigned mode)
{
    LOCKED;
    if (interrupted() || fails())
        return -1;
    struct memory_file *f = NULL;
    if (!(flags & O_DIRECTORY)) {
        f = memory_file_find(path);
        if (flags & O_TRUNC || (!f && flags & O_CREAT))
            f = create(path);
        if (!f) {
            errno = ENOENT;
            return -1;
        }
    }
    for (int i = 0; i < DESCRIPTORS; i++)
        if (!open_files[i].used) {
            open_files[i].used = true;
            open_files[i].file = f;
            open_files[i].at = 0;
            return FD_BASE + i;
        }
    abort();
}

static size_t part_of(size_t len)
{
    return memory_faults.choppy && len > 1 ? 1 + next_random() % len : len;
}

static ssize_t read_file(int fd, void *bytes, size_t len)
{
    LOCKED;
    if (interrupted() || fails())
        return -1;
    struct buf *b = &open_files[fd - FD_BASE].file->bytes;
    size_t *at = &open_files[fd - FD_BASE].at;
    len = part_of(MIN(len, buf_len(b) - *at));
    if (len)
        memcpy(bytes, buf_ptr(b) + *at, len);
    *at += len;
    return (ssize_t)len;
}

static ssize_t write_file(int fd, const void *bytes, size_t len)
{
    LOCKED;
    if (interrupted() || fails())
        return -1;
    len = part_of(len);
    if (memory_faults.room_bytes >= 0) {
        len = MIN(len, (size_t)memory_faults.room_bytes);
        memory_faults.room_bytes -= (int64_t)len;
        if (!len) {
            errno = ENOSPC;
            return -1;
        }
    }
    buf_append(&open_files[fd - FD_BASE].file->bytes, bytes, len);
    return (ssize_t)len;
}

static int64_t size_of(int fd)
{
    LOCKED;
    return fails() ? -1 : (int64_t)buf_len(&open_files[fd - FD_BASE].file->bytes);
}

static int sync_file(int fd)
{
    LOCKED;
    return interrupted() || fails() ? -1 : 0;
}

static int cut_file(int fd, int64_t size)
{
    LOCKED;
    if (interrupted() || fails())
        return -1;
    struct buf *b = &open_files[fd - FD_BASE].file->bytes;
    if (buf_len(b) > (size_t)size) {
        if (memory_faults.room_bytes >= 0)
            memory_faults.room_bytes += (int64_t)(buf_len(b) - (size_t)size);
        b->end = b->begin + (size_t)size;
    }
    return 0;
}

static int close_file(int fd)
{
    LOCKED;
    bool failing = fails();
    if (!open_files[fd - FD_BASE].used)
        abort();
    open_files[fd - FD_BASE].used = false;
    return failing ? -1 : 0;
}

static int rename_file(const char *from, const char *to)
{
    LOCKED;
    if (fails())
        return -1;
    struct memory_file *f = memory_file_find(from), *old = memory_file_find(to);
    if (old)
        *old->name = 0;
    snprintf(f->name, sizeof(f->name), "%s", name_of(to));
    return 0;
}

static int unlink_file(const char *path)
{
    LOCKED;
    struct memory_file *f = memory_file_find(path);
    if (f)
        *f->name = 0;
    return f ? 0 : -1;
}

/* Names count without their directory, so there is nothing to make. */
static int make_directory(const char *path, unsigned mode)
{
    LOCKED;
    return fails() ? -1 : 0;
}

static const struct file_ops table = {
    .open = open_file,
    .read = read_file,
    .write = write_file,
    .size = size_of,
    .sync = sync_file,
    .sync_data = sync_file,
    .cut = cut_file,
    .close = close_file,
    .rename = rename_file,
    .unlink = unlink_file,
    .mkdir = make_directory,
};

void memory_files_install(void)
{
    memory_files_remove();
    memory_faults = (struct memory_faults){.room_bytes = -1, .random = 88172645463325252ULL};
    file_ops = &table;
}

void memory_files_remove(void)
{
    for (int i = 0; i < MEMORY_FILES; i++) {
        *files[i].name = 0;
        buf_deinit(&files[i].bytes);
    }
    for (int i = 0; i < DESCRIPTORS; i++)
        open_files[i].used = false;
    file_ops = &file_ops_system;
}
