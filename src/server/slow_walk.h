/* slow_walk.h: KEYS, and SCAN with a large COUNT, in slices on its client's reactor, one slice per
 * turn, so that the other clients of the reactor wait for no more than that. A worker could not do
 * it: at nice 19 it must take no shard lock. As before it sees no single point in time.
 *
 * Owner: the reactor. A walk lives until it has answered, or its client is gone. */
#pragma once

#include "base/base.h"

struct server_thread;
struct slow_client;
struct slow_walk;

/* t->exec is a KEYS or a SCAN. False: no memory. */
bool slow_walk_start(struct server_thread *t, struct slow_client *c) MUST_USE;
/* One slice of the walk whose turn it is. Outside the gate. */
void slow_walk_turn(struct server_thread *t);
/* The client goes. */
void slow_walk_forget(struct slow_walk *w);
/* The thread ends. */
void slow_walk_end(struct server_thread *t);
