/* server.h: the whole server from outside: start it, run it until it is told to stop, take it down.
 */
#pragma once

#include "base/err.h"

struct server;

/* Builds everything the settings ask for and opens the listeners. A problem is logged; the result
 * is then not OK. */
enum err server_create(struct server **out) MUST_USE;
/* Runs until SHUTDOWN, SIGTERM or SIGINT; returns the exit status. */
int server_run(struct server *s);
void server_destroy(struct server *s);
