/* server.c: puts the parts together, in order, and takes them apart in the opposite one. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "cmd/access.h"
#include "os/file_faults.h"
#include "script/interpreter.h"
#include "server/acl_file.h"
#include "server/acl_session.h"
#include "server/blocked.h"
#include "server/client_evict.h"
#include "server/config.h"
#include "server/crash.h"
#include "server/effects_file.h"
#include "server/events.h"
#include "server/file_job.h"
#include "server/http.h"
#include "server/migrate.h"
#include "server/server_internal.h"
#include "server/supervise.h"
#include "server/tls_setup.h"
#include "server/watchdog.h"
#include "store/value.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/signalfd.h>

enum {
    DRAIN_MS = 1000,
    FIRST_KEYS = 64,
    RESERVED_FDS = 64,
    FREE_SAMPLES = 5
};

struct server *the_server;

/* ---- the worker pool frees large values ---- */

struct free_job {
    struct job job;
    struct entry *entry;
    int64_t entry_bytes; /* about */
    struct part *parts;
    unsigned part_count;
};

static void run_free(struct job *self)
{
    struct free_job *job = container_of(self, struct free_job, job);
    if (job->entry)
        entry_destroy(job->entry);
    if (job->parts)
        keyspace_free_parts(job->parts, job->part_count);
    keyspace_freeing(-1, -job->entry_bytes);
    mem_free(MEM_OTHER, job, sizeof(*job));
    atomic_fetch_add_explicit(&the_server->lazy_freed, 1, memory_order_relaxed);
}

static void submit_free(struct entry *e, struct part *parts, unsigned count)
{
    struct free_job *job = mem_alloc(MEM_OTHER, sizeof(*job));
    *job = (struct free_job){{.run = run_free}, e, 0, parts, count};
    if (e)
        job->entry_bytes = (int64_t)entry_memory(e, FREE_SAMPLES);
    keyspace_freeing(1, job->entry_bytes);
    worker_submit(the_server->pool, &job->job);
}

static void free_entry_later(struct entry *e)
{
    submit_free(e, NULL, 0);
}

static void free_parts_later(struct part *parts, unsigned count)
{
    submit_free(NULL, parts, count);
}

/* ---- reactors ---- */

static void after_turn(struct reactor *r)
{
    struct server_thread *t = container_of(r, struct server_thread, net.reactor);
    if (unlikely(atomic_load_explicit(&t->client_event, memory_order_relaxed)) &&
        atomic_exchange(&t->client_event, false))
        clients_look(t);
    if (unlikely(atomic_load_explicit(&t->gate_event, memory_order_relaxed)) &&
        atomic_exchange(&t->gate_event, false))
        conn_resume_all(&t->net);
    handshakes_look(&t->net);
    slow_look(t);
    if (unlikely(t->turns != NULL))
        http_turn(t);
    prefix_broadcast(t);
    push_deliver(&t->push, t);
    aof_log_commit(&t->server->persistence.log); /* also what nobody gets a reply for */
    persistence_log_look(t);
    net_thread_end_turn(&t->net);
    client_evict_turn(t);
}

static const char *poller_name(void)
{
    static const char *const names[] = {
        [POLLER_AUTO] = "auto", [POLLER_EPOLL] = "epoll", [POLLER_POLL] = "poll"};
    return names[server_settings.poller];
}

static enum err create_thread(struct server *s, unsigned id)
{
    struct server_thread *t = mem_alloc_aligned(MEM_OTHER, sizeof(*t));
    enum err err = net_thread_init(&t->net, poller_by_name(poller_name()), id, &client_conn_ops);
    if (err)
        return err;
    t->server = s;
    t->net.owner = t;
    t->net.reactor.after_turn = after_turn;
    txn_init(&t->txn, s->ks, gate_register(&s->ks->gates, dispatch_gate_wake, t));
    evictor_init(&t->evictor);
    t->key_cap = FIRST_KEYS;
    t->keys = mem_alloc(MEM_OTHER, t->key_cap * sizeof(struct key));
    t->exec.txn = &t->txn;
    t->exec.reply = &t->reply;
    slow_thread_init(&t->slow);
    t->served_tail = &t->served;
    t->last_turn = &t->turns;
    hot_keys_init(&t->hot);
    big_keys_init(&t->big);
    t->big.shard = id;
    timer_init(&t->pause_timer, pause_fired);
    expire_cron_start(t);
    s->threads[s->thread_count++] = t;
    return OK;
}

static void destroy_thread(struct server_thread *t)
{
    net_thread_deinit(&t->net);
    slow_thread_deinit(t);
    push_hub_deinit(&t->push);
    command_logs_deinit(&t->logs);
    hot_keys_deinit(&t->hot);
    big_keys_deinit(&t->big);
    tracking_hub_deinit(&t->tracking);
    for (int id = 0; id < COMMAND_COUNT; id++)
        if (t->stats[id].latency)
            latency_destroy(t->stats[id].latency);
    txn_deinit(&t->txn);
    interpreter_destroy(t->interpreter);
    interpreter_destroy(t->functions);
    mem_free(MEM_OTHER, t->nested_keys, t->nested_key_cap * sizeof(struct key));
    mem_free(MEM_OTHER, t->keys, t->key_cap * sizeof(struct key));
    mem_free_aligned(MEM_OTHER, t, sizeof(*t));
}

static void *thread_main(void *arg)
{
    struct server_thread *t = arg;
    crash_thread_begin(t);
    watchdog_thread_begin(t);
    reactor_run(&t->net.reactor);
    watchdog_thread_end(t);
    (void)aof_log_flush(&t->server->persistence.log); /* or those that wait for it get none */
    int64_t until_ms = clock_monotonic_ms() + DRAIN_MS;
    for (struct conn *c = t->net.conns; c; c = c->next)
        conn_drain(c, until_ms); /* a graceful stop owes its clients their replies */
    return NULL;
}

/* ---- signals ---- */

void server_stop(struct server *s)
{
    busy_stop(s);
    atomic_store(&s->stopping, true);
    reactor_stop(&s->acceptor);
}

static void exit_now(int number)
{
    (void)number;
    _exit(1);
}

/* From here on a further SIGINT ends the process at once, as in Redis: who presses Ctrl-C again
 * does not want to wait for clients, workers or a file. SIGTERM, which scripts repeat, does not cut
 * a last save off. The main thread, which alone gets signals. */
static void let_signals_end_us(void)
{
    sigset_t set;
    signal(SIGINT, exit_now);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Reads one signal: a second one that waits behind it meets exit_now(). */
static void signal_ready(struct source *self, unsigned bits)
{
    struct server *s = container_of(self, struct server, signal_source);
    struct signalfd_siginfo info;
    if (read(self->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        bool sigint = info.ssi_signo == SIGINT;
        unsigned options =
            sigint ? server_settings.shutdown_on_sigint : server_settings.shutdown_on_sigterm;
        log_warning("Received %s scheduling shutdown...", sigint ? "SIGINT" : "SIGTERM");
        if (persistence_saves_at_end(&s->persistence, options))
            persistence_stop(&s->persistence, options & SHUTDOWN_FORCE);
        else
            server_stop(s);
    }
}

static enum err watch_signals(struct server *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(2) */
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return ERR_SYS;
    s->signal_source.ready = signal_ready;
    return reactor_add(&s->acceptor, &s->signal_source, fd, POLLER_READ);
}

/* ---- life ---- */

bool server_raise_file_limit(unsigned clients, unsigned *out_max)
{
    rlim_t want = (rlim_t)clients + RESERVED_FDS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return true;
    rlim_t hard = limit.rlim_max;
    limit = (struct rlimit){want, MAX(hard, want)};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return true;
    limit = (struct rlimit){hard, hard};
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* as many as there are */
    *out_max = hard > 2 * RESERVED_FDS ? (unsigned)hard - RESERVED_FDS : RESERVED_FDS;
    return false;
}

/* As Redis: enough descriptors for maxclients, or fewer clients. */
static void adjust_file_limit(void)
{
    unsigned wanted = net_settings.maxclients, possible;
    if (server_raise_file_limit(wanted, &possible))
        return;
    net_settings.maxclients = possible;
    log_warning("You requested maxclients of %u; the limit of file descriptors is too low: "
                "maxclients has been reduced to %u.",
                wanted, possible);
}

static enum err create_parts(struct server *s)
{
    unsigned threads = server_settings.io_threads ? (unsigned)server_settings.io_threads
                                                  : MIN(thread_cpu_count(), (unsigned)THREADS_MAX);
    enum err err = reactor_init(&s->acceptor, poller_by_name(poller_name()), threads);
    if (!err)
        err = watch_signals(s); /* before any thread inherits the mask */
    if (!err)
        err = worker_pool_create((unsigned)server_settings.worker_threads, WORKER_NICE, &s->pool);
    for (unsigned i = 0; i < threads && !err; i++)
        err = create_thread(s, i);
    persistence_init(&s->persistence, s);
    slow_serve_snapshot(s);
    return err;
}

static enum err record_effects(struct server *s)
{
    const char *path = server_settings.debug_effects_file;
    return *path ? effects_file_open(path, &s->ks->sink) : OK;
}

static enum err rename_line(void *ctx, const struct slice *args, int count, char *errbuf)
{
    const char *error = command_rename(args[0], args[1]);
    if (error)
        snprintf(errbuf, CONFIG_ERROR_MAX, "%s", error);
    return error ? ERR_SYNTAX : OK;
}

/* Commands' names, and the users. What is wrong was logged. */
static enum err start_users(struct server *s)
{
    struct buf message;
    buf_init(&message, MEM_OTHER);
    acl_init(&s->acl);
    access_all_keys = acl_reads_all_keys;
    enum err err = config_visit_lines("rename-command", rename_line, NULL, &message);
    if (!err)
        err = acl_file_start(s, &message);
    if (err)
        log_warning("%.*s", (int)buf_len(&message), buf_ptr(&message));
    buf_deinit(&message);
    return err;
}

enum err server_create(struct server **out)
{
    struct server *s = mem_alloc_aligned(MEM_OTHER, sizeof(*s));
    the_server = *out = s;
    s->next_client_id = 1;
    if (server_settings.enable_debug_command != PROTECTED_NO)
        file_faults_install();
    s->started_ms = clock_monotonic_ms();
    s->started_wall_s = clock_wall_ms() / 1000;
    s->password_since_id = UINT64_MAX;
    rand_hex(s->run_id, 40);
    rand_hex(s->replication_id, 40);
    hash_seed(NULL);
    commands_init();
    slow_calibrate();
    crash_handle(server_settings.crash_log_enabled);
    watchdog_apply();
    client_evict_settings_changed();
    adjust_file_limit();
    script_cache_init(&s->scripts);
    libraries_init(&s->libraries);
    pubsub_init(&s->pubsub);
    prefixes_init(&s->prefixes);
    s->ks = keyspace_create((unsigned)store_settings.shards, store_settings.databases);
    observe_init();
    s->ks->serve = blocked_serve;
    s->ks->served = blocked_post_served;
    s->ks->logged = push_logged;
    s->ks->notify = &events_ops;
    notify_hear(s->ks, HEARD_EVENTS, store_settings.notify_events != 0);
    keyspace_free_later = free_entry_later;
    keyspace_free_parts_later = free_parts_later;
    keyspace_flushed_all = persistence_flushed;
    enum err err = start_users(s);
    if (err)
        return err;
    err = record_effects(s);
    if (!err)
        err = create_parts(s);
    if (err)
        log_warning("Cannot start: %s (%s)", err_text(err), strerror(errno));
    if (!err)
        err = listeners_open(s);
    config_apply_register();
    stats_start(s);
    if (!err)
        err = persistence_start(&s->persistence);
    return err;
}

/* The thread has ended and will not use the exclusive mode that it asked for. */
static void drop_request(struct server_thread *t)
{
    if (t->raised)
        gate_open(&t->server->ks->gates, t->txn.self);
    t->raised = false;
}

int server_run(struct server *s)
{
    unsigned started = 0;
    for (unsigned i = 0; i < s->thread_count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "reactor-%u", i);
        if (thread_start(&s->threads[i]->net.reactor.thread, name, thread_main, s->threads[i]) !=
            OK) {
            log_warning("Cannot start a thread: %s", strerror(errno));
            server_stop(s);
            break;
        }
        started++;
    }
    supervise_status("Loading the data");
    if (started == s->thread_count && !persistence_run(&s->persistence)) {
        log_warning("Cannot start a thread: %s", strerror(errno));
        server_stop(s);
    } else if (started == s->thread_count && !persistence_loading(&s->persistence)) {
        listeners_announce();
    }
    reactor_run(&s->acceptor);
    supervise_stopping();
    atomic_store(&s->stopping, true);
    let_signals_end_us();
    acceptor_call_end(s);
    listeners_close(s);
    for (unsigned i = 0; i < started; i++)
        reactor_stop(&s->threads[i]->net.reactor);
    for (unsigned i = 0; i < started; i++)
        pthread_join(s->threads[i]->net.reactor.thread, NULL);
    for (unsigned i = 0; i < started; i++)
        drop_request(s->threads[i]);
    persistence_end(&s->persistence);
    log_warning("Tokamak is now ready to exit, bye bye...");
    bool good = started == s->thread_count && !atomic_load(&s->persistence.load_failed);
    return good ? 0 : 1;
}

/* A message may send another, and that one a third. */
static void deliver_last(struct server *s)
{
    enum {
        HOPS = 3
    };

    for (int hop = 0; hop < HOPS; hop++)
        for (unsigned i = 0; i < s->thread_count; i++)
            push_deliver(&s->threads[i]->push, s->threads[i]);
}

void server_destroy(struct server *s)
{
    slow_settle(s);
    for (unsigned i = 0; i < s->thread_count; i++)
        s->threads[i]->raised = false; /* nobody is left to be woken */
    migrate_stop(s);                   /* its last messages need the mailboxes */
    file_job_stop(s);                  /* likewise */
    tls_setup_stop(s);                 /* likewise */
    deliver_last(s);
    for (unsigned i = 0; i < s->thread_count; i++)
        destroy_thread(s->threads[i]);
    script_cache_deinit(&s->scripts);
    libraries_deinit(&s->libraries);
    pubsub_deinit(&s->pubsub);
    prefixes_deinit(&s->prefixes);
    acl_deinit(&s->acl);
    readers_clear(s->ks);
    persistence_deinit(&s->persistence);
    worker_pool_destroy(s->pool);
    keyspace_free_later = NULL;
    keyspace_free_parts_later = NULL;
    keyspace_flushed_all = NULL;
    keyspace_destroy(s->ks);
    reactor_disarm(&s->acceptor, &s->sample_timer);
    effects_file_close();
    reactor_deinit(&s->acceptor);
    mem_free_aligned(MEM_OTHER, s, sizeof(*s));
    the_server = NULL;
}
