/* floor.c: what the kernel alone costs a server: an epoll loop that reads, and answers without
 * looking. It is told how many bytes a request has and what to answer, so it neither parses nor
 * executes: one epoll_wait per turn, one recv and one send per ready socket. What a server costs
 * beyond it is the server's own.
 *
 *   bench-floor <port> <request bytes> <reply, with \r and \n as escapes>
 *
 * What a new connection says first may be something else (is the server up? CONFIG GET of
 * redis-benchmark): unless it is a whole number of requests, each line that looks like the start of
 * a request gets the reply, and nobody hangs. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    EVENTS = 256,
    DESCRIPTORS = 1024,
    RECEIVE_BYTES = 64 * 1024,
    REPLIES = 8192 /* as many as the smallest request fits into one receive, and more */
};

static size_t request_bytes, reply_bytes;
static char *replies; /* REPLIES times the reply */
static char received[RECEIVE_BYTES];

static struct {
    size_t unanswered;      /* bytes of an unfinished request */
    bool greeted;           /* has had a reply */
} connections[DESCRIPTORS]; /* by descriptor */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Replaces \r and \n in place. */
static size_t unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && (from[1] == 'r' || from[1] == 'n'))
            *to++ = *++from == 'r' ? '\r' : '\n';
        else
            *to++ = *from;
    }
    return (size_t)(to - text);
}

static void make_replies(char *text)
{
    reply_bytes = unescape(text);
    replies = malloc(REPLIES * reply_bytes);
    if (!replies)
        die("malloc");
    for (size_t i = 0; i < REPLIES; i++)
        memcpy(replies + i * reply_bytes, text, reply_bytes);
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 511))
        die("listen");
    return fd;
}

static void watch(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

static void accept_one(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0)
        return;
    if (fd >= DESCRIPTORS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    memset(&connections[fd], 0, sizeof(connections[fd]));
    watch(epoll, fd);
}

static size_t greetings_in(size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += received[i] == '*';
    return count ? count : 1;
}

/* Complete requests among the bytes that have come. */
static size_t requests_in(int fd, size_t bytes)
{
    size_t have = connections[fd].unanswered + bytes;
    if (!connections[fd].greeted && have % request_bytes != 0)
        return greetings_in(bytes);
    connections[fd].greeted = true;
    connections[fd].unanswered = have % request_bytes;
    return have / request_bytes;
}

static void answer(int fd)
{
    ssize_t bytes = recv(fd, received, sizeof(received), 0);
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (bytes <= 0) {
        close(fd);
        return;
    }
    size_t len = requests_in(fd, (size_t)bytes) * reply_bytes;
    if (len && send(fd, replies, len, MSG_NOSIGNAL) != (ssize_t)len)
        close(fd); /* the load of the benchmark never fills a socket */
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    if (argc != 4 || (request_bytes = strtoul(argv[2], NULL, 10)) < RECEIVE_BYTES / REPLIES) {
        fprintf(stderr, "usage: %s port request-bytes reply   (requests of %d bytes or more)\n",
                argv[0], RECEIVE_BYTES / REPLIES);
        return 2;
    }
    make_replies(argv[3]);
    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
    if (epoll < 0)
        die("epoll_create1");
    watch(epoll, listener);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_one(epoll, listener);
            else
                answer(events[i].data.fd);
        }
    }
}
