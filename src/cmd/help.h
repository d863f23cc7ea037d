/* help.h: the HELP subcommands. Their text comes from the rows of the command table, so that no
 * second list can go stale. Any thread. */
#pragma once

#include "cmd/exec.h"

/* Answers <container> HELP for the subcommand that runs: a line per subcommand and one with its
 * summary. */
void help_reply(struct exec *ex);
/* "ERR unknown subcommand or wrong number of arguments for 'x'. Try Y HELP." */
void help_fail_subcommand(struct exec *ex);
