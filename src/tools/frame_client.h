/* frame_client.h: a small blocking client of the frame protocol (proto/reply.h and
 * proto/frame_value.h say what is on the wire).
 *
 *   struct frame_client c;
 *   if (frame_client_connect(&c, "127.0.0.1", port, 1000) != OK) …
 *   frame_client_add(&c, argv, argc);                 any number of requests: they are pipelined
 *   frame_client_send(&c, 1000);
 *   frame_client_receive(&c, 1000, &body);            one reply per request, in order
 *   frame_value_take(&body, &value);
 *
 * Ownership: the client owns its socket and buffers; a received body is borrowed until the next
 * receive. One thread per client. Errors: ERR_SYS with errno (ETIMEDOUT too), ERR_CLOSED,
 * ERR_SYNTAX when the server sends no valid value: the client is of no use after any of them but
 * for frame_client_close(). */
#pragma once

#include "base/buf.h"
#include "proto/frame_value.h"

struct frame_client {
    int fd;
    struct buf out, in;
    size_t taken; /* bytes of `in` that the last received reply takes */
};

/* Connects to a numeric address. The client need not be initialised; after a failure nothing is to
 * be closed. */
enum err frame_client_connect(struct frame_client *c, const char *address, int port,
                              int timeout_ms) MUST_USE;
void frame_client_close(struct frame_client *c);
/* Appends one request to a buffer: also for those who send it themselves. ERR_LIMIT: longer than a
 * frame can say. */
enum err frame_client_encode(struct buf *out, const struct slice *argv, uint32_t argc) MUST_USE;
enum err frame_client_add(struct frame_client *c, const struct slice *argv, uint32_t argc) MUST_USE;
/* Sends all that was added. Requests of which the replies fill both sockets' buffers need a receive
 * in between. */
enum err frame_client_send(struct frame_client *c, int timeout_ms) MUST_USE;
/* Waits for the next reply; its body is checked: frame_value_take() takes it value by value without
 * failing. */
enum err frame_client_receive(struct frame_client *c, int timeout_ms, struct slice *body) MUST_USE;
