/* poll(2): for every system that has nothing better. O(descriptors) per wait. */
#include "base/assert.h"
#include "base/mem.h"
#include "io/poller.h"

#include <poll.h>

struct poller {
    struct pollfd *fds;
    void **args; /* parallel to fds */
    int *index;  /* by descriptor: place in fds, -1 none */
    int len, cap, index_cap;
    int next; /* where the next wait starts to report, so that nobody starves */
};

static enum err poll_create(struct poller **out)
{
    *out = mem_zalloc(MEM_OTHER, sizeof(**out));
    return OK;
}

static void poll_destroy(struct poller *p)
{
    mem_free(MEM_OTHER, p->fds, (size_t)p->cap * sizeof(*p->fds));
    mem_free(MEM_OTHER, p->args, (size_t)p->cap * sizeof(*p->args));
    mem_free(MEM_OTHER, p->index, (size_t)p->index_cap * sizeof(*p->index));
    mem_free(MEM_OTHER, p, sizeof(*p));
}

static short wanted(unsigned bits)
{
    return (short)((bits & POLLER_READ ? POLLIN : 0) | (bits & POLLER_WRITE ? POLLOUT : 0));
}

static void grow(struct poller *p)
{
    int cap = p->cap ? p->cap * 2 : 16;
    size_t old = (size_t)p->cap, new = (size_t)cap;
    p->fds = mem_realloc(MEM_OTHER, p->fds, old * sizeof(*p->fds), new * sizeof(*p->fds));
    p->args = mem_realloc(MEM_OTHER, p->args, old * sizeof(*p->args), new * sizeof(*p->args));
    p->cap = cap;
}

static void grow_index(struct poller *p, int fd)
{
    int cap = MAX(fd + 1, p->index_cap ? p->index_cap * 2 : 64);
    p->index = mem_realloc(MEM_OTHER, p->index, (size_t)p->index_cap * sizeof(int),
                           (size_t)cap * sizeof(int));
    for (int i = p->index_cap; i < cap; i++)
        p->index[i] = -1;
    p->index_cap = cap;
}

static enum err poll_add(struct poller *p, int fd, unsigned bits, void *arg)
{
    if (p->len == p->cap)
        grow(p);
    if (fd >= p->index_cap)
        grow_index(p, fd);
    ASSERT(p->index[fd] < 0);
    p->index[fd] = p->len;
    p->args[p->len] = arg;
    p->fds[p->len++] = (struct pollfd){.fd = fd, .events = wanted(bits)};
    return OK;
}

static void poll_modify(struct poller *p, int fd, unsigned bits, void *arg)
{
    int at = p->index[fd];
    p->fds[at].events = wanted(bits);
    p->args[at] = arg;
}

static void poll_remove(struct poller *p, int fd)
{
    int at = p->index[fd], last = --p->len;
    p->fds[at] = p->fds[last];
    p->args[at] = p->args[last];
    p->index[p->fds[at].fd] = at;
    p->index[fd] = -1;
}

static int poll_wait(struct poller *p, struct poller_event *out, int max, int timeout_ms)
{
    int n = 0, ready = poll(p->fds, (nfds_t)p->len, timeout_ms), start = p->next;
    for (int i = 0; i < p->len && n < ready && n < max; i++) {
        int at = (start + i) % p->len, got = p->fds[at].revents;
        if (!got)
            continue;
        out[n++] = (struct poller_event){
            p->args[at], (got & POLLIN ? POLLER_READ : 0u) | (got & POLLOUT ? POLLER_WRITE : 0u) |
                             (got & (POLLERR | POLLHUP | POLLNVAL) ? POLLER_HANGUP : 0u)};
        p->next = (at + 1) % p->len;
    }
    return n;
}

const struct poller_ops poller_poll = {"poll",      poll_create, poll_destroy, poll_add,
                                       poll_modify, poll_remove, poll_wait};
