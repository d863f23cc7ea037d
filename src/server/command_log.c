#include "server/command_log.h"

#include "base/mem.h"
#include "server/redact.h"

#include <stdio.h>

enum { /* Redis's */
    ARGS_MAX = 32,
    ARG_BYTES_MAX = 128,
    NOTE_BYTES = 48
};

/* ---- an entry ---- */

/* The arguments as they are shown: views of the command's, or of the notes that stand for what was
 * left out. */
struct shown {
    uint32_t argc;
    size_t bytes;
    struct slice argv[ARGS_MAX];
    size_t note_len[ARGS_MAX]; /* behind the argument */
    char notes[ARGS_MAX][NOTE_BYTES];
};

static void show_argument(struct shown *s, uint32_t i, const struct command_record *r)
{
    struct slice arg = r->argv[i];
    s->note_len[i] = 0;
    if (redact_hides(r->cmd, r->argv, r->argc, i)) {
        arg = SLICE(REDACTED_TEXT);
    } else if (arg.len > ARG_BYTES_MAX) {
        s->note_len[i] = (size_t)snprintf(s->notes[i], NOTE_BYTES, "... (%zu more bytes)",
                                          arg.len - ARG_BYTES_MAX);
        arg.len = ARG_BYTES_MAX;
    }
    s->argv[i] = arg;
    s->bytes += arg.len + s->note_len[i];
}

static void show(struct shown *s, const struct command_record *r)
{
    bool cut = r->argc > ARGS_MAX;
    s->argc = MIN(r->argc, (uint32_t)ARGS_MAX);
    s->bytes = 0;
    for (uint32_t i = 0; i < s->argc - cut; i++)
        show_argument(s, i, r);
    if (!cut)
        return;
    uint32_t last = ARGS_MAX - 1;
    s->argv[last] = SLICE("");
    s->note_len[last] = (size_t)snprintf(s->notes[last], NOTE_BYTES, "... (%u more arguments)",
                                         r->argc - last);
    s->bytes += s->note_len[last];
}

static void place(char **at, const char *bytes, size_t len)
{
    if (len)
        memcpy(*at, bytes, len);
    *at += len;
}

static struct slice place_slice(char **at, struct slice s)
{
    struct slice copy = slice_make(*at, s.len);
    place(at, s.ptr, s.len);
    return copy;
}

static struct command_log_entry *entry_create(const struct command_record *r)
{
    struct shown s;
    show(&s, r);
    size_t head = sizeof(struct command_log_entry) + s.argc * sizeof(struct slice);
    size_t bytes = head + s.bytes + r->peer.len + r->name.len;
    struct command_log_entry *e = mem_alloc(MEM_OTHER, bytes);
    char *at = (char *)e + head;
    *e = (struct command_log_entry){
        .refs = 1, .argc = s.argc, .time_s = r->time_s, .value = r->value, .bytes = bytes};
    e->peer = place_slice(&at, r->peer);
    e->name = place_slice(&at, r->name);
    for (uint32_t i = 0; i < s.argc; i++) {
        e->argv[i] = place_slice(&at, s.argv[i]);
        place(&at, s.notes[i], s.note_len[i]);
        e->argv[i].len += s.note_len[i];
    }
    return e;
}

void command_log_unref(struct command_log_entry *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        mem_free(MEM_OTHER, e, e->bytes);
}

/* ---- a log ---- */

static void unref_chain(struct command_log_entry *e)
{
    while (e) {
        struct command_log_entry *older = e->older;
        command_log_unref(e);
        e = older;
    }
}

/* Cuts the chain behind `keep` entries and returns the rest. */
static struct command_log_entry *cut(struct command_log *log, size_t keep)
{
    struct command_log_entry **at = &log->newest;
    for (size_t i = 0; i < keep && *at; i++)
        at = &(*at)->older;
    struct command_log_entry *rest = *at;
    *at = NULL;
    log->count = MIN(log->count, keep);
    return rest;
}

void command_log_record(struct command_logs *logs, enum command_log_kind kind, size_t max,
                        _Atomic uint64_t *next_id, const struct command_record *record)
{
    struct command_log *log = &logs->kinds[kind];
    struct command_log_entry *rest = NULL, *e = entry_create(record);
    lock_acquire(&logs->lock);
    e->id = atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed);
    e->older = log->newest;
    log->newest = e;
    log->count++;
    /* in bulk: walking to the end for each new entry would cost more than the entry */
    if (log->count > max + max / 4)
        rest = cut(log, max);
    lock_release(&logs->lock);
    unref_chain(rest);
}

void command_log_clear(struct command_logs *logs, enum command_log_kind kind)
{
    lock_acquire(&logs->lock);
    struct command_log_entry *rest = cut(&logs->kinds[kind], 0);
    lock_release(&logs->lock);
    unref_chain(rest);
}

void command_logs_deinit(struct command_logs *logs)
{
    for (int kind = 0; kind < COMMAND_LOGS; kind++)
        unref_chain(cut(&logs->kinds[kind], 0));
}

size_t command_log_count(struct command_logs *logs, enum command_log_kind kind)
{
    lock_acquire(&logs->lock);
    size_t count = logs->kinds[kind].count;
    lock_release(&logs->lock);
    return count;
}

size_t command_log_collect(struct command_logs *logs, enum command_log_kind kind,
                           struct command_log_entry **out, size_t max)
{
    size_t n = 0;
    lock_acquire(&logs->lock);
    for (struct command_log_entry *e = logs->kinds[kind].newest; e && n < max; e = e->older) {
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        out[n++] = e;
    }
    lock_release(&logs->lock);
    return n;
}
