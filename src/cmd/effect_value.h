/* effect_value.h: for forms of a command that Redis 7 does not know: the log gets the result
 * instead of the command. */
#pragma once

#include "cmd/exec.h"

/* Replaces the effect by what makes the key as it is now: DEL, SET or RESTORE. Nothing when the
 * command has changed nothing or nobody logs. For keys without an expiry: a result has none. */
void effect_value(struct exec *ex, const struct key *key);
