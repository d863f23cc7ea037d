#include "os/wake.h"

#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>

enum err wake_init(struct wake *w)
{
    w->read_fd = w->write_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->read_fd < 0 ? ERR_SYS : OK;
}
#else
#include <fcntl.h>

enum err wake_init(struct wake *w)
{
    int fds[2];
    if (pipe(fds) != 0)
        return ERR_SYS;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    w->read_fd = fds[0];
    w->write_fd = fds[1];
    return OK;
}
#endif

void wake_deinit(struct wake *w)
{
    close(w->read_fd);
    if (w->write_fd != w->read_fd)
        close(w->write_fd);
}

void wake_signal(struct wake *w)
{
    uint64_t one = 1;
    ssize_t written =
        write(w->write_fd, &one, sizeof(one)); /* full means it is signalled already */
    (void)written;
}

void wake_drain(struct wake *w)
{
    uint64_t value[16];
    while (read(w->read_fd, value, sizeof(value)) == (ssize_t)sizeof(value))
        continue;
}
