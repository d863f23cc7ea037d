#include "os/sock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    SOCK_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC
};

static enum err close_with_error(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return ERR_SYS;
}

static void set_option(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof(value)); /* a tuning that may be refused */
}

static enum err resolve(const char *address, int port, int flags, struct addrinfo **out)
{
    char service[16];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    snprintf(service, sizeof(service), "%d", port);
    if (strcmp(address, "*") == 0) {
        hints.ai_family = AF_INET;
        address = NULL;
    } else if (strcmp(address, "::*") == 0) {
        hints.ai_family = AF_INET6;
        address = NULL;
    }
    if (getaddrinfo(address, service, &hints, out) == 0)
        return OK;
    errno = EADDRNOTAVAIL;
    return ERR_SYS;
}

enum err sock_listen_tcp(const char *address, int port, int backlog, int *out_fd)
{
    struct addrinfo *info;
    enum err err = resolve(address, port, AI_PASSIVE, &info);
    if (err)
        return err;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_FLAGS, 0);
    if (fd < 0) {
        freeaddrinfo(info);
        return ERR_SYS;
    }
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (info->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    int failed = bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, backlog);
    freeaddrinfo(info);
    if (failed)
        return close_with_error(fd);
    *out_fd = fd;
    return OK;
}

enum err sock_listen_unix(const char *path, unsigned mode, int backlog, int *out_fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return ERR_SYS;
    }
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_FLAGS, 0);
    if (fd < 0)
        return ERR_SYS;
    struct stat old;
    if (lstat(path, &old) == 0 && S_ISSOCK(old.st_mode))
        unlink(path); /* of a server that is gone; a file of another kind is somebody's */
    mode_t old_mask = umask(0777); /* nobody connects before the mode is right */
    int failed = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    umask(old_mask);
    if (failed || chmod(path, mode ? mode : 0777 & ~old_mask) || listen(fd, backlog))
        return close_with_error(fd);
    *out_fd = fd;
    return OK;
}

enum err sock_accept(int listen_fd, int *out_fd)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_FLAGS);
        if (fd >= 0) {
            *out_fd = fd;
            return OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return ERR_AGAIN;
        if (errno != EINTR && errno != ECONNABORTED)
            return ERR_SYS;
    }
}

void sock_set_nodelay(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void sock_set_keepalive(int fd, int interval_s)
{
    if (interval_s <= 0)
        return;
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, interval_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval_s / 3 ? interval_s / 3 : 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void format_address(const struct sockaddr_storage *addr, char out[SOCK_ADDR_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "";
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
        snprintf(out, SOCK_ADDR_TEXT, "%s:%d", ip, ntohs(in->sin_port));
    } else if (addr->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
        snprintf(out, SOCK_ADDR_TEXT, "[%s]:%d", ip, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_un *un = (const struct sockaddr_un *)addr;
        snprintf(out, SOCK_ADDR_TEXT, "%.60s:0", un->sun_path);
    }
}

void sock_names(int fd, char peer[SOCK_ADDR_TEXT], char local[SOCK_ADDR_TEXT])
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    strcpy(peer, "?:0");
    strcpy(local, "?:0");
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        return;
    format_address(&addr, local);
    if (addr.ss_family == AF_UNIX) {
        strcpy(peer, local); /* the peer is unnamed; Redis shows the path for both */
        return;
    }
    len = sizeof(addr);
    if (getpeername(fd, (struct sockaddr *)&addr, &len) == 0)
        format_address(&addr, peer);
}

bool sock_is_local(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    if (getpeername(fd, (struct sockaddr *)&addr, &len) != 0)
        return false;
    if (addr.ss_family == AF_UNIX)
        return true;
    if (addr.ss_family == AF_INET)
        return ntohl(((struct sockaddr_in *)&addr)->sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *in6 = &((struct sockaddr_in6 *)&addr)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

enum err sock_connect_tcp(const char *address, int port, int timeout_ms, int *out_fd)
{
    struct addrinfo *info;
    enum err err = resolve(address, port, 0, &info);
    if (err)
        return err;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_FLAGS, 0);
    int failed = fd < 0 || (connect(fd, info->ai_addr, info->ai_addrlen) && errno != EINPROGRESS);
    freeaddrinfo(info);
    if (failed)
        return fd < 0 ? ERR_SYS : close_with_error(fd);
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);
    if (poll(&pfd, 1, timeout_ms) == 1)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    else
        error = ETIMEDOUT;
    if (error) {
        errno = error;
        return close_with_error(fd);
    }
    sock_set_nodelay(fd);
    *out_fd = fd;
    return OK;
}
