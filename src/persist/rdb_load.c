#include "persist/rdb_load.h"

#include "base/assert.h"
#include "os/thread.h"
#include "persist/rdb_insert.h"

#include <errno.h>
#include <stdio.h>

enum {
    PIECE_BYTES = 256 << 10,
    PIECES_MAX = 8,     /* waiting; with one in each thread's hands: a few MB */
    KEYS_PER_STAY = 64, /* inside the gate */
    AHEAD = 16          /* items read before the first of them is inserted */
};

/* Whole items, one after the other, as they stand in the file. */
struct piece {
    struct piece *next;
    struct buf bytes;
    uint64_t offset; /* in the file */
    int db;          /* whose items come first */
};

struct loading {
    struct rdb_load *load;
    pthread_mutex_t lock;
    pthread_cond_t more, room, idle;
    struct piece *first, **last;
    unsigned waiting, unfinished; /* not taken; not inserted */
    bool ended, failed;           /* nothing more comes; a thread has found a fault */
};

struct loader {
    struct loading *loading;
    struct guest *guest;
    struct rdb_fault fault;
    pthread_t thread;
};

static bool is_cancelled(const struct rdb_load *l)
{
    return l->cancelled && atomic_load_explicit(l->cancelled, memory_order_relaxed);
}

static void note_progress(struct rdb_load *l, const struct rdb_reader *r)
{
    l->end = r->at;
    atomic_store_explicit(&l->bytes_done, l->bytes_before + r->at, memory_order_relaxed);
}

/* ---- one thread ---- */

static enum err open_file(struct rdb_load *l, struct rdb_reader *r, const char *path)
{
    enum err err = rdb_reader_init(r, path, l->verify);
    l->fault = r->fault;
    l->version = r->version;
    r->preamble = l->preamble;
    if (atomic_load(&l->bytes_total) < r->file.size)
        atomic_store(&l->bytes_total, r->file.size);
    return err;
}

enum err rdb_load_alone(struct rdb_load *l, const char *path, struct txn *t)
{
    struct rdb_reader r;
    struct rdb_item item;
    struct rdb_inserter x;
    enum err err = open_file(l, &r, path);
    enum rdb_read got = RDB_READ_FAULT;
    rdb_inserter_init(&x, l, t, &l->fault);
    bool good = !err;
    while (good && (got = rdb_reader_next(&r, &item)) == RDB_READ_ITEM) {
        if (item.kind == RDB_ITEM_FUNCTION && l->function)
            l->function(l->arg, rdb_reader_bytes(&r));
        good = rdb_insert(&x, &item, r.at);
        note_progress(l, &r);
    }
    note_progress(l, &r);
    if (!err && (!good || got != RDB_READ_END)) {
        if (good)
            l->fault = r.fault;
        err = ERR_SYNTAX;
    }
    rdb_inserter_deinit(&x);
    rdb_reader_deinit(&r);
    return err;
}

/* ---- several: those that insert ---- */

static struct piece *take_piece(struct loading *ld)
{
    pthread_mutex_lock(&ld->lock);
    while (!ld->first && !ld->ended)
        pthread_cond_wait(&ld->more, &ld->lock);
    struct piece *p = ld->failed ? NULL : ld->first;
    if (p) {
        ld->first = p->next;
        if (!ld->first)
            ld->last = &ld->first;
        ld->waiting--;
        pthread_cond_signal(&ld->room);
    }
    pthread_mutex_unlock(&ld->lock);
    return p;
}

static void free_piece(struct piece *p)
{
    buf_deinit(&p->bytes);
    mem_free(MEM_OTHER, p, sizeof(*p));
}

static void finish_piece(struct loading *ld, struct piece *p)
{
    free_piece(p);
    pthread_mutex_lock(&ld->lock);
    if (!--ld->unfinished)
        pthread_cond_broadcast(&ld->idle);
    pthread_mutex_unlock(&ld->lock);
}

static void report(struct loading *ld)
{
    pthread_mutex_lock(&ld->lock);
    ld->failed = ld->ended = true;
    pthread_cond_broadcast(&ld->more);
    pthread_cond_broadcast(&ld->room);
    pthread_cond_broadcast(&ld->idle);
    pthread_mutex_unlock(&ld->lock);
}

/* Reads some items and asks for the memory that inserting them will need, then inserts them: the
 * misses overlap. False: a fault. */
static bool insert_run(struct rdb_inserter *x, struct rdb_skipper *s, const struct piece *p)
{
    struct rdb_item items[AHEAD];
    uint64_t ends[AHEAD];
    bool good = true;
    int count = 0;
    for (; count < AHEAD && s->in.left; count++) {
        good = rdb_item_read(s, &items[count]);
        ASSERT(good); /* the reader has read it before */
        ends[count] = p->offset + (buf_len(&p->bytes) - s->in.left);
        rdb_insert_prefetch(x, &items[count]);
    }
    for (int i = 0; i < count && good; i++)
        good = rdb_insert(x, &items[i], ends[i]);
    return good;
}

/* A stay inside the gate; false: a fault. */
static bool insert_some(struct loader *me, struct rdb_inserter *x, struct rdb_skipper *s,
                        const struct piece *p)
{
    bool good = true;
    guest_enter(me->guest);
    for (int i = 0; i < KEYS_PER_STAY && s->in.left && good; i += AHEAD)
        good = insert_run(x, s, p);
    guest_leave(me->guest);
    return good;
}

static bool insert_piece(struct loader *me, struct rdb_inserter *x, const struct piece *p)
{
    struct rdb_skipper s = rdb_skipper_make(rdb_in_make(buf_slice(&p->bytes)));
    x->db = p->db;
    while (s.in.left && !is_cancelled(x->load)) {
        if (!insert_some(me, x, &s, p))
            return false;
        rdb_insert_delay(x->load);
    }
    return true;
}

static void *run_loader(void *arg)
{
    struct loader *me = arg;
    struct rdb_inserter x;
    struct piece *p;
    rdb_inserter_init(&x, me->loading->load, &me->guest->txn, &me->fault);
    while ((p = take_piece(me->loading))) {
        bool good = insert_piece(me, &x, p);
        finish_piece(me->loading, p);
        if (!good) {
            report(me->loading);
            break;
        }
    }
    rdb_inserter_deinit(&x);
    return NULL;
}

/* ---- several: the one that reads ---- */

static struct piece *new_piece(uint64_t offset, int db)
{
    struct piece *p = mem_zalloc(MEM_OTHER, sizeof(*p));
    buf_init(&p->bytes, MEM_OTHER);
    p->offset = offset;
    p->db = db;
    return p;
}

/* False: somebody has found a fault. */
static bool give_piece(struct loading *ld, struct piece *p)
{
    pthread_mutex_lock(&ld->lock);
    while (ld->waiting >= PIECES_MAX && !ld->failed)
        pthread_cond_wait(&ld->room, &ld->lock);
    *ld->last = p;
    ld->last = &p->next;
    ld->waiting++;
    ld->unfinished++;
    bool good = !ld->failed;
    pthread_cond_signal(&ld->more);
    pthread_mutex_unlock(&ld->lock);
    return good;
}

/* The sizes of tables are of use as long as the tables are empty: what follows waits. False: a
 * fault. */
static bool await_loaders(struct loading *ld)
{
    pthread_mutex_lock(&ld->lock);
    while (ld->unfinished && !ld->failed)
        pthread_cond_wait(&ld->idle, &ld->lock);
    bool good = !ld->failed;
    pthread_mutex_unlock(&ld->lock);
    return good;
}

static enum err read_all(struct loading *ld, struct rdb_reader *r, int databases)
{
    struct rdb_load *l = ld->load;
    struct rdb_item item;
    enum rdb_read got = RDB_READ_ITEM;
    bool good = true;
    int db = 0;
    struct piece *p = new_piece(r->at, db);
    while (good && !is_cancelled(l) && (got = rdb_reader_next(r, &item)) == RDB_READ_ITEM) {
        struct slice bytes = rdb_reader_bytes(r);
        if (item.kind == RDB_ITEM_FUNCTION && l->function)
            l->function(l->arg, bytes);
        if (item.kind == RDB_ITEM_SELECT && item.number[0] < (uint64_t)databases)
            db = (int)item.number[0]; /* any other is a fault, which a loader will find */
        buf_append(&p->bytes, bytes.ptr, bytes.len);
        if (buf_len(&p->bytes) < PIECE_BYTES && item.kind != RDB_ITEM_RESIZE)
            continue;
        note_progress(l, r);
        good = give_piece(ld, p) && (item.kind != RDB_ITEM_RESIZE || await_loaders(ld));
        p = new_piece(r->at, db);
    }
    good = give_piece(ld, p) && good;
    if (got == RDB_READ_FAULT)
        l->fault = r->fault;
    note_progress(l, r);
    return !good || got == RDB_READ_FAULT ? ERR_SYNTAX : is_cancelled(l) ? ERR_CLOSED : OK;
}

static void end_loading(struct loading *ld)
{
    pthread_mutex_lock(&ld->lock);
    ld->ended = true;
    pthread_cond_broadcast(&ld->more);
    pthread_mutex_unlock(&ld->lock);
}

/* The fault that stands first in the file. */
static void choose_fault(struct rdb_load *l, const struct loader *loaders, unsigned count,
                         enum err *err)
{
    for (unsigned i = 0; i < count; i++) {
        const struct rdb_fault *f = &loaders[i].fault;
        if (!*f->reason)
            continue;
        if (!*l->fault.reason || f->offset < l->fault.offset)
            l->fault = *f;
        *err = ERR_SYNTAX;
    }
}

static enum err start_loaders(struct loading *ld, struct loader *loaders, struct guest *guests,
                              unsigned count, unsigned *started)
{
    for (*started = 0; *started < count; ++*started) {
        struct loader *one = &loaders[*started];
        char name[24];
        snprintf(name, sizeof(name), "loader-%u", *started);
        *one = (struct loader){.loading = ld, .guest = &guests[*started]};
        if (thread_start(&one->thread, name, run_loader, one) != OK)
            break;
    }
    return *started ? OK : ERR_SYS;
}

enum err rdb_load_shared(struct rdb_load *l, const char *path, struct guest *guests, unsigned count)
{
    struct loading ld = {.load = l,
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .more = PTHREAD_COND_INITIALIZER,
                         .room = PTHREAD_COND_INITIALIZER,
                         .idle = PTHREAD_COND_INITIALIZER};
    struct loader *loaders = mem_zalloc(MEM_OTHER, count * sizeof(*loaders));
    struct rdb_reader r;
    unsigned started = 0;
    ld.last = &ld.first;
    enum err err = open_file(l, &r, path);
    if (!err)
        err = start_loaders(&ld, loaders, guests, count, &started);
    if (!err)
        err = read_all(&ld, &r, guests[0].txn.ks->db_count);
    int saved = errno;
    end_loading(&ld);
    for (unsigned i = 0; i < started; i++)
        pthread_join(loaders[i].thread, NULL);
    choose_fault(l, loaders, started, &err);
    for (struct piece *p = ld.first, *next; p; p = next) {
        next = p->next;
        free_piece(p);
    }
    rdb_reader_deinit(&r);
    mem_free(MEM_OTHER, loaders, count * sizeof(*loaders));
    errno = saved;
    return err;
}
