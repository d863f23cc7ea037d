#include "proto/proxy_header.h"

#include <stdio.h>

#include <arpa/inet.h>
#include <sys/socket.h>

enum {
    V1_MAX = 107,
    V2_HEAD = 16,
    V2_INET = 12,
    V2_INET6 = 36,
    V2_UNIX = 216,
    UNIX_PATH = 108,
};

static const unsigned char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_prefix[6] = "PROXY ";

void proxy_header_init(struct proxy_header *h)
{
    *h = (struct proxy_header){.wanted = V2_HEAD};
}

static enum parse_result fail(struct proxy_header *h, const char *error)
{
    h->error = error;
    return PARSE_ERROR;
}

static bool is_loopback(int family, const void *address)
{
    static const unsigned char v6[16] = {[15] = 1};
    static const unsigned char mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    if (family == AF_INET)
        return *(const unsigned char *)address == 127;
    return memcmp(address, v6, 16) == 0 || memcmp(address, mapped, 13) == 0;
}

static void format(char out[PROXY_ADDR_TEXT], int family, const void *address, unsigned port)
{
    char ip[INET6_ADDRSTRLEN];
    inet_ntop(family, address, ip, sizeof(ip));
    snprintf(out, PROXY_ADDR_TEXT, family == AF_INET ? "%s:%u" : "[%s]:%u", ip, port);
}

static void set_addresses(struct proxy_header *h, int family, const void *from, const void *to,
                          const unsigned ports[2])
{
    format(h->source, family, from, ports[0]);
    format(h->destination, family, to, ports[1]);
    h->local = is_loopback(family, from);
    h->known = true;
}

/* The next word of a version 1 line, with a NUL behind it; words are separated by one blank. */
static char *next_word(char **at)
{
    char *word = *at, *end = word + strcspn(word, " ");
    *at = *end ? end + 1 : end;
    *end = 0;
    return word;
}

/* Decimal without signs and leading zeros. */
static bool parse_port(const char *text, unsigned *out)
{
    size_t len = strspn(text, "0123456789");
    if (!len || len > 5 || text[len] || (len > 1 && *text == '0'))
        return false;
    *out = 0;
    for (; *text; text++)
        *out = *out * 10 + (unsigned)(*text - '0');
    return *out <= 65535;
}

/* `line` without its CRLF and with a NUL behind it. */
static enum parse_result parse_line(struct proxy_header *h, char *line)
{
    unsigned char from[16], to[16];
    unsigned ports[2];
    char *at = line + sizeof(v1_prefix);
    const char *protocol = next_word(&at);
    if (strcmp(protocol, "UNKNOWN") == 0)
        return PARSE_DONE; /* whatever follows */
    int family = strcmp(protocol, "TCP4") == 0   ? AF_INET
                 : strcmp(protocol, "TCP6") == 0 ? AF_INET6
                                                 : AF_UNSPEC;
    if (family == AF_UNSPEC)
        return fail(h, "unknown protocol in a PROXY line");
    if (inet_pton(family, next_word(&at), from) != 1 || inet_pton(family, next_word(&at), to) != 1)
        return fail(h, "invalid address in a PROXY line");
    if (!parse_port(next_word(&at), &ports[0]) || !parse_port(at, &ports[1]))
        return fail(h, "invalid port in a PROXY line");
    set_addresses(h, family, from, to, ports);
    return PARSE_DONE;
}

/* Takes one byte of a version 1 line. */
static enum parse_result take_v1(struct proxy_header *h, unsigned char byte)
{
    if (h->have < sizeof(v1_prefix) && byte != (unsigned char)v1_prefix[h->have])
        return fail(h, "no PROXY header");
    if (byte == 0)
        return fail(h, "NUL in a PROXY line");
    if (h->have == V1_MAX)
        return fail(h, "too long a PROXY line");
    h->head[h->have++] = byte;
    if (byte != '\n')
        return PARSE_MORE;
    if (h->have < sizeof(v1_prefix) + 2 || h->head[h->have - 2] != '\r')
        return fail(h, "a PROXY line must end with CRLF");
    h->head[h->have - 2] = 0;
    return parse_line(h, (char *)h->head);
}

/* Bytes of addresses that a family has; SIZE_MAX: no family of streams. */
static size_t v2_addresses(unsigned char family)
{
    switch (family) {
    case 0x00:
        return 0;
    case 0x11:
        return V2_INET;
    case 0x21:
        return V2_INET6;
    case 0x31:
        return V2_UNIX;
    default:
        return SIZE_MAX;
    }
}

static enum parse_result check_v2(struct proxy_header *h)
{
    unsigned command = h->head[12];
    size_t addresses = v2_addresses(h->head[13]), rest = (size_t)h->head[14] << 8 | h->head[15];
    if (command != 0x20 && command != 0x21)
        return fail(h, "unknown version or command in a PROXY header");
    if (command == 0x21 && addresses == SIZE_MAX)
        return fail(h, "unknown family in a PROXY header");
    if (command == 0x20)
        addresses = 0; /* LOCAL: whatever it holds */
    if (rest < addresses)
        return fail(h, "too short a PROXY header");
    h->wanted += addresses;
    h->skip = rest - addresses;
    return PARSE_MORE;
}

static void parse_inet(struct proxy_header *h, int family, size_t len)
{
    const unsigned char *at = h->head + V2_HEAD, *ports = at + 2 * len;
    unsigned numbers[2] = {(unsigned)ports[0] << 8 | ports[1], (unsigned)ports[2] << 8 | ports[3]};
    set_addresses(h, family, at, at + len, numbers);
}

/* Paths are text for CLIENT LIST: what would break its line is replaced. */
static void format_path(char out[PROXY_ADDR_TEXT], const unsigned char *path)
{
    char text[61];
    size_t len = strnlen((const char *)path, MIN(sizeof(text) - 1, (size_t)UNIX_PATH));
    for (size_t i = 0; i < len; i++)
        text[i] = path[i] > ' ' && path[i] < 0x7f ? (char)path[i] : '?';
    text[len] = 0;
    snprintf(out, PROXY_ADDR_TEXT, "%s:0", text);
}

static enum parse_result finish_v2(struct proxy_header *h)
{
    if (h->head[12] == 0x20)
        return PARSE_DONE;
    switch (h->head[13]) {
    case 0x11:
        parse_inet(h, AF_INET, 4);
        break;
    case 0x21:
        parse_inet(h, AF_INET6, 16);
        break;
    case 0x31:
        format_path(h->source, h->head + V2_HEAD);
        format_path(h->destination, h->head + V2_HEAD + UNIX_PATH);
        h->known = h->local = true;
        break;
    }
    return PARSE_DONE;
}

/* Takes one byte of a version 2 header in front of what is skipped. */
static enum parse_result take_v2(struct proxy_header *h, unsigned char byte)
{
    if (h->have < sizeof(v2_signature) && byte != v2_signature[h->have])
        return fail(h, "no PROXY header");
    h->head[h->have++] = byte;
    return h->have == V2_HEAD ? check_v2(h) : PARSE_MORE;
}

static enum parse_result feed_v2(struct proxy_header *h, struct slice data, size_t *used)
{
    while (h->have < h->wanted) {
        if (*used == data.len)
            return PARSE_MORE;
        if (take_v2(h, (unsigned char)data.ptr[(*used)++]) == PARSE_ERROR)
            return PARSE_ERROR;
    }
    size_t skipped = MIN(h->skip, data.len - *used);
    *used += skipped;
    h->skip -= skipped;
    return h->skip ? PARSE_MORE : finish_v2(h);
}

enum parse_result proxy_header_feed(struct proxy_header *h, struct slice data, size_t *used)
{
    *used = 0;
    if (!data.len)
        return PARSE_MORE;
    unsigned char first = h->have ? h->head[0] : (unsigned char)data.ptr[0];
    if (first == v2_signature[0])
        return feed_v2(h, data, used);
    while (*used < data.len) {
        enum parse_result result = take_v1(h, (unsigned char)data.ptr[(*used)++]);
        if (result != PARSE_MORE)
            return result;
    }
    return PARSE_MORE;
}
