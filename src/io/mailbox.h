/* mailbox.h: messages from any thread to one. A lock-free stack (R. K. Treiber, 1986) that the
 * reader takes whole and reverses, so messages of one sender, and of all senders that synchronise,
 * arrive in their order. Ownership moves with the message: run() frees it. */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct message {
    struct message *next;
    void (*run)(void *receiver, struct message *self);
};

struct mailbox {
    CACHE_ALIGNED _Atomic(struct message *) head;
};

/* Any thread. True when the mailbox was empty: the receiver may have to be woken. */
INLINE bool mailbox_post(struct mailbox *m, struct message *msg)
{
    struct message *head = atomic_load_explicit(&m->head, memory_order_relaxed);
    do {
        msg->next = head;
        /* release: pairs with the acquire in mailbox_drain() */
    } while (!atomic_compare_exchange_weak_explicit(&m->head, &head, msg, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return head == NULL;
}

INLINE bool mailbox_empty(const struct mailbox *m)
{
    return atomic_load_explicit(&m->head, memory_order_relaxed) == NULL;
}

/* The receiver only: runs what has come so far. */
INLINE void mailbox_drain(struct mailbox *m, void *receiver)
{
    if (likely(mailbox_empty(m)))
        return;
    struct message *list = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
    struct message *ordered = NULL;
    while (list) {
        struct message *next = list->next;
        list->next = ordered;
        ordered = list;
        list = next;
    }
    while (ordered) {
        struct message *next = ordered->next;
        ordered->run(receiver, ordered);
        ordered = next;
    }
}
