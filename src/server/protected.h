/* protected.h: commands that only the configuration can allow: DEBUG (enable-debug-command) and
 * MODULE's loading (enable-module-command): never, always, or for clients of this machine. */
#pragma once

#include "cmd/command.h"

struct server_thread;

/* Whether the current client may run the command as far as that goes; false: answered. Most
 * commands are not protected. Before it is queued, and when it runs. */
bool protected_admits(struct server_thread *t, const struct command *cmd);
