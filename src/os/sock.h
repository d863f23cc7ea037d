/* sock.h: sockets. Every descriptor made here is non-blocking and close-on-exec. Errors: ERR_SYS
 * with errno. */
#pragma once

#include "base/err.h"

enum {
    SOCK_ADDR_TEXT = 64 + 8
}; /* "ip:port", "[v6]:port" or a path, cut, with NUL */

/* Listens on a numeric address ("127.0.0.1", "::1", "*", "::*") and port. */
enum err sock_listen_tcp(const char *address, int port, int backlog, int *out_fd) MUST_USE;
/* Listens on a unix socket; the mode (0: what the umask leaves) is set before anybody can connect. A
 * socket that stands there already is replaced, another file is not: EADDRINUSE. Changes the umask
 * for a moment: no other thread may make files meanwhile. */
enum err sock_listen_unix(const char *path, unsigned mode, int backlog, int *out_fd) MUST_USE;
/* ERR_AGAIN: nobody waits. */
enum err sock_accept(int listen_fd, int *out_fd) MUST_USE;
void sock_set_nodelay(int fd);
void sock_set_keepalive(int fd, int interval_s);
/* Texts of both ends, as CLIENT LIST shows them. */
void sock_names(int fd, char peer[SOCK_ADDR_TEXT], char local[SOCK_ADDR_TEXT]);
/* True for a unix socket or a loopback peer. */
bool sock_is_local(int fd);
/* Connects and waits at most timeout_ms (tests, load generator). */
enum err sock_connect_tcp(const char *address, int port, int timeout_ms, int *out_fd) MUST_USE;
