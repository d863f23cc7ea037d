/* tracking_internal.h: what the files of tracking share: tracking.c (modes, reads), tracking_send.c
 * (to a client, or where it redirects), tracking_change.c (from the store to the readers, and the
 * limits of the tables). */
#pragma once

#include "server/tracking.h"

enum {
    TRACKING_REACTOR_SHIFT = 58 /* of a reader's number: reactor above, client id below */
};

/* A client in one of the hub's tables, or NULL. */
struct tracker *tracking_find(const struct table *table, uint64_t id);
/* It is not there. */
void tracking_insert(struct table *table, struct tracker *k);
/* The number by which the shards' tables know a client of this reactor. */
uint64_t tracking_reader(const struct server_thread *t, uint64_t id);

INLINE uint64_t tracking_reader_id(uint64_t number)
{
    return number & (((uint64_t)1 << TRACKING_REACTOR_SHIFT) - 1);
}
