#include "cmd/transaction.h"
#include "io/worker.h"
#include "os/tls.h"
#include "server/migrate.h"
#include "server/migrate_link.h"
#include "server/server_internal.h"
#include "store/rdb_value.h"
#include "store/watch.h"

enum {
    MIGRATE_WORKERS = 4, /* so many targets are served at a time */
    DEFAULT_TIMEOUT_MS = 1000
};

struct moving_key {
    struct watcher watcher;
    _Atomic bool touched;
    uint32_t arg; /* of the command, which comes again byte for byte */
};

struct migration {
    struct job job;
    struct message message;
    struct server_thread *thread;
    struct conn *conn; /* NULL: it closed */
    struct migrate_link link;
    _Atomic bool cancelled;
    bool finished;
    enum reply_mode reply_mode; /* before the first run, which answers nothing */
    char host[256];
    struct buf request;
    struct moving_key *keys;
    bool *accepted;
    uint32_t count, capacity;
};

struct migrate_options {
    bool copy, replace;
    uint32_t password, user;     /* arguments, 0: none */
    uint32_t first_key, key_end; /* arguments */
    int64_t port, timeout_ms, db;
};

/* ---- arguments ---- */

/* With KEYS as a key's name, too, the key specs cannot tell which word begins the list. */
bool migrate_runs_alone(const struct slice *argv, uint32_t argc)
{
    uint32_t words = 0;
    for (uint32_t i = 6; i < argc; i++)
        words += slice_is(argv[i], "keys");
    return words > 1;
}

static bool parse_keys(struct exec *ex, struct migrate_options *o, uint32_t at)
{
    if (ex->argv[3].len)
        return fail(ex, "ERR When using MIGRATE KEYS option, the key argument must be set to the "
                        "empty string");
    o->first_key = at + 1;
    o->key_end = ex->argc;
    return true;
}

static bool parse_options(struct exec *ex, struct migrate_options *o)
{
    for (uint32_t at = 6; at < ex->argc; at++) {
        uint32_t more = ex->argc - 1 - at;
        if (arg_is(ex, at, "copy")) {
            o->copy = true;
        } else if (arg_is(ex, at, "replace")) {
            o->replace = true;
        } else if (arg_is(ex, at, "auth") && more >= 1) {
            o->password = ++at;
        } else if (arg_is(ex, at, "auth2") && more >= 2) {
            o->user = ++at;
            o->password = ++at;
        } else if (arg_is(ex, at, "keys")) {
            return parse_keys(ex, o, at);
        } else {
            return fail_syntax(ex);
        }
    }
    return true;
}

static bool parse(struct exec *ex, struct migrate_options *o)
{
    *o = (struct migrate_options){.first_key = 3, .key_end = 4};
    if (!parse_options(ex, o) || !arg_int(ex, 5, &o->timeout_ms, NULL) ||
        !arg_int(ex, 4, &o->db, NULL))
        return false;
    if (o->timeout_ms <= 0)
        o->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (!num_parse_int64(ex->argv[2], &o->port) || o->port < 1 || o->port > UINT16_MAX ||
        ex->argv[1].len >= sizeof(((struct migration *)0)->host))
        return fail(ex, "IOERR error or timeout connecting to the client");
    return true;
}

/* ---- the first run: payloads ---- */

static void put_command(struct buf *out, const struct slice *argv, uint32_t argc)
{
    buf_printf(out, "*%u\r\n", argc);
    for (uint32_t i = 0; i < argc; i++) {
        buf_printf(out, "$%zu\r\n", argv[i].len);
        buf_append(out, argv[i].ptr, argv[i].len);
        buf_append(out, "\r\n", 2);
    }
}

static void put_greeting(struct exec *ex, const struct migrate_options *o, struct migration *m)
{
    char text[NUM_INT64_MAX_LEN];
    struct slice db = slice_make(text, num_format_int64(text, o->db));
    if (o->user)
        put_command(&m->request,
                    (struct slice[]){SLICE("AUTH"), ex->argv[o->user], ex->argv[o->password]}, 3);
    else if (o->password)
        put_command(&m->request, (struct slice[]){SLICE("AUTH"), ex->argv[o->password]}, 2);
    put_command(&m->request, (struct slice[]){SLICE("SELECT"), db}, 2);
    m->link.greetings = o->password ? 2 : 1;
}

/* False: there is no portable form of the value. */
static bool put_restore(struct exec *ex, const struct migrate_options *o, struct migration *m,
                        const struct ref *ref)
{
    char text[NUM_INT64_MAX_LEN];
    struct buf payload;
    int64_t ttl_ms = 0;
    if (entry_expires(ref->entry))
        ttl_ms = MAX(entry_expire_ms(ref->entry) - ex->txn->now_ms, (int64_t)1);
    buf_init(&payload, MEM_OTHER);
    bool written = rdb_payload_write(&payload, ref->entry);
    struct slice ttl = slice_make(text, num_format_int64(text, ttl_ms));
    if (written)
        put_command(&m->request,
                    (struct slice[]){SLICE("RESTORE"), ref->key->name, ttl, buf_slice(&payload),
                                     SLICE("REPLACE")},
                    o->replace ? 5 : 4);
    buf_deinit(&payload);
    return written;
}

static void put_key(struct exec *ex, const struct migrate_options *o, struct migration *m,
                    uint32_t arg)
{
    struct key key;
    struct ref ref;
    find_key(ex, ex->argv[arg], &key, &ref);
    if (!ref.entry || !put_restore(ex, o, m, &ref))
        return;
    struct moving_key *k = &m->keys[m->count++];
    k->arg = arg;
    k->watcher.touched = &k->touched;
    watch_add(ex->txn, &k->watcher, &key);
}

static struct migration *create(struct exec *ex, const struct migrate_options *o)
{
    struct migration *m = mem_zalloc(MEM_CLIENT, sizeof(*m));
    m->capacity = o->key_end - o->first_key;
    m->keys = mem_zalloc(MEM_CLIENT, m->capacity * sizeof(*m->keys) + 1);
    m->accepted = mem_zalloc(MEM_CLIENT, m->capacity + 1);
    m->thread = exec_thread(ex);
    m->conn = m->thread->current;
    memcpy(m->host, ex->argv[1].ptr, ex->argv[1].len);
    buf_init(&m->request, MEM_CLIENT);
    put_greeting(ex, o, m);
    for (uint32_t arg = o->first_key; arg < o->key_end; arg++)
        put_key(ex, o, m, arg);
    return m;
}

static void unwatch(struct txn *t, struct migration *m)
{
    for (uint32_t i = 0; i < m->count; i++)
        watch_clear(t, &m->keys[i].watcher);
}

/* Nobody watches for it any more. */
static void destroy(struct migration *m)
{
    tls_context_unref(m->link.tls);
    buf_deinit(&m->request);
    mem_free(MEM_CLIENT, m->keys, m->capacity * sizeof(*m->keys) + 1);
    mem_free(MEM_CLIENT, m->accepted, m->capacity + 1);
    mem_free(MEM_CLIENT, m, sizeof(*m));
}

/* ---- away and back ---- */

static void come_back(void *receiver, struct message *self)
{
    struct migration *m = container_of(self, struct migration, message);
    (void)receiver;
    m->finished = true;
    if (!m->conn)
        destroy(m);
    else if (m->conn->held && !atomic_load(&m->thread->net.reactor.stopping))
        pause_release(m->thread, m->conn); /* the command comes again */
}

static void run_job(struct job *self)
{
    struct migration *m = container_of(self, struct migration, job);
    migrate_link_run(&m->link);
    reactor_post(&m->thread->net.reactor, &m->message);
}

static struct worker_pool *workers(struct server *s)
{
    lock_acquire(&s->pools_lock);
    if (!s->migrate_pool &&
        worker_pool_create(MIGRATE_WORKERS, WORKER_NICE, &s->migrate_pool) != OK)
        s->migrate_pool = s->pool; /* no more threads to be had: behind the other jobs, then */
    lock_release(&s->pools_lock);
    return s->migrate_pool;
}

static void start(struct exec *ex, const struct migrate_options *o, struct migration *m)
{
    struct server *s = m->thread->server;
    m->link.host = m->host;
    m->link.port = (int)o->port;
    m->link.tls = s->tls_outgoing ? tls_context_ref(s->tls_outgoing) : NULL;
    m->link.timeout_ms = o->timeout_ms;
    m->link.request = buf_slice(&m->request);
    m->link.restores = m->count;
    m->link.cancelled = &m->cancelled;
    m->link.accepted = m->accepted;
    m->job.run = run_job;
    m->message.run = come_back;
    m->reply_mode = ex->session->reply_mode;
    ex->session->migration = m;
    worker_submit(workers(s), &m->job);
}

/* Leaves the command unread and its connection held. */
static void postpone(struct exec *ex)
{
    struct server_thread *t = exec_thread(ex);
    t->postponed = true;
    t->postponed_reply_mode = ex->session->migration->reply_mode;
    pause_hold_untimed(t, t->current);
}

void migrate_forget(struct server_thread *t, struct session *session)
{
    struct migration *m = session->migration;
    if (!m)
        return;
    session->migration = NULL;
    unwatch(&t->txn, m);
    m->conn = NULL;
    atomic_store(&m->cancelled, true);
    if (m->finished)
        destroy(m);
}

void migrate_stop(struct server *s)
{
    if (s->migrate_pool && s->migrate_pool != s->pool)
        worker_pool_destroy(s->migrate_pool);
    s->migrate_pool = NULL;
}

/* ---- the second run: deletions ---- */

/* False: the key has been changed since its payload was taken. */
static bool delete_moved(struct exec *ex, const struct moving_key *k)
{
    struct key key;
    struct ref ref;
    if (watch_decide(ex->txn, &k->watcher))
        return false;
    if (find_key(ex, ex->argv[k->arg], &key, &ref)) {
        txn_delete(ex->txn, &ref, false, EVENT_DEL);
        effect_command(ex->txn, (struct slice[]){SLICE("DEL"), key.name}, 2);
    }
    return true;
}

static void finish(struct exec *ex, const struct migrate_options *o, struct migration *m)
{
    bool kept = false;
    for (uint32_t i = 0; i < m->count && !o->copy; i++)
        if (m->accepted[i])
            kept |= !delete_moved(ex, &m->keys[i]);
    if (m->link.error[0])
        reply_error(ex->reply, m->link.error);
    else if (kept)
        reply_error(ex->reply, "TRYAGAIN A key was changed while it was being migrated: it stays "
                               "here, and its copy at the target is old");
    else
        reply_ok(ex->reply);
    ex->session->migration = NULL;
    unwatch(ex->txn, m);
    destroy(m);
}

void cmd_migrate(struct exec *ex)
{
    struct migrate_options o;
    struct migration *m = ex->session->migration;
    if (ex->in_exec) {
        fail(ex, "ERR MIGRATE waits for another server and cannot run inside a transaction");
        return;
    }
    if (!parse(ex, &o))
        return;
    if (m && m->finished) {
        finish(ex, &o, m);
        return;
    }
    if (!m) {
        m = create(ex, &o);
        if (!m->count) {
            destroy(m);
            reply_status(ex->reply, "NOKEY");
            return;
        }
        start(ex, &o, m);
    }
    postpone(ex);
}
