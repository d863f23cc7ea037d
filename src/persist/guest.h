/* guest.h: a thread that is no reactor and works in the keyspace: a gate, a txn and a way to sleep
 * until the gate lets it in. The snapshot walker and the loaders are guests.
 *
 * guest_init() before the threads start; then one thread at a time uses the guest. While it is not
 * awake its gate does not count (struct gates: used). */
#pragma once

#include "store/txn.h"

#include <semaphore.h>

struct guest {
    struct txn txn;
    sem_t wake;
    bool awake;
};

/* Registers a gate in the keyspace; before its threads run. */
void guest_init(struct guest *g, struct keyspace *ks);
void guest_deinit(struct guest *g);

/* Announces that the guest will enter, or that it will not for now. Exclusive mode, or before there
 * are threads. */
void guest_awake(struct guest *g, bool awake);

/* Waits until the gate is open, and goes in. The clock of the txn is set. */
void guest_enter(struct guest *g);
void guest_leave(struct guest *g);
/* Waits until the guest is alone; from outside its gate. guest_open() ends it. */
void guest_exclusive(struct guest *g);
void guest_open(struct guest *g);
