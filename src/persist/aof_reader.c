#include "persist/aof_reader.h"

#include "base/crc.h"
#include "base/num.h"
#include "persist/aof_mark.h"
#include "persist/aof_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    GROUP_BYTES = 256 << 10 /* unmarked commands are handed out together up to about so much */
};

/* ---- faults ---- */

static PRINTF_LIKE(3, 4) enum aof_read
    fault(struct aof_reader *r, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    r->fault.offset = offset;
    r->fault.whole = r->at;
    vsnprintf(r->fault.reason, sizeof(r->fault.reason), format, args);
    va_end(args);
    return AOF_READ_FAULT;
}

/* ---- the window ---- */

/* Reads at least `missing` bytes more. AOF_READ_UNIT: they are there; AOF_READ_END: the file does
 * not have them. */
static enum aof_read fill(struct aof_reader *r, size_t missing)
{
    switch (file_window_fill(&r->file, missing, r->fault.reason, sizeof(r->fault.reason))) {
    case FILE_FILLED:
        return AOF_READ_UNIT;
    case FILE_ENDS:
        return AOF_READ_END;
    case FILE_FAILED:
        break;
    }
    r->fault.offset = r->file.loaded;
    r->fault.whole = r->at;
    return AOF_READ_FAULT;
}

static void consume(struct aof_reader *r, size_t len)
{
    buf_consume(&r->file.bytes, len);
    r->at += len;
    r->scanned -= MIN(r->scanned, len);
}

static enum err skip_to(struct aof_reader *r, uint64_t offset)
{
    while (r->at < offset) {
        size_t step = (size_t)MIN(offset - r->at, (uint64_t)FILE_WINDOW_BYTES);
        if (fill(r, step) != AOF_READ_UNIT) {
            errno = EIO;
            return ERR_SYS;
        }
        consume(r, (size_t)MIN(offset - r->at, (uint64_t)buf_len(&r->file.bytes)));
    }
    return OK;
}

enum err aof_reader_init(struct aof_reader *r, const char *path, uint64_t offset)
{
    *r = (struct aof_reader){0};
    enum err err = file_window_open(&r->file, path);
    return err ? err : skip_to(r, MIN(offset, r->file.size));
}

void aof_reader_deinit(struct aof_reader *r)
{
    file_window_deinit(&r->file);
}

/* ---- torn, or damaged ---- */

/* Offset in the window of the next line that begins behind `from`, with room for a mark as far as
 * the file goes; the window moves. SIZE_MAX: there is none, or it cannot be read. */
static size_t next_line(struct aof_reader *r, size_t from)
{
    for (;;) {
        const char *begin = buf_slice(&r->file.bytes).ptr;
        const char *end = memchr(begin + from, '\n', buf_len(&r->file.bytes) - from);
        size_t at = end ? (size_t)(end + 1 - begin) : buf_len(&r->file.bytes);
        if (r->file.loaded == r->file.size ||
            (end && buf_len(&r->file.bytes) - at >= AOF_MARK_BYTES))
            return end ? at : SIZE_MAX;
        size_t passed = end ? at - 1 : at; /* the '\n' stays */
        consume(r, passed);
        from = 0;
        if (fill(r, 1) != AOF_READ_UNIT)
            return SIZE_MAX;
    }
}

/* A line like a mark also stands in a value that holds one. A real one continues the chain: it says
 * how far back the mark before it ends, and the first one where the last whole unit ends.
 * `chained`: the end of the last mark of the chain, 0: none so far. Behind `seen`, where the damage
 * was seen, values cannot be told from marks, and every line that looks like one counts. True: the
 * mark belongs to another unit than the broken one. */
static bool has_other_mark(const struct aof_reader *r, size_t at, uint64_t seen, uint64_t *chained)
{
    struct aof_scan scan;
    struct aof_mark mark;
    uint64_t offset = r->at + at;
    struct slice line =
        slice_make(buf_slice(&r->file.bytes).ptr + at, buf_len(&r->file.bytes) - at);
    if (!line.len || *line.ptr != '#' || aof_scan(line, 0, &scan) != AOF_SCAN_LINE ||
        !aof_mark_read(scan.name, &mark))
        return false;
    bool own = mark.bytes == offset - r->fault.whole + r->unit_span_bytes;
    bool next = *chained && mark.bytes == offset - *chained;
    if (own || next)
        *chained = offset + scan.len;
    return next || (!own && offset >= seen);
}

/* True: behind the unit that is broken stands a mark, which nobody wrote before what is missing
 * here was written. The mark that belongs to the broken unit itself says nothing. */
static bool goes_on(struct aof_reader *r, uint64_t seen)
{
    size_t at = 0;
    uint64_t chained = 0;
    while (at != SIZE_MAX && !has_other_mark(r, at, seen, &chained))
        at = next_line(r, at);
    return at != SIZE_MAX || r->file.loaded < r->file.size; /* what cannot be read is not cut off */
}

/* What is wrong was noted by fault(). At the end: all that is there reads well, as far as it goes.
 */
static enum aof_read judge(struct aof_reader *r, bool at_end)
{
    if (!r->marked && !at_end)
        return AOF_READ_FAULT;
    return goes_on(r, at_end ? r->file.size : r->fault.offset) ? AOF_READ_FAULT : AOF_READ_TORN;
}

static enum aof_read cut_off(struct aof_reader *r)
{
    fault(r, r->at + r->scanned,
          r->in_multi  ? "the file ends inside a transaction"
          : r->scanned ? "the file ends before the mark of its last write"
                       : "the file ends in the middle of a command");
    return judge(r, true);
}

/* ---- units ---- */

static void count_span(struct aof_reader *r, size_t len)
{
    r->span_crc = crc32c(r->span_crc, buf_ptr(&r->file.bytes) + r->scanned, len);
    r->span_bytes += len;
    r->scanned += len;
}

/* Takes a mark; AOF_READ_UNIT: it is right. */
static enum aof_read take_mark(struct aof_reader *r, struct aof_mark mark, size_t len)
{
    bool opens = mark.bytes == 0 && !r->marked;
    if (!opens && (mark.bytes != r->span_bytes || mark.crc != r->span_crc)) {
        fault(r, r->at + r->scanned,
              "wrong checksum: the mark says %" PRIu64 " bytes and %08" PRIx32
              ", the file has %" PRIu64 " and %08" PRIx32,
              mark.bytes, mark.crc, r->span_bytes, r->span_crc);
        r->marked = true;
        /* what it covers may have been handed out already, command by command */
        return r->unit_span_bytes ? AOF_READ_FAULT : judge(r, false);
    }
    r->scanned += len;
    r->span_bytes = 0;
    r->span_crc = mark.crc;
    r->marked = r->any_mark = true;
    return AOF_READ_UNIT;
}

static bool is_word(const struct aof_scan *s, const char *word)
{
    return s->argc == 1 && slice_is(s->name, word);
}

/* The first command behind a mark says who wrote it. */
static void note_author(struct aof_reader *r, const struct aof_scan *s)
{
    bool first = r->marked && r->scanned == 0;
    if (first && s->argc == 2 && slice_equal(s->name, SLICE("SELECT")))
        r->marked = false;
}

/* A command or line has been scanned. True: what has been scanned is a unit. */
static bool take_command(struct aof_reader *r, const struct aof_scan *s)
{
    note_author(r, s);
    if (is_word(s, "multi"))
        r->in_multi = true;
    else if (is_word(s, "exec") || is_word(s, "discard"))
        r->in_multi = false;
    count_span(r, s->len);
    return !r->marked && !r->in_multi;
}

/* Unmarked commands that are in the window already go out together. */
static void gather(struct aof_reader *r)
{
    struct aof_scan s;
    while (r->scanned < GROUP_BYTES) {
        struct slice rest =
            slice_make(buf_ptr(&r->file.bytes) + r->scanned, buf_len(&r->file.bytes) - r->scanned);
        if (aof_scan(rest, rest.len, &s) != AOF_SCAN_COMMAND || is_word(&s, "multi"))
            return;
        count_span(r, s.len);
    }
}

static enum aof_read hand_out(struct aof_reader *r, struct slice *unit)
{
    if (!r->marked)
        gather(r);
    r->taken = r->scanned;
    r->unit_span_bytes = r->span_bytes;
    r->unit_span_crc = r->span_crc;
    *unit = slice_make(buf_ptr(&r->file.bytes), r->taken);
    return AOF_READ_UNIT;
}

/* Comments behind the last command of a part without marks: nothing is missing. */
static bool ends_with_line(const struct aof_reader *r)
{
    return !r->marked && !r->in_multi && r->scanned && r->scanned == buf_len(&r->file.bytes);
}

enum aof_read aof_reader_next(struct aof_reader *r, struct slice *unit)
{
    consume(r, r->taken);
    r->taken = r->scanned = 0;
    for (;;) {
        struct aof_scan s;
        struct aof_mark mark;
        enum aof_read got = AOF_READ_UNIT;
        struct slice rest = slice_make(buf_slice(&r->file.bytes).ptr + r->scanned,
                                       buf_len(&r->file.bytes) - r->scanned);
        switch (aof_scan(rest, r->file.size - r->at - r->scanned, &s)) {
        case AOF_SCAN_COMMAND:
            if (take_command(r, &s))
                return hand_out(r, unit);
            break;
        case AOF_SCAN_LINE:
            if (!aof_mark_read(s.name, &mark)) {
                count_span(r, s.len);
                break;
            }
            got = take_mark(r, mark, s.len);
            if (got != AOF_READ_UNIT)
                return got;
            if (!r->in_multi)
                return hand_out(r, unit);
            break;
        case AOF_SCAN_SHORT:
            got = fill(r, s.missing);
            if (got == AOF_READ_FAULT)
                return got;
            if (got == AOF_READ_END && ends_with_line(r))
                return hand_out(r, unit);
            if (got == AOF_READ_END)
                return r->at == r->file.size ? AOF_READ_END : cut_off(r);
            break;
        case AOF_SCAN_BAD:
            fault(r, r->at + r->scanned + s.bad_at, "%s", s.reason);
            return judge(r, false);
        }
    }
}

/* ---- commands ---- */

void aof_command_deinit(struct aof_command *c)
{
    mem_free(MEM_OTHER, c->argv, c->cap * sizeof(*c->argv));
    *c = (struct aof_command){0};
}

static void reserve(struct aof_command *c, uint32_t argc)
{
    if (argc <= c->cap)
        return;
    uint32_t cap = MAX(argc, (uint32_t)16);
    c->argv = mem_realloc(MEM_OTHER, c->argv, c->cap * sizeof(*c->argv), cap * sizeof(*c->argv));
    c->cap = cap;
}

/* The number of a line that has been scanned before, and the text behind it. */
static uint64_t take_number(const char **at)
{
    uint64_t value = 0;
    const char *p = *at + 1;
    for (; *p != '\r'; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    *at = p + 2;
    return value;
}

static void skip_line(struct slice *unit, struct aof_command *c)
{
    size_t len = (size_t)((const char *)memchr(unit->ptr, '\n', unit->len) - unit->ptr);
    struct slice line = slice_make(unit->ptr, len && unit->ptr[len - 1] == '\r' ? len - 1 : len);
    int64_t stamp_s;
    if (aof_stamp_read(line, &stamp_s))
        c->stamp_s = stamp_s;
    *unit = slice_make(unit->ptr + len + 1, unit->len - len - 1);
}

bool aof_command_take(struct slice *unit, struct aof_command *c)
{
    while (unit->len && *unit->ptr == '#')
        skip_line(unit, c);
    if (!unit->len)
        return false;
    const char *at = unit->ptr;
    uint32_t argc = (uint32_t)take_number(&at);
    reserve(c, argc);
    for (c->argc = 0; c->argc < argc; c->argc++) {
        size_t len = (size_t)take_number(&at);
        c->argv[c->argc] = slice_make(at, len);
        at += len + 2;
    }
    *unit = slice_make(at, unit->len - (size_t)(at - unit->ptr));
    return true;
}

void aof_put_select(struct buf *out, int db)
{
    char digits[NUM_INT64_MAX_LEN];
    size_t len = num_format_int64(digits, db);
    buf_printf(out, "*2\r\n$6\r\nselect\r\n$%zu\r\n%.*s\r\n", len, (int)len, digits);
}
