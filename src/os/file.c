#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

static int system_open(const char *path, int flags, unsigned mode)
{
    return open(path, flags, mode);
}

static int64_t system_size(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    if (S_ISREG(st.st_mode))
        return st.st_size;
    errno = EINVAL;
    return -1;
}

static int system_mkdir(const char *path, unsigned mode)
{
    return mkdir(path, mode);
}

static int system_cut(int fd, int64_t size)
{
    return ftruncate(fd, size);
}

const struct file_ops file_ops_system = {
    .open = system_open,
    .read = read,
    .write = write,
    .size = system_size,
    .sync = fsync,
    .sync_data = fdatasync,
    .cut = system_cut,
    .close = close,
    .rename = rename,
    .unlink = unlink,
    .mkdir = system_mkdir,
};

const struct file_ops *file_ops = &file_ops_system;

static int open_again(const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = file_ops->open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

enum err file_open(const char *path, int *fd, uint64_t *size)
{
    *fd = open_again(path, O_RDONLY, 0);
    if (*fd < 0)
        return ERR_SYS;
    int64_t len = file_ops->size(*fd);
    if (len < 0) {
        file_drop(*fd);
        *fd = -1;
        return ERR_SYS;
    }
    *size = (uint64_t)len;
    return OK;
}

enum err file_create(const char *path, int *fd)
{
    *fd = open_again(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    return *fd < 0 ? ERR_SYS : OK;
}

enum err file_append_to(const char *path, uint64_t size, int *fd)
{
    *fd = open_again(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (*fd < 0)
        return ERR_SYS;
    int64_t len = file_ops->size(*fd);
    if (len >= 0 && ((uint64_t)len <= size || file_cut(*fd, size) == OK))
        return OK;
    file_drop(*fd);
    *fd = -1;
    return ERR_SYS;
}

enum err file_read(int fd, void *bytes, size_t cap, size_t *len)
{
    ssize_t n;
    do
        n = file_ops->read(fd, bytes, cap);
    while (n < 0 && errno == EINTR);
    *len = n < 0 ? 0 : (size_t)n;
    return n < 0 ? ERR_SYS : OK;
}

enum err file_write(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = file_ops->write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC; /* a file that takes nothing and gives no reason */
            return ERR_SYS;
        }
        at += n;
        len -= (size_t)n;
    }
    return OK;
}

enum err file_sync(int fd)
{
    int failed;
    do
        failed = file_ops->sync(fd);
    while (failed && errno == EINTR);
    return failed ? ERR_SYS : OK;
}

enum err file_sync_data(int fd)
{
    int failed;
    do
        failed = file_ops->sync_data(fd);
    while (failed && errno == EINTR);
    return failed ? ERR_SYS : OK;
}

enum err file_cut(int fd, uint64_t size)
{
    int failed;
    do
        failed = file_ops->cut(fd, (int64_t)size);
    while (failed && errno == EINTR);
    return failed ? ERR_SYS : OK;
}

/* Linux has released the descriptor even when close() was interrupted. */
enum err file_close(int fd)
{
    return file_ops->close(fd) != 0 && errno != EINTR ? ERR_SYS : OK;
}

void file_drop(int fd)
{
    int saved = errno;
    file_ops->close(fd);
    errno = saved;
}

enum err file_store(const char *path, const void *bytes, size_t len)
{
    int fd;
    enum err err = file_create(path, &fd);
    if (err)
        return err;
    err = file_write(fd, bytes, len);
    if (!err)
        err = file_sync(fd);
    if (!err)
        return file_close(fd);
    file_drop(fd);
    return err;
}

static enum err sync_directory_of(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) + 1 : 1;
    snprintf(dir, sizeof(dir), "%.*s", len, slash ? path : ".");
    int fd = open_again(dir, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return ERR_SYS;
    enum err err = file_sync(fd);
    file_drop(fd);
    return err;
}

enum err file_rename(const char *from, const char *to)
{
    return file_ops->rename(from, to) == 0 ? OK : ERR_SYS;
}

enum err file_sync_name(const char *path)
{
    return sync_directory_of(path);
}

enum err file_replace(const char *from, const char *to)
{
    enum err err = file_rename(from, to);
    return err ? err : sync_directory_of(to);
}

enum err file_make_directory(const char *path)
{
    if (file_ops->mkdir(path, 0755) == 0)
        return sync_directory_of(path);
    return errno == EEXIST ? OK : ERR_SYS;
}

void file_remove(const char *path)
{
    int saved = errno;
    file_ops->unlink(path);
    errno = saved;
}
