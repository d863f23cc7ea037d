#include "store/access.h"

static uint32_t minutes(int64_t now_ms)
{
    return (uint32_t)(now_ms / 60000) & 0xffff;
}

uint32_t access_lfu_new(int64_t now_ms)
{
    return minutes(now_ms) << 8 | ACCESS_LFU_NEW;
}

uint32_t access_frequency(const struct entry *e, int64_t now_ms)
{
    uint32_t access = entry_access(e), counter = access & 0xff;
    if (store_settings.lfu_decay_time_min == 0)
        return counter;
    uint32_t idle = (minutes(now_ms) - (access >> 8)) & 0xffff;
    uint32_t periods = idle / (uint32_t)store_settings.lfu_decay_time_min;
    return counter - MIN(periods, counter);
}

static uint32_t raised(uint32_t counter, struct rng *rng)
{
    if (counter == 255)
        return counter;
    uint64_t above = counter > ACCESS_LFU_NEW ? counter - ACCESS_LFU_NEW : 0;
    uint64_t one_in = above * (uint64_t)store_settings.lfu_log_factor + 1;
    return counter + (rng_below(rng, one_in) == 0);
}

void access_lfu_touch(struct entry *e, int64_t now_ms, struct rng *rng)
{
    uint32_t counter = raised(access_frequency(e, now_ms), rng);
    entry_set_access(e, minutes(now_ms) << 8 | counter);
}

uint32_t access_idle_s(const struct entry *e, int64_t now_ms)
{
    return (access_lru_clock(now_ms) - entry_access(e)) & ACCESS_MASK;
}

void access_set_idle(struct entry *e, int64_t idle_s, int64_t now_ms)
{
    uint32_t idle = (uint32_t)MIN(idle_s, (int64_t)ACCESS_MASK);
    entry_set_access(e, (access_lru_clock(now_ms) - idle) & ACCESS_MASK);
}

void access_set_frequency(struct entry *e, uint32_t counter, int64_t now_ms)
{
    entry_set_access(e, minutes(now_ms) << 8 | counter);
}
