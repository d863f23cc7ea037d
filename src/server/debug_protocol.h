/* debug_protocol.h: DEBUG PROTOCOL <type>. */
#pragma once

#include "cmd/exec.h"

/* Answers with a value of the type that argv[2] names. */
void debug_protocol(struct exec *ex);
