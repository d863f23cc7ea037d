/* cmd_persistence.h: the part of DEBUG that saves and loads. */
#pragma once

#include "cmd/exec.h"

/* DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]. */
void debug_reload(struct exec *ex);
/* DEBUG LOADAOF. */
void debug_loadaof(struct exec *ex);
