/* proxy_header.h: the PROXY protocol, versions 1 and 2: what a load balancer says in front of a
 * connection about whose it is (haproxy.org, proxy-protocol.txt of 2020-03-05).
 *
 * Version 1, a line of at most 107 bytes:
 *     "PROXY TCP4|TCP6 <source> <destination> <port> <port>\r\n", or "PROXY UNKNOWN …\r\n"
 * Version 2:
 *     at 0   12  "\r\n\r\n\0\r\nQUIT\n"
 *     at 12   1  0x20 LOCAL: the balancer's own, as it is; 0x21 PROXY
 *     at 13   1  0x00 unknown, 0x11 TCP over IPv4, 0x21 over IPv6, 0x31 unix stream
 *     at 14   2  length of the rest, big-endian
 *     at 16      source, destination, source port, destination port; then fields that are skipped
 *
 * A parser is a pure function of (state, bytes), with the same outcome whatever the chunking, and
 * needs no memory beyond itself. Strict: what is no header by the letter is an error. */
#pragma once

#include "base/slice.h"
#include "proto/request.h"

enum {
    PROXY_HEAD_MAX = 16 + 216, /* of what is kept: a v2 header with two unix paths */
    PROXY_ADDR_TEXT = 64 + 8,  /* as SOCK_ADDR_TEXT */
};

struct proxy_header {
    unsigned char head[PROXY_HEAD_MAX];
    size_t have, wanted; /* wanted: of a v2 header up to and with its addresses */
    size_t skip;         /* bytes of a v2 header behind them */
    /* after PARSE_DONE */
    bool known; /* there are addresses; else the socket's own hold */
    bool local; /* the source is on loopback, or a unix socket */
    char source[PROXY_ADDR_TEXT], destination[PROXY_ADDR_TEXT];
    /* after PARSE_ERROR: why */
    const char *error;
};

/* Nothing has been read; owns no memory. */
void proxy_header_init(struct proxy_header *h);
/* Takes bytes of the header and nothing behind it; *used says how many. PARSE_DONE, PARSE_MORE
 * (everything was taken) or PARSE_ERROR; not called again after the first and the last. */
enum parse_result proxy_header_feed(struct proxy_header *h, struct slice data, size_t *used);
