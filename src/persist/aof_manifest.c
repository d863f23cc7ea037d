#include "persist/aof_manifest.h"

#include "base/crc.h"
#include "base/num.h"
#include "base/text.h"
#include "persist/aof_mark.h"

#include <inttypes.h>

enum {
    WORDS_MAX = 32,       /* of a line */
    LINE_MAX_BYTES = 2048 /* Redis: 1024, which a quoted name of 255 bytes exceeds */
};

/* ---- lists ---- */

static char *copy_text(struct slice text)
{
    char *copy = mem_alloc(MEM_OTHER, text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return copy;
}

static void free_text(char *text)
{
    if (text)
        mem_free(MEM_OTHER, text, strlen(text) + 1);
}

/* Takes the name. */
static void append(struct aof_parts *list, struct aof_part file)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        list->items =
            mem_realloc(MEM_OTHER, list->items, list->cap * sizeof(file), cap * sizeof(file));
        list->cap = cap;
    }
    list->items[list->count++] = file;
}

static void free_list(struct aof_parts *list)
{
    for (size_t i = 0; i < list->count; i++)
        free_text(list->items[i].name);
    mem_free(MEM_OTHER, list->items, list->cap * sizeof(*list->items));
    *list = (struct aof_parts){0};
}

static void copy_list(struct aof_parts *to, const struct aof_parts *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct aof_part *f = &from->items[i];
        append(to, (struct aof_part){copy_text(slice_cstr(f->name)), f->seq});
    }
}

void aof_manifest_deinit(struct aof_manifest *m)
{
    free_text(m->base.name);
    free_list(&m->history);
    free_list(&m->incr);
    *m = (struct aof_manifest){0};
}

void aof_manifest_copy(struct aof_manifest *to, const struct aof_manifest *from)
{
    *to = (struct aof_manifest){.base_seq = from->base_seq, .incr_seq = from->incr_seq};
    if (from->base.name)
        to->base = (struct aof_part){copy_text(slice_cstr(from->base.name)), from->base.seq};
    copy_list(&to->history, &from->history);
    copy_list(&to->incr, &from->incr);
}

/* ---- reading ---- */

struct parser {
    struct aof_manifest *manifest;
    struct buf words; /* of the line, unquoted */
    bool marked;      /* the mark has been read: nothing may follow */
};

struct line {
    struct slice file;
    int64_t seq;
    char type;
};

static bool is_base_name(struct slice name)
{
    return name.len && !memchr(name.ptr, '/', name.len) && !memchr(name.ptr, '\\', name.len) &&
           !memchr(name.ptr, 0, name.len) && name.len <= 255;
}

/* NULL, or what is wrong. */
static const char *read_line(struct parser *p, struct slice text, struct line *out)
{
    struct slice words[WORDS_MAX];
    int count = text_split_args(text, &p->words, words, WORDS_MAX);
    *out = (struct line){.file = {NULL, 0}};
    if (count < 6 || count % 2)
        return "Invalid AOF manifest file format";
    for (int i = 0; i < count; i += 2)
        if (slice_is(words[i], "file"))
            out->file = words[i + 1];
        else if (slice_is(words[i], "seq") && !num_parse_int64(words[i + 1], &out->seq))
            return "A sequence number that is none";
        else if (slice_is(words[i], "type"))
            out->type = words[i + 1].len == 1 ? *words[i + 1].ptr : '?';
    if (!out->file.ptr || out->seq <= 0 || !out->type)
        return "Invalid AOF manifest file format";
    return is_base_name(out->file) ? NULL : "File can't be a path, just a filename";
}

static const char *add_line(struct aof_manifest *m, const struct line *l)
{
    uint64_t seq = (uint64_t)l->seq;
    if (l->type == 'b' && m->base.name)
        return "Found duplicate base file information";
    if (l->type == 'i' && m->incr.count && seq <= m->incr.items[m->incr.count - 1].seq)
        return "Found a non-monotonic sequence number";
    if (!l->type || !strchr("bih", l->type))
        return "Unknown AOF file type";
    struct aof_part file = {copy_text(l->file), seq};
    if (l->type == 'b') {
        m->base = file;
        m->base_seq = MAX(m->base_seq, seq);
    } else {
        append(l->type == 'i' ? &m->incr : &m->history, file);
        m->incr_seq = MAX(m->incr_seq, seq); /* a new name must be no old one's */
    }
    return NULL;
}

/* A line that begins with '#'; `before`: all text above. */
static const char *read_comment(struct parser *p, struct slice line, struct slice before)
{
    struct aof_mark mark;
    if (line.len == 1 || line.ptr[1] == ' ' || line.ptr[1] == '\t')
        return NULL;
    if (!aof_mark_read(line, &mark))
        return "Neither a comment nor a mark";
    p->marked = true;
    if (mark.bytes != before.len || mark.crc != crc32c(0, before.ptr, before.len))
        return "The manifest is damaged: the lines do not have the checksum that stands here";
    return NULL;
}

static const char *parse_line(struct parser *p, struct slice line, struct slice before)
{
    struct line l;
    if (p->marked)
        return "A line behind the mark that ends the manifest";
    if (line.len && *line.ptr == '#')
        return read_comment(p, line, before);
    if (line.len > LINE_MAX_BYTES)
        return "The AOF manifest file contains too long line";
    const char *reason = read_line(p, line, &l);
    return reason ? reason : add_line(p->manifest, &l);
}

static const char *parse_all(struct parser *p, struct slice text, unsigned *number)
{
    struct slice rest = text;
    if (!text.len)
        return "Found an empty AOF manifest";
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        ++*number;
        if (!end)
            return "The last line has no end: the manifest is cut off";
        size_t len = (size_t)(end - rest.ptr);
        struct slice before = slice_make(text.ptr, (size_t)(rest.ptr - text.ptr));
        const char *reason = parse_line(p, slice_make(rest.ptr, len), before);
        if (reason)
            return reason;
        rest = slice_make(end + 1, rest.len - len - 1);
    }
    return NULL;
}

enum err aof_manifest_parse(struct slice text, struct aof_manifest *out,
                            struct aof_manifest_fault *fault)
{
    struct parser p = {.manifest = out};
    *out = (struct aof_manifest){0};
    *fault = (struct aof_manifest_fault){0};
    buf_init(&p.words, MEM_OTHER);
    fault->reason = parse_all(&p, text, &fault->line);
    buf_deinit(&p.words);
    if (!fault->reason)
        return OK;
    aof_manifest_deinit(out);
    return ERR_SYNTAX;
}

/* ---- writing ---- */

/* As Redis: quoted only when the word could not be read otherwise. */
static bool needs_quotes(const char *name)
{
    for (; *name; name++)
        if (*name <= ' ' || *name >= 127 || strchr("\\\"'", *name))
            return true;
    return false;
}

static void put_file(struct buf *out, const struct aof_part *f, char type)
{
    buf_puts(out, "file ");
    if (needs_quotes(f->name))
        text_quote(out, slice_cstr(f->name));
    else
        buf_puts(out, f->name);
    buf_printf(out, " seq %" PRIu64 " type %c\n", f->seq, type);
}

void aof_manifest_format(struct buf *out, const struct aof_manifest *m)
{
    char mark[AOF_MARK_BYTES];
    size_t begin = buf_len(out);
    if (m->base.name)
        put_file(out, &m->base, 'b');
    for (size_t i = 0; i < m->history.count; i++)
        put_file(out, &m->history.items[i], 'h');
    for (size_t i = 0; i < m->incr.count; i++)
        put_file(out, &m->incr.items[i], 'i');
    size_t len = buf_len(out) - begin;
    uint32_t crc = crc32c(0, buf_slice(out).ptr + begin, len);
    size_t mark_len = aof_mark_format(mark, (struct aof_mark){len, crc});
    buf_append(out, mark, mark_len - 2);
    buf_putc(out, '\n');
}

/* ---- changes ---- */

void aof_manifest_set_base(struct aof_manifest *m, const char *name, uint64_t seq)
{
    if (m->base.name)
        append(&m->history, m->base);
    m->base = (struct aof_part){copy_text(slice_cstr(name)), seq};
    m->base_seq = MAX(m->base_seq, seq);
}

void aof_manifest_add_incr(struct aof_manifest *m, const char *name, uint64_t seq)
{
    append(&m->incr, (struct aof_part){copy_text(slice_cstr(name)), seq});
    m->incr_seq = MAX(m->incr_seq, seq);
}

void aof_manifest_retire(struct aof_manifest *m, uint64_t before_seq)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->incr.count; i++)
        if (m->incr.items[i].seq < before_seq)
            append(&m->history, m->incr.items[i]);
        else
            m->incr.items[kept++] = m->incr.items[i];
    m->incr.count = kept;
}

void aof_manifest_cut(struct aof_manifest *m, size_t incr_count)
{
    while (m->incr.count > incr_count)
        free_text(m->incr.items[--m->incr.count].name);
}

void aof_manifest_forget_history(struct aof_manifest *m)
{
    free_list(&m->history);
}

bool aof_manifest_is_empty(const struct aof_manifest *m)
{
    return !m->base.name && !m->incr.count;
}
