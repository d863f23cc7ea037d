/* cmd_set.h: what the handlers of the set family share. */
#pragma once

#include "cmd/exec.h"
#include "store/set.h"

/* A set_visit_fn that answers the member as a string; arg is a struct reply. */
void reply_member(void *arg, struct set_member *member);
