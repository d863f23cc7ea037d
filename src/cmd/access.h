/* access.h: what a handler asks about its client's permissions, beyond the keys and the command
 * itself, which were checked before it ran. The server fills this in before threads start. */
#pragma once

#include "cmd/exec.h"

/* Whether the client may read every key, since what the command reads depends on the data. NULL:
 * everybody may. Called inside the gate, or by a worker while no rule can change. */
extern bool (*access_all_keys)(const struct exec *ex);
