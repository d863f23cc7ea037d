/* file_window.h: a file that is read once, from its begin to its end, through a window.
 *
 * The window grows at its end by file_window_fill() and is cut at its begin by buf_consume() on
 * `bytes`; readers keep their own count of where it begins. A file is as long as it was when it was
 * opened. Memory: what the caller asks to see at once, and a read of 1 MB. Threading: one at a
 * time. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum {
    FILE_WINDOW_BYTES = 1 << 20
};

struct file_window {
    int fd;
    uint64_t size, loaded; /* of the file; offset of the window's end */
    struct buf bytes;
};

enum file_fill {
    FILE_FILLED,
    FILE_ENDS, /* it has less; nothing was read */
    FILE_FAILED
};

/* Opens the file. ERR_SYS: errno; deinit is due in every case. */
enum err file_window_open(struct file_window *w, const char *path) MUST_USE;
void file_window_deinit(struct file_window *w);
/* Makes the window at least `missing` bytes longer, which moves it. FILE_FAILED: `reason`, of `cap`
 * bytes, says why. */
enum file_fill file_window_fill(struct file_window *w, size_t missing, char *reason,
                                size_t cap) MUST_USE;
