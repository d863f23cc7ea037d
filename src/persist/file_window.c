#include "persist/file_window.h"

#include "os/file.h"

#include <errno.h>
#include <stdio.h>

enum err file_window_open(struct file_window *w, const char *path)
{
    *w = (struct file_window){.fd = -1};
    buf_init(&w->bytes, MEM_OTHER);
    return file_open(path, &w->fd, &w->size);
}

void file_window_deinit(struct file_window *w)
{
    if (w->fd >= 0)
        file_drop(w->fd);
    w->fd = -1;
    buf_deinit(&w->bytes);
}

enum file_fill file_window_fill(struct file_window *w, size_t missing, char *reason, size_t cap)
{
    uint64_t rest = w->size - w->loaded;
    if (missing > rest)
        return FILE_ENDS;
    size_t usual = MAX(buf_len(&w->bytes), (size_t)FILE_WINDOW_BYTES);
    size_t want = (size_t)MIN(rest, (uint64_t)MAX(missing, usual));
    for (size_t got = 0; got < missing;) {
        size_t len;
        if (file_read(w->fd, buf_reserve(&w->bytes, want - got), want - got, &len) != OK) {
            snprintf(reason, cap, "reading failed: %s", strerror(errno));
            return FILE_FAILED;
        }
        if (len == 0) {
            snprintf(reason, cap, "the file became shorter while it was read");
            return FILE_FAILED;
        }
        buf_advance(&w->bytes, len);
        w->loaded += len;
        got += len;
    }
    return FILE_FILLED;
}
