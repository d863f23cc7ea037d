/* tls_setup.h: from the tls-* directives to the contexts that new connections get.
 *
 * The main thread owns the context: it accepts. CONFIG SET builds a new one on its own thread and
 * has the main thread change to it; connections that are open keep the old one. One that cannot be
 * built changes nothing. With the first one come the workers that do the handshakes. The context of
 * outgoing connections (tls-cluster: MIGRATE) is replaced by CONFIG SET itself, in exclusive mode.
 */
#pragma once

#include "base/err.h"

struct server;

/* Builds the context, if there is a port for it and no context. Start, or CONFIG SET of a port.
 * ERR: logged. */
enum err tls_setup_begin(struct server *s) MUST_USE;
/* Builds it anew from the directives (config_on_change). */
enum err tls_setup_apply(char *errbuf) MUST_USE;
/* The main thread, when nobody is accepted any more. */
void tls_setup_end(struct server *s);

/* Ends who does handshakes and frees the outgoing context: all reactors have stopped, their
 * mailboxes are still there. */
void tls_setup_stop(struct server *s);
