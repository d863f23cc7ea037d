/* cmd_stream_read.h: what XREAD and XREADGROUP share with their waiting. */
#pragma once

#include "cmd/blocking.h"

struct reading {
    bool by_group, no_ack, blocks;
    int64_t timeout_ms, count; /* count 0: all */
    uint32_t streams;          /* index of the first key; the IDs follow the keys */
    uint32_t keys;
    uint32_t group_at; /* index of the group's name, the consumer's follows; 0: not given */
};

/* Nothing is there to be read: the command waits. ex->keys are the streams' keys. */
void stream_read_wait(struct exec *ex, const struct reading *r);
