#include "disk_model.h"

#include "base/base.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FD_BASE = 100000,
    DESCRIPTORS = 64,
    FILES = 256,
    NAMES = 64,
    CHANGES = 1024,
    PATH_LEN = 128,
    ZEROS_MAX = 600
};

struct content {
    char *bytes;
    size_t len, cap;
};

struct inode {
    struct content now, durable;
};

struct name {
    char path[PATH_LEN];
    struct inode *inode; /* NULL: unused */
};

/* A change of a directory: `path` then leads to `inode`, or, NULL, to nothing. A rename is two at
 * once. */
struct change {
    char path[PATH_LEN];
    struct inode *inode;
    bool first_of_two;
};

struct descriptor {
    bool used;
    struct inode *inode; /* NULL: a directory */
    size_t at;
    bool append;
};

static struct {
    pthread_mutex_t mutex;
    uint64_t random, fails_in; /* changes until the power fails; 0: it does not */
    bool dead, ignores_syncs;
    unsigned sync_us;
    void (*sleep_us)(unsigned us);
    struct inode inodes[FILES];
    unsigned inode_count;
    struct name now[NAMES], durable[NAMES];
    struct change changes[CHANGES]; /* not durable yet, in order */
    unsigned change_count;
    struct descriptor descriptors[DESCRIPTORS];
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t dice(uint64_t sides)
{
    uint64_t x = disk.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    disk.random = x;
    return (x * 0x2545F4914F6CDD1D >> 11) % sides;
}

/* ---- contents ---- */

static void content_set(struct content *c, const char *bytes, size_t len)
{
    if (len > c->cap) {
        c->cap = len * 2;
        c->bytes = realloc(c->bytes, c->cap);
        if (!c->bytes)
            abort();
    }
    if (len)
        memmove(c->bytes, bytes, len);
    c->len = len;
}

static void content_write(struct content *c, size_t at, const char *bytes, size_t len)
{
    if (at + len > c->cap) {
        c->cap = (at + len) * 2;
        c->bytes = realloc(c->bytes, c->cap);
        if (!c->bytes)
            abort();
    }
    if (at > c->len)
        memset(c->bytes + c->len, 0, at - c->len);
    if (len)
        memcpy(c->bytes + at, bytes, len);
    c->len = MAX(c->len, at + len);
}

static bool begins_with(const struct content *longer, const struct content *c)
{
    return longer->len >= c->len && (!c->len || memcmp(longer->bytes, c->bytes, c->len) == 0);
}

/* ---- names ---- */

static struct name *find_name(struct name *names, const char *path)
{
    for (int i = 0; i < NAMES; i++)
        if (names[i].inode && strcmp(names[i].path, path) == 0)
            return &names[i];
    return NULL;
}

static void set_name(struct name *names, const char *path, struct inode *inode)
{
    struct name *n = find_name(names, path);
    for (int i = 0; i < NAMES && !n; i++)
        if (!names[i].inode)
            n = &names[i];
    if (!n)
        abort();
    snprintf(n->path, sizeof(n->path), "%s", path);
    n->inode = inode;
}

static void change_name(const char *path, struct inode *inode, bool first_of_two)
{
    if (disk.change_count == CHANGES)
        abort();
    struct change *c = &disk.changes[disk.change_count++];
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->inode = inode;
    c->first_of_two = first_of_two;
    set_name(disk.now, path, inode);
}

/* The first `count` changes are durable, and no longer remembered. */
static void settle_names(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        set_name(disk.durable, disk.changes[i].path, disk.changes[i].inode);
    disk.change_count -= count;
    memmove(disk.changes, disk.changes + count, disk.change_count * sizeof(struct change));
}

/* ---- operations; each takes the mutex ---- */

static int fail(int error)
{
    errno = error;
    return -1;
}

static void enter(void)
{
    pthread_mutex_lock(&disk.mutex);
}

static void leave(void)
{
    int saved = errno;
    pthread_mutex_unlock(&disk.mutex);
    errno = saved;
}

/* True: this change happens. */
static bool powered(void)
{
    if (disk.fails_in && --disk.fails_in == 0)
        disk.dead = true;
    if (disk.dead)
        errno = EIO;
    return !disk.dead;
}

static struct descriptor *descriptor_of(int fd)
{
    if (fd < FD_BASE || fd >= FD_BASE + DESCRIPTORS || !disk.descriptors[fd - FD_BASE].used)
        abort();
    return &disk.descriptors[fd - FD_BASE];
}

static int new_descriptor(struct inode *inode, bool append)
{
    for (int i = 0; i < DESCRIPTORS; i++) {
        struct descriptor *d = &disk.descriptors[i];
        if (d->used)
            continue;
        *d = (struct descriptor){.used = true, .inode = inode, .append = append};
        return FD_BASE + i;
    }
    abort();
}

static int open_locked(const char *path, int flags)
{
    if (disk.dead)
        return fail(EIO);
    if (flags & O_DIRECTORY)
        return new_descriptor(NULL, false);
    struct name *n = find_name(disk.now, path);
    if (n && flags & O_CREAT && flags & O_EXCL)
        return fail(EEXIST);
    if (n && !(flags & O_TRUNC))
        return new_descriptor(n->inode, flags & O_APPEND);
    if (!n && !(flags & O_CREAT))
        return fail(ENOENT);
    if (!powered())
        return -1;
    struct inode *inode = n ? n->inode : &disk.inodes[disk.inode_count++];
    if (disk.inode_count == FILES)
        abort();
    inode->now.len = 0;
    if (!n)
        change_name(path, inode, false);
    return new_descriptor(inode, flags & O_APPEND);
}

static int model_open(const char *path, int flags, unsigned mode)
{
    (void)mode;
    enter();
    int fd = open_locked(path, flags);
    leave();
    return fd;
}

static ssize_t model_read(int fd, void *bytes, size_t len)
{
    enter();
    struct descriptor *d = descriptor_of(fd);
    size_t left = d->inode->now.len - MIN(d->at, d->inode->now.len);
    len = MIN(len, left);
    if (len)
        memcpy(bytes, d->inode->now.bytes + d->at, len);
    d->at += len;
    bool dead = disk.dead;
    leave();
    return dead ? fail(EIO) : (ssize_t)len;
}

static ssize_t model_write(int fd, const void *bytes, size_t len)
{
    enter();
    struct descriptor *d = descriptor_of(fd);
    ssize_t written = -1;
    if (powered()) {
        if (d->append)
            d->at = d->inode->now.len;
        content_write(&d->inode->now, d->at, bytes, len);
        d->at += len;
        written = (ssize_t)len;
    }
    leave();
    return written;
}

static int64_t model_size(int fd)
{
    enter();
    const struct inode *inode = descriptor_of(fd)->inode;
    int64_t size = inode ? (int64_t)inode->now.len : fail(EINVAL);
    leave();
    return size;
}

/* Durable is what was there when the call began, and no less. */
static int model_sync(int fd)
{
    enter();
    struct inode *inode = descriptor_of(fd)->inode;
    struct content begun = {0};
    unsigned names = disk.change_count, us = disk.sync_us;
    void (*sleep_us)(unsigned us) = disk.sleep_us;
    bool works = powered(), ignores = disk.ignores_syncs;
    if (works && inode)
        content_set(&begun, inode->now.bytes, inode->now.len);
    leave();
    if (works && us && sleep_us)
        sleep_us(us);
    else if (works && us)
        usleep(us);
    enter();
    works = works && powered();
    if (works && !ignores && inode)
        content_set(&inode->durable, begun.bytes, begun.len);
    else if (works && !ignores)
        settle_names(MIN(names, disk.change_count));
    free(begun.bytes);
    leave();
    return works ? 0 : fail(EIO);
}

static int model_cut(int fd, int64_t size)
{
    enter();
    struct descriptor *d = descriptor_of(fd);
    bool works = powered();
    if (works && (size_t)size < d->inode->now.len)
        d->inode->now.len = (size_t)size;
    leave();
    return works ? 0 : -1;
}

static int model_close(int fd)
{
    enter();
    descriptor_of(fd)->used = false;
    leave();
    return 0;
}

static int model_rename(const char *from, const char *to)
{
    enter();
    struct name *n = find_name(disk.now, from);
    int result = 0;
    if (!n) {
        result = fail(ENOENT);
    } else if (!powered()) {
        result = -1;
    } else {
        struct inode *inode = n->inode;
        change_name(to, inode, true);
        change_name(from, NULL, false);
    }
    leave();
    return result;
}

static int model_unlink(const char *path)
{
    enter();
    int result = 0;
    if (!find_name(disk.now, path))
        result = fail(ENOENT);
    else if (!powered())
        result = -1;
    else
        change_name(path, NULL, false);
    leave();
    return result;
}

static int model_mkdir(const char *path, unsigned mode)
{
    (void)path, (void)mode;
    return 0;
}

const struct file_ops disk_model_ops = {
    .open = model_open,
    .read = model_read,
    .write = model_write,
    .size = model_size,
    .sync = model_sync,
    .sync_data = model_sync,
    .cut = model_cut,
    .close = model_close,
    .rename = model_rename,
    .unlink = model_unlink,
    .mkdir = model_mkdir,
};

/* ---- power ---- */

void disk_model_init(uint64_t seed)
{
    disk_model_deinit();
    disk.random = seed * 2 + 1;
    for (int i = 0; i < 8; i++)
        dice(2);
}

void disk_model_deinit(void)
{
    for (unsigned i = 0; i < disk.inode_count; i++) {
        free(disk.inodes[i].now.bytes);
        free(disk.inodes[i].durable.bytes);
    }
    pthread_mutex_t mutex = disk.mutex;
    memset(&disk, 0, sizeof(disk));
    disk.mutex = mutex;
}

void disk_model_fail_after(uint64_t changes)
{
    enter();
    disk.fails_in = changes;
    leave();
}

void disk_model_cut_power(void)
{
    enter();
    disk.dead = true;
    leave();
}

static void lose(struct inode *inode)
{
    struct content *now = &inode->now, *durable = &inode->durable;
    if (!begins_with(now, durable)) {
        if (dice(2))
            content_set(durable, now->bytes, now->len);
    } else if (now->len > durable->len && dice(4)) {
        size_t kept = durable->len + dice(now->len - durable->len + 1);
        size_t zeros = dice(3) ? 0 : MIN(dice(ZEROS_MAX), now->len - kept);
        content_set(durable, now->bytes, kept);
        if (zeros) {
            char zero[ZEROS_MAX] = {0};
            content_write(durable, kept, zero, zeros);
        }
    }
    content_set(now, durable->bytes, durable->len);
}

void disk_model_restore_power(void)
{
    unsigned changes = (unsigned)dice(disk.change_count + 1);
    if (changes && disk.changes[changes - 1].first_of_two)
        changes++;
    settle_names(changes);
    disk.change_count = 0;
    memcpy(disk.now, disk.durable, sizeof(disk.now));
    for (unsigned i = 0; i < disk.inode_count; i++)
        lose(&disk.inodes[i]);
    memset(disk.descriptors, 0, sizeof(disk.descriptors));
    disk.dead = false;
    disk.fails_in = 0;
}

void disk_model_ignore_syncs(bool ignore)
{
    disk.ignores_syncs = ignore;
}

void disk_model_slow_syncs(unsigned us)
{
    enter();
    disk.sync_us = us;
    leave();
}

void disk_model_sleep_with(void (*sleep_us)(unsigned us))
{
    enter();
    disk.sleep_us = sleep_us;
    leave();
}
