/* run.c: the counters of commands, and what is noted of those that took long or were large. */
#include "server/run.h"

#include "base/clock.h"

/* A run's calls count with their mean: looking at the clock for each would cost more than many of
 * them do. */
INLINE void note_latency(const struct run *run, struct command_stats *s, uint64_t cycles)
{
    latency_record(&s->latency, run->calls == 1 ? cycles : cycles / run->calls, run->calls);
}

/* Something in the run took long. */
COLD static void observe_run(const struct run *run, uint64_t cycles)
{
    const struct request *r = &run->thread->requests[run->last];
    observe_time(run->thread,
                 &(struct observed){.cmd = run->counting, .argv = r->argv, .argc = r->argc},
                 cycles);
}

void run_count_calls(struct run *run, const struct command *next)
{
    uint64_t now = clock_cycles();
    if (run->calls) {
        struct command_stats *s = &run->thread->stats[run->counting->id];
        stat_bump(&s->calls, run->calls);
        stat_bump(&s->cycles, now - run->started);
        if (unlikely(now - run->started > slow_slice_cycles * run->calls))
            slow_count_slice(run->thread, (now - run->started) / run->calls);
        if (likely(atomic_load_explicit(&server_settings.latency_tracking, memory_order_relaxed)))
            note_latency(run, s, now - run->started);
        if (observe_is_slow(now - run->started))
            observe_run(run, now - run->started);
    }
    run->counting = next;
    run->alone = next && observe_alone(next);
    run->calls = 0;
    run->started = now;
}

COLD void run_observe_bytes(const struct run *run, const struct command *cmd,
                            const struct request *r)
{
    struct server_thread *t = run->thread;
    observe_sizes(t, &(struct observed){.cmd = cmd, .argv = r->argv, .argc = r->argc}, r->bytes,
                  observe_reply_bytes(t->reply.out, t->mark));
}
