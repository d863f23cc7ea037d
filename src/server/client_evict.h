/* client_evict.h: maxmemory-clients: when the buffers of all clients pass the limit, the largest
 * client goes, then the next, as in Redis 7. CLIENT NO-EVICT protects one.
 *
 * Each reactor asks at the end of its turns, and one of them every 20 ms makes the sum: O(clients)
 * under the registries' locks. What is sent by reference counts for each of its receivers. Any
 * reactor's thread. */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct server_thread;
struct conn_info;

/* What a client takes: the figure of CLIENT LIST's tot-mem, but for the command that runs. */
size_t client_memory(const struct conn_info *info);

extern _Atomic uint64_t client_evict_limit; /* bytes; 0: none */

/* maxmemory or maxmemory-clients has changed: in exclusive mode, or at start. */
void client_evict_settings_changed(void);
void client_evict_over_limit(struct server_thread *t);

INLINE void client_evict_turn(struct server_thread *t)
{
    if (unlikely(atomic_load_explicit(&client_evict_limit, memory_order_relaxed) != 0))
        client_evict_over_limit(t);
}
