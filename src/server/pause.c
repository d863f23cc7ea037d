/* pause.c: CLIENT PAUSE. The state is two atomics that every thread reads; a connection whose
 * command must wait is held, its requests stay unread, and it is released by its own thread: by a
 * timer when the pause ends, by a wake when CLIENT UNPAUSE comes. */
#include "base/clock.h"
#include "cmd/help.h"
#include "server/server_internal.h"

/* Ends a pause whose time is over, unless it was prolonged meanwhile. */
static void expire_pause(struct server *s, int64_t now_ms)
{
    lock_acquire(&s->pause_lock);
    if (s->pause_until_ms <= now_ms)
        atomic_store(&s->pause, PAUSE_NONE);
    lock_release(&s->pause_lock);
}

static enum pause_kind current_pause(struct server *s)
{
    enum pause_kind kind = (enum pause_kind)atomic_load(&s->pause);
    if (likely(kind == PAUSE_NONE))
        return PAUSE_NONE;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < s->pause_until_ms)
        return kind;
    expire_pause(s, now_ms);
    return PAUSE_NONE;
}

bool pause_active(struct server *s)
{
    return current_pause(s) != PAUSE_NONE;
}

COLD bool pause_applies(struct server_thread *t, uint32_t command_flags)
{
    enum pause_kind kind = current_pause(t->server);
    return kind == PAUSE_ALL ||
           (kind == PAUSE_WRITE && command_flags & (CMD_WRITE | CMD_MAY_REPLICATE));
}

static void count_held(struct server_thread *t, int delta)
{
    uint32_t held = atomic_load_explicit(&t->held_clients, memory_order_relaxed);
    atomic_store_explicit(&t->held_clients, held + (uint32_t)delta, memory_order_relaxed);
}

static void set_flag(struct conn *c, bool on)
{
    uint32_t flags = atomic_load_explicit(&c->info.flags, memory_order_relaxed);
    flags = on ? flags | CONN_PAUSED : flags & ~(uint32_t)CONN_PAUSED;
    atomic_store_explicit(&c->info.flags, flags, memory_order_relaxed);
}

void pause_hold_untimed(struct server_thread *t, struct conn *c)
{
    conn_hold(c);
    set_flag(c, true);
    count_held(t, 1);
}

void pause_hold(struct server_thread *t, struct conn *c)
{
    pause_hold_untimed(t, c);
    if (t->pause_timer.position == TIMER_IDLE)
        reactor_arm(&t->net.reactor, &t->pause_timer, t->server->pause_until_ms);
}

void pause_release(struct server_thread *t, struct conn *c)
{
    pause_forget(t, c);
    conn_release(c);
}

void pause_fired(struct timer *self)
{
    struct server_thread *t = container_of(self, struct server_thread, pause_timer);
    clients_look(t);
}

void pause_forget(struct server_thread *t, struct conn *c)
{
    set_flag(c, false);
    count_held(t, -1);
}

static void begin_pause(struct server *s, enum pause_kind kind, int64_t until_ms)
{
    lock_acquire(&s->pause_lock);
    if (s->pause_until_ms < until_ms)
        s->pause_until_ms = until_ms; /* a shorter pause does not cut a longer one */
    atomic_store(&s->pause, kind);
    lock_release(&s->pause_lock);
    for (unsigned i = 0; i < s->thread_count; i++)
        clients_wake(s->threads[i]); /* held clients may now be free to read, and timers move */
}

static void end_pause(struct server *s)
{
    lock_acquire(&s->pause_lock);
    s->pause_until_ms = 0;
    atomic_store(&s->pause, PAUSE_NONE);
    lock_release(&s->pause_lock);
    for (unsigned i = 0; i < s->thread_count; i++)
        clients_wake(s->threads[i]);
}

static bool parse_kind(struct exec *ex, enum pause_kind *out)
{
    *out = PAUSE_ALL;
    if (ex->argc == 3 || arg_is(ex, 3, "all"))
        return true;
    *out = PAUSE_WRITE;
    return arg_is(ex, 3, "write") || fail(ex, "ERR CLIENT PAUSE mode must be WRITE or ALL");
}

void cmd_client_pause(struct exec *ex)
{
    enum pause_kind kind;
    int64_t timeout_ms, until_ms;
    if (ex->argc > 4) {
        help_fail_subcommand(ex);
        return;
    }
    if (!parse_kind(ex, &kind) ||
        !arg_int(ex, 2, &timeout_ms, "ERR timeout is not an integer or out of range"))
        return;
    if (timeout_ms < 0) {
        fail(ex, "ERR timeout is negative");
        return;
    }
    if (ckd_add(&until_ms, clock_wall_ms(), timeout_ms)) { /* Redis's bound, on the wall clock */
        fail(ex, "ERR timeout is out of range");
        return;
    }
    begin_pause(exec_thread(ex)->server, kind, clock_monotonic_ms() + timeout_ms);
    reply_ok(ex->reply);
}

void cmd_client_unpause(struct exec *ex)
{
    end_pause(exec_thread(ex)->server);
    reply_ok(ex->reply);
}
