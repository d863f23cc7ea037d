#include "server/effects_file.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct effects_file {
    struct effect_sink sink;
    const struct effect_sink *next; /* gets the same, behind the file; or NULL */
    struct lock lock;
    struct buf pending; /* guarded by lock, like the rest */
    int fd, db;
    bool open, failed;
} file;

static void put_select(struct buf *out, int db)
{
    char text[NUM_INT64_MAX_LEN];
    size_t len = num_format_int64(text, db);
    buf_printf(out, "*2\r\n$6\r\nSELECT\r\n$%zu\r\n%.*s\r\n", len, (int)len, text);
}

static void flush(struct effects_file *f)
{
    while (buf_len(&f->pending) && !f->failed) {
        ssize_t n = write(f->fd, buf_ptr(&f->pending), buf_len(&f->pending));
        if (n > 0) {
            buf_consume(&f->pending, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            log_warning("Cannot write debug-effects-file: %s; it ends here", strerror(errno));
            f->failed = true;
        }
    }
    buf_clear(&f->pending);
}

static uint64_t write_effects(void *arg, int db, struct slice resp_commands)
{
    struct effects_file *f = arg;
    lock_acquire(&f->lock);
    if (db != f->db)
        put_select(&f->pending, db);
    f->db = db;
    buf_append(&f->pending, resp_commands.ptr, resp_commands.len);
    flush(f);
    lock_release(&f->lock);
    return f->next ? f->next->write(f->next->arg, db, resp_commands) : 0;
}

static uint64_t newest(void *arg)
{
    const struct effects_file *f = arg;
    return f->next ? f->next->newest(f->next->arg) : 0;
}

const struct effect_sink *effects_file_before(const struct effect_sink *next)
{
    file.next = next;
    return file.open ? &file.sink : next;
}

enum err effects_file_open(const char *path, const struct effect_sink **out)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return ERR_SYS;
    file = (struct effects_file){
        .sink = {write_effects, newest, &file}, .fd = fd, .db = -1, .open = true};
    buf_init(&file.pending, MEM_OTHER);
    *out = &file.sink;
    return OK;
}

void effects_file_close(void)
{
    if (!file.open)
        return;
    buf_deinit(&file.pending);
    close(file.fd);
    file.open = false;
}
