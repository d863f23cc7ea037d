/* client.h: a blocking RESP client for the load programs of the tests.
 * One thread per client. A reply is handed out as its raw bytes, valid until the next call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
    CLIENT_OUT_SIZE = 1 << 16
};

struct client {
    int fd;
    char *in;
    size_t in_len, in_pos, in_cap;
    char out[CLIENT_OUT_SIZE];
    size_t out_len;
};

struct reply {
    const char *data;
    size_t len;
};

/* Connects to loopback; false when nobody listens. The client need not be initialised before. */
bool client_open(struct client *c, int port);
void client_close(struct client *c);

/* Appends one command to the output. The text is split at single spaces into its arguments. */
void client_add(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends the whole output; false when the connection is gone. */
bool client_flush(struct client *c);

/* Waits for one whole reply, nested ones included; false when the connection is gone. */
bool client_read(struct client *c, struct reply *reply);
