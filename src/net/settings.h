/* settings.h: what the configuration tells the network layer.
 *
 * One global instance, owned by server/config, written at start and by CONFIG SET in exclusive
 * mode. The acceptor and the reactors read it outside the gates, so every field is _Atomic: read it
 * once per decision, in any order (nothing is published through it). */
#pragma once

#include "base/base.h"

enum client_class {
    CLIENT_NORMAL,
    CLIENT_REPLICA,
    CLIENT_PUBSUB,
    CLIENT_CLASSES
};

/* Pending output that closes a client: `hard_bytes` at once, `soft_bytes` after `soft_s`; 0 is no
 * limit. */
struct output_limit {
    _Atomic uint64_t hard_bytes, soft_bytes;
    _Atomic int64_t soft_s;
};

struct net_settings {
    _Atomic unsigned maxclients;
    _Atomic int timeout_s, tcp_keepalive_s, tcp_backlog;
    _Atomic int64_t client_query_buffer_limit;
    _Atomic int64_t maxmemory_clients; /* bytes; < 0: percentage of maxmemory; 0: no limit */
    struct output_limit output_limits[CLIENT_CLASSES];
};

extern struct net_settings net_settings;
