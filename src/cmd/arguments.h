/* arguments.h: what COMMAND DOCS says of a command's arguments; redis-cli's hints are made of it.
 *
 * arguments.def has one line of text per command, in a small notation that it explains. The text is
 * read when somebody asks: nothing is kept, and a server whose clients never ask pays nothing.
 * Threading: any thread. Complexity: O(length × depth) of the text. */
#pragma once

#include "cmd/command.h"

struct reply;

/* The text of a command in the notation of arguments.def; empty when it takes no arguments. */
struct slice arguments_text(const struct command *cmd);
/* Writes a list of arguments as the value of "arguments". `list` comes from arguments_text(). */
void arguments_reply(struct reply *r, struct slice list);
