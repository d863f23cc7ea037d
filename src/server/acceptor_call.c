/* acceptor_call.c: a reactor's thread has the main thread do something and waits for it. The main
 * thread takes no gate and waits for nobody, so this cannot deadlock; it is for CONFIG SET of ports
 * and addresses, which runs in exclusive mode anyway. */
#include "server/server_internal.h"

#include <errno.h>
#include <semaphore.h>

struct call {
    struct message message;
    void (*run)(void *arg);
    void *arg;
    sem_t done;
};

static void run_call(void *receiver, struct message *self)
{
    struct call *call = container_of(self, struct call, message);
    call->run(call->arg);
    sem_post(&call->done); /* the caller may free the call from here on */
}

bool acceptor_call(struct server *s, void (*run)(void *arg), void *arg)
{
    struct call call = {{.run = run_call}, run, arg};
    sem_init(&call.done, 0, 0);
    lock_acquire(&s->acceptor_lock);
    bool posted = !s->acceptor_gone;
    if (posted)
        reactor_post(&s->acceptor, &call.message);
    lock_release(&s->acceptor_lock);
    while (posted && sem_wait(&call.done) != 0 && errno == EINTR)
        ;
    sem_destroy(&call.done);
    return posted;
}

void acceptor_call_end(struct server *s)
{
    lock_acquire(&s->acceptor_lock);
    s->acceptor_gone = true;
    lock_release(&s->acceptor_lock);
    mailbox_drain(&s->acceptor.mailbox, &s->acceptor);
}
