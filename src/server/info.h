/* info.h: the sections of INFO, with Redis 7.2's fields. What the server has no such thing of
 * (forks, Lua, tracking) reads 0. Each appends "# Title", then name:value lines ended by CR LF. Any
 * reactor inside its gate; counters of other threads are read as they are, without stopping
 * anybody. */
#pragma once

#include "base/buf.h"
#include "server/server_internal.h"

typedef void (*info_section_fn)(struct server *s, struct buf *out);

/* Each appends its section with the heading. */
void info_server(struct server *s, struct buf *out);
void info_clients(struct server *s, struct buf *out);
void info_memory(struct server *s, struct buf *out);
void info_persistence(struct server *s, struct buf *out);
void info_stats(struct server *s, struct buf *out);
void info_replication(struct server *s, struct buf *out);
void info_cpu(struct server *s, struct buf *out);
void info_modules(struct server *s, struct buf *out);
void info_commandstats(struct server *s, struct buf *out);
void info_errorstats(struct server *s, struct buf *out);
void info_latencystats(struct server *s, struct buf *out);
void info_cluster(struct server *s, struct buf *out);
void info_keyspace(struct server *s, struct buf *out);
/* Tokamak's own: keys and bytes per type (key_census.h). */
void info_keytypes(struct server *s, struct buf *out);
