#include "tools/frame_client.h"

#include "os/sock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    READ_BYTES = 64 * 1024
};

enum err frame_client_connect(struct frame_client *c, const char *address, int port, int timeout_ms)
{
    *c = (struct frame_client){.fd = -1};
    buf_init(&c->out, MEM_OTHER);
    buf_init(&c->in, MEM_OTHER);
    return sock_connect_tcp(address, port, timeout_ms, &c->fd);
}

void frame_client_close(struct frame_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->taken = 0;
    buf_deinit(&c->out);
    buf_deinit(&c->in);
}

static void put_u32(struct buf *out, uint32_t value)
{
    char *at = buf_reserve(out, 4);
    for (int i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
    buf_advance(out, 4);
}

enum err frame_client_encode(struct buf *out, const struct slice *argv, uint32_t argc)
{
    uint64_t length = 4;
    for (uint32_t i = 0; i < argc; i++)
        if (ckd_add(&length, length, 4 + (uint64_t)argv[i].len) || length > UINT32_MAX)
            return ERR_LIMIT;
    put_u32(out, (uint32_t)length);
    put_u32(out, argc);
    for (uint32_t i = 0; i < argc; i++) {
        put_u32(out, (uint32_t)argv[i].len);
        if (argv[i].len)
            buf_append(out, argv[i].ptr, argv[i].len);
    }
    return OK;
}

enum err frame_client_add(struct frame_client *c, const struct slice *argv, uint32_t argc)
{
    return frame_client_encode(&c->out, argv, argc);
}

/* After a call that returned `result` bytes, or -1 and errno: OK when it is worth calling again. */
static enum err wait_for(const struct frame_client *c, ssize_t result, short events, int timeout_ms)
{
    if (result >= 0 || errno == EINTR)
        return OK;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : ERR_SYS;
    struct pollfd pfd = {.fd = c->fd, .events = events};
    int ready = poll(&pfd, 1, timeout_ms);
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR) ? OK : ERR_SYS;
}

enum err frame_client_send(struct frame_client *c, int timeout_ms)
{
    while (buf_len(&c->out) > 0) {
        ssize_t sent = send(c->fd, buf_ptr(&c->out), buf_len(&c->out), MSG_NOSIGNAL);
        if (sent > 0)
            buf_consume(&c->out, (size_t)sent);
        enum err err = wait_for(c, sent, POLLOUT, timeout_ms);
        if (err)
            return err;
    }
    return OK;
}

static enum err read_more(struct frame_client *c, int timeout_ms)
{
    ssize_t got = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);
    if (got == 0)
        return ERR_CLOSED;
    if (got > 0)
        buf_advance(&c->in, (size_t)got);
    return wait_for(c, got, POLLIN, timeout_ms);
}

enum err frame_client_receive(struct frame_client *c, int timeout_ms, struct slice *body)
{
    buf_consume(&c->in, c->taken);
    c->taken = 0;
    while (frame_value_reply(buf_slice(&c->in), body, &c->taken) == ERR_AGAIN) {
        enum err err = read_more(c, timeout_ms);
        if (err)
            return err;
    }
    return frame_value_valid(*body) ? OK : ERR_SYNTAX;
}
