#include "tools/load_client.h"

#include "base/num.h"
#include "os/sock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/socket.h>

enum {
    TIMEOUT_MS = 10000, /* of connecting and of a single question */
    READ_BYTES = 16 * 1024,
};

static enum err fail(char *failure, enum err err, const char *format, ...) PRINTF_LIKE(3, 4);

static enum err fail(char *failure, enum err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure, LOAD_FAILURE_MAX, format, args);
    va_end(args);
    return err;
}

static enum err lost(char *failure)
{
    return fail(failure, ERR_CLOSED, "the connection was lost: %s", strerror(errno));
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Until the handshake is over only the session speaks; requests wait. */
static enum err encrypt(struct load_client *c, char *failure)
{
    if (buf_len(&c->out) == 0 || !tls_established(c->tls))
        return OK;
    if (tls_encrypt(c->tls, buf_ptr(&c->out), buf_len(&c->out)) != OK)
        return fail(failure, ERR_CLOSED, "TLS: %.120s", tls_failure(c->tls));
    buf_clear(&c->out);
    return OK;
}

bool load_client_blocked(const struct load_client *c)
{
    return buf_len(c->tls ? &c->wire : &c->out) > 0;
}

enum err load_client_flush(struct load_client *c, char *failure)
{
    enum err err = c->tls ? encrypt(c, failure) : OK;
    struct buf *from = c->tls ? &c->wire : &c->out;
    while (!err && buf_len(from) > 0) {
        ssize_t sent = send(c->fd, buf_ptr(from), buf_len(from), MSG_NOSIGNAL);
        if (sent >= 0)
            buf_consume(from, (size_t)sent);
        else if (would_block())
            break;
        else
            err = lost(failure);
    }
    return err;
}

/* Room for the plaintext of what is received. */
static enum err receive_tls(struct load_client *c, char *failure)
{
    char data[READ_BYTES];
    ssize_t got = recv(c->fd, data, sizeof(data), 0);
    if (got < 0 && would_block())
        return OK;
    if (got <= 0)
        return got ? lost(failure) : fail(failure, ERR_CLOSED, "closed by the server");
    char *room = buf_reserve(&c->in, (size_t)got + TLS_RECORD_MAX);
    ssize_t plain = tls_decrypt(c->tls, data, (size_t)got, room);
    if (plain < 0)
        return fail(failure, ERR_CLOSED, "TLS: %.120s", tls_failure(c->tls));
    buf_advance(&c->in, (size_t)plain);
    return load_client_flush(c, failure);
}

enum err load_client_receive(struct load_client *c, char *failure)
{
    if (c->tls)
        return receive_tls(c, failure);
    ssize_t got = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);
    if (got < 0 && would_block())
        return OK;
    if (got < 0)
        return lost(failure);
    if (got == 0)
        return fail(failure, ERR_CLOSED, "the connection was lost: closed by the server");
    buf_advance(&c->in, (size_t)got);
    return OK;
}

/* Sends what there is and waits until something has come. */
static enum err turn(struct load_client *c, char *failure)
{
    enum err err = load_client_flush(c, failure);
    if (err)
        return err;
    struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
    if (load_client_blocked(c))
        pfd.events |= POLLOUT;
    int ready = poll(&pfd, 1, TIMEOUT_MS);
    if (ready == 0)
        return fail(failure, ERR_CLOSED, "the server does not answer");
    return pfd.revents & (POLLIN | POLLHUP | POLLERR) ? load_client_receive(c, failure) : OK;
}

enum err load_client_ask(struct load_client *c, const struct load_target *target,
                         const struct slice *argv, uint32_t argc, enum load_reply_kind *kind,
                         struct slice *text, char *failure)
{
    size_t at[LOAD_ARGS_MAX], size = 0;
    const char *token = target->codec->stateless ? target->password : NULL;
    buf_clear(&c->in);
    enum err err = target->codec->encode(&c->out, argv, argc, token, at);
    if (err)
        return fail(failure, err, "%.*s cannot be sent over this protocol", (int)argv[0].len,
                    argv[0].ptr);
    do {
        err = turn(c, failure);
        *kind = target->codec->reply(buf_slice(&c->in), &size, text);
    } while (!err && *kind == LOAD_INCOMPLETE);
    if (!err && *kind == LOAD_BROKEN)
        err = fail(failure, ERR_SYNTAX, "a reply is not what the protocol allows");
    return err;
}

/* A command of the greeting, of which only success is of interest. */
static enum err greet(struct load_client *c, const struct load_target *target,
                      const struct slice *argv, uint32_t argc, char *failure)
{
    enum load_reply_kind kind;
    struct slice text = {0};
    enum err err = load_client_ask(c, target, argv, argc, &kind, &text, failure);
    if (!err && kind == LOAD_ERROR)
        err = fail(failure, ERR_CLOSED, "%.*s", (int)MIN(text.len, (size_t)150), text.ptr);
    buf_clear(&c->in);
    return err;
}

static enum err authenticate(struct load_client *c, const struct load_target *target, char *failure)
{
    struct slice argv[3] = {SLICE("AUTH")};
    uint32_t argc = 1;
    if (target->user)
        argv[argc++] = slice_cstr(target->user);
    argv[argc++] = slice_cstr(target->password);
    return greet(c, target, argv, argc, failure);
}

static enum err log_in(struct load_client *c, const struct load_target *target, char *failure)
{
    char number[NUM_INT64_MAX_LEN];
    enum err err = OK;
    if (target->password && !target->codec->stateless)
        err = authenticate(c, target, failure);
    if (!err && target->codec->resp3)
        err = greet(c, target, (struct slice[]){SLICE("HELLO"), SLICE("3")}, 2, failure);
    if (!err && target->database) {
        struct slice name = slice_make(number, num_format_uint64(number, target->database));
        err = greet(c, target, (struct slice[]){SLICE("SELECT"), name}, 2, failure);
    }
    return err;
}

static enum err shake_hands(struct load_client *c, struct tls_context *tls, char *failure)
{
    enum err err = OK;
    c->tls = tls_client_session_create(tls, &c->wire);
    if (!c->tls)
        return fail(failure, ERR_NOMEM, "TLS: out of memory");
    while (!err && !tls_established(c->tls))
        err = turn(c, failure);
    return err;
}

enum err load_client_open(struct load_client *c, const struct load_target *target, unsigned cap,
                          char *failure)
{
    *c = (struct load_client){.fd = -1, .cap = cap};
    buf_init(&c->out, MEM_OTHER);
    buf_init(&c->in, MEM_OTHER);
    buf_init(&c->wire, MEM_OTHER);
    c->flights = mem_zalloc(MEM_OTHER, cap * sizeof(*c->flights));
    if (sock_connect_tcp(target->host, target->port, TIMEOUT_MS, &c->fd) != OK) {
        c->fd = -1;
        return fail(failure, ERR_SYS, "cannot connect to %s:%d: %s", target->host, target->port,
                    strerror(errno));
    }
    enum err err = target->tls ? shake_hands(c, target->tls, failure) : OK;
    return err ? err : log_in(c, target, failure);
}

void load_client_close(struct load_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    tls_session_destroy(c->tls);
    c->tls = NULL;
    mem_free(MEM_OTHER, c->flights, c->cap * sizeof(*c->flights));
    c->flights = NULL;
    buf_deinit(&c->out);
    buf_deinit(&c->in);
    buf_deinit(&c->wire);
}
