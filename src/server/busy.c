#include "server/busy.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/nested_call.h"
#include "server/server_internal.h"

static int64_t threshold_ms(void)
{
    return atomic_load_explicit(&server_settings.busy_reply_threshold_ms, memory_order_relaxed);
}

enum script_verdict busy_tick(struct nested *n)
{
    struct busy_state *b = &n->thread->server->busy;
    if (atomic_load(&b->killed))
        return SCRIPT_KILLED;
    int64_t limit_ms = threshold_ms();
    if (!limit_ms || clock_monotonic_ms() - n->started_ms < limit_ms)
        return SCRIPT_GO_ON;
    return SCRIPT_GO_ON;
}

void busy_note_write(struct server *s)
{
    atomic_store_explicit(&s->busy.wrote, true, memory_order_relaxed);
}

void busy_end(struct nested *n)
{
    struct busy_state *b = &n->thread->server->busy;
    if (likely(atomic_load_explicit(&b->what, memory_order_relaxed) == BUSY_NOTHING))
        return;
    atomic_store(&b->what, BUSY_NOTHING);
    atomic_store(&b->killed, false);
}

enum busy_kill busy_kill(struct server *s, enum busy_what what)
{
    int runs = atomic_load(&s->busy.what);
    if (runs == BUSY_NOTHING)
        return BUSY_NOT;
    if (runs != (int)what)
        return BUSY_OTHER_KIND;
    if (atomic_load(&s->busy.wrote))
        return BUSY_WROTE;
    atomic_store(&s->busy.killed, true);
    return BUSY_KILLED;
}
