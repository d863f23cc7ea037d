#include "base/mem.h"
#include "io/poller.h"

#ifdef __linux__
#include <unistd.h>

#include <sys/epoll.h>

enum {
    EVENTS_MAX = 256
};

struct poller {
    int fd;
    struct epoll_event events[EVENTS_MAX];
};

static enum err epoll_create_poller(struct poller **out)
{
    struct poller *p = mem_alloc(MEM_OTHER, sizeof(*p));
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        mem_free(MEM_OTHER, p, sizeof(*p));
        return ERR_SYS;
    }
    *out = p;
    return OK;
}

static void epoll_destroy(struct poller *p)
{
    close(p->fd);
    mem_free(MEM_OTHER, p, sizeof(*p));
}

static struct epoll_event interest(unsigned bits, void *arg)
{
    return (struct epoll_event){.events = (bits & POLLER_READ ? (unsigned)EPOLLIN : 0) |
                                          (bits & POLLER_WRITE ? (unsigned)EPOLLOUT : 0),
                                .data.ptr = arg};
}

static enum err epoll_add(struct poller *p, int fd, unsigned bits, void *arg)
{
    struct epoll_event ev = interest(bits, arg);
    return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? OK : ERR_SYS;
}

static void epoll_modify(struct poller *p, int fd, unsigned bits, void *arg)
{
    struct epoll_event ev = interest(bits, arg);
    (void)epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &ev);
}

static void epoll_remove(struct poller *p, int fd)
{
    (void)epoll_ctl(p->fd, EPOLL_CTL_DEL, fd, NULL);
}

static int epoll_wait_events(struct poller *p, struct poller_event *out, int max, int timeout_ms)
{
    int n = epoll_wait(p->fd, p->events, MIN(max, (int)EVENTS_MAX), timeout_ms);
    for (int i = 0; i < n; i++) {
        unsigned got = p->events[i].events;
        out[i].arg = p->events[i].data.ptr;
        out[i].bits = (got & EPOLLIN ? POLLER_READ : 0u) | (got & EPOLLOUT ? POLLER_WRITE : 0u) |
                      (got & (EPOLLERR | EPOLLHUP) ? POLLER_HANGUP : 0u);
    }
    return n < 0 ? 0 : n;
}

const struct poller_ops poller_epoll = {"epoll",          epoll_create_poller, epoll_destroy,
                                        epoll_add,        epoll_modify,        epoll_remove,
                                        epoll_wait_events};
#endif
