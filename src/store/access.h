/* access.h: the 24 bits of an entry that say when it was last used, or how often: what eviction
 * chooses by.
 *
 * Under an LFU policy: the minute of the last use (16 bits), then a logarithmic counter (8 bits)
 * that rises by one with probability 1 / (lfu-log-factor × (counter − 5) + 1) and falls by one per
 * lfu-decay-time minutes without use. New keys start at 5, or they would be the first to go (S.
 * Sanfilippo's scheme, Redis 4.0; the counter is Morris's, 1978). Under any other policy: the
 * second of the last use, modulo 2^24 (194 days). A change between the two leaves old entries with
 * a field of the other kind until they are used, as in Redis. Threading: under the entry's shard
 * lock. */
#pragma once

#include "base/rand.h"
#include "store/entry.h"
#include "store/settings.h"

enum {
    ACCESS_MASK = 0xffffff,
    ACCESS_LFU_NEW = 5
};

INLINE bool access_is_lfu(void)
{
    return (store_settings.maxmemory_policy & ~POLICY_ALLKEYS_LRU) == POLICY_VOLATILE_LFU;
}

INLINE uint32_t access_lru_clock(int64_t now_ms)
{
    return (uint32_t)(now_ms / 1000) & ACCESS_MASK;
}

/* The field of a new entry under an LFU policy. */
uint32_t access_lfu_new(int64_t now_ms);
/* Counts a use under an LFU policy. */
void access_lfu_touch(struct entry *e, int64_t now_ms, struct rng *rng);

/* Seconds since the last use; meaningful without an LFU policy. OBJECT IDLETIME. */
uint32_t access_idle_s(const struct entry *e, int64_t now_ms);
/* The counter, 0 to 255, decayed to now; meaningful with an LFU policy. OBJECT FREQ. */
uint32_t access_frequency(const struct entry *e, int64_t now_ms);
/* RESTORE: the field of an entry that was not used for some seconds (194 days at most count), under
 * any policy but LFU; and of one with this counter, under LFU. */
void access_set_idle(struct entry *e, int64_t idle_s, int64_t now_ms);
void access_set_frequency(struct entry *e, uint32_t counter, int64_t now_ms);
