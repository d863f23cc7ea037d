/* redact.h: which arguments of a command nobody may read afterwards: passwords and user names, as
 * Redis hides them from MONITOR and the slow log. Any thread; O(arguments) per call at worst. */
#pragma once

#include "cmd/command.h"

#define REDACTED_TEXT "(redacted)"

/* Whether argv[index] must be shown as REDACTED_TEXT. */
bool redact_hides(const struct command *cmd, const struct slice *argv, uint32_t argc,
                  uint32_t index);
