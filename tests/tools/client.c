#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

bool client_open(struct client *c, int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
        close(c->fd);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->in_cap = 1 << 16;
    c->in = malloc(c->in_cap);
    return true;
}

void client_close(struct client *c)
{
    close(c->fd);
    free(c->in);
    c->in = NULL;
}

static void append(struct client *c, const char *data, size_t len)
{
    if (c->out_len + len > sizeof c->out) {
        fputs("client: output buffer too small for this batch\n", stderr);
        abort();
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

static size_t count_words(const char *line)
{
    size_t words = 1;
    for (; *line; line++)
        words += *line == ' ';
    return words;
}

void client_add(struct client *c, const char *format, ...)
{
    char line[8192], head[32];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);

    append(c, head, (size_t)snprintf(head, sizeof head, "*%zu\r\n", count_words(line)));
    for (char *word = line, *end; word; word = end ? end + 1 : NULL) {
        end = strchr(word, ' ');
        size_t len = end ? (size_t)(end - word) : strlen(word);
        append(c, head, (size_t)snprintf(head, sizeof head, "$%zu\r\n", len));
        append(c, word, len);
        append(c, "\r\n", 2);
    }
}

bool client_flush(struct client *c)
{
    size_t sent = 0;
    while (sent < c->out_len) {
        ssize_t n = send(c->fd, c->out + sent, c->out_len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    c->out_len = 0;
    return true;
}

/* How many values follow the header at p as part of it; -1 when p starts no known type. */
static long nested_values(const char *p, long n)
{
    switch (*p) {
    case '*':
    case '~':
    case '>':
        return n > 0 ? n : 0;
    case '%':
    case '|':
        return n > 0 ? 2 * n + (*p == '|') : *p == '|';
    default:
        return strchr("+-:$,#_(=!", *p) ? 0 : -1;
    }
}

/* End of the reply that starts at in_pos, or 0 while it is not whole. */
static size_t reply_end(const struct client *c)
{
    size_t pos = c->in_pos;
    for (long left = 1; left > 0; left--) {
        const char *p = c->in + pos, *eol = memchr(p, '\n', c->in_len - pos);
        if (!eol)
            return 0;
        long n = strtol(p + 1, NULL, 10), nested = nested_values(p, n);
        if (nested < 0) {
            fprintf(stderr, "client: not RESP: %.40s\n", p);
            abort();
        }
        left += nested;
        pos = (size_t)(eol - c->in) + 1;
        if (strchr("$=!", *p) && n >= 0)
            pos += (size_t)n + 2;
        if (pos > c->in_len)
            return 0;
    }
    return pos;
}

static bool fill(struct client *c)
{
    memmove(c->in, c->in + c->in_pos, c->in_len - c->in_pos);
    c->in_len -= c->in_pos;
    c->in_pos = 0;
    if (c->in_cap - c->in_len < 4096)
        c->in = realloc(c->in, c->in_cap *= 2);
    ssize_t n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len - 1, 0);
    if (n <= 0)
        return false;
    c->in_len += (size_t)n;
    c->in[c->in_len] = 0; /* strtol stops here at the latest */
    return true;
}

bool client_read(struct client *c, struct reply *reply)
{
    size_t end;
    while (c->in_len == c->in_pos || !(end = reply_end(c))) {
        if (!fill(c))
            return false;
    }
    *reply = (struct reply){c->in + c->in_pos, end - c->in_pos};
    c->in_pos = end;
    return true;
}
