/* string_change.h: edits of strings (store/string.h) by commands with CMD_SLOW: where much would
 * have to be copied or cleared, a worker does it, and what it has made is published as the new
 * value. Owner, memory: as the edit. Threading: the command's. */
#pragma once

#include "cmd/exec.h"
#include "store/string.h"

/* Whether the first key's edit to `min_len` bytes is too much to do here; the handler returns then.
 */
bool string_change_defer(struct exec *ex, const struct ref *ref, size_t min_len) MUST_USE;
/* In the place of string_edit_end(). */
void string_change_end(struct exec *ex, struct string_edit *edit, enum event event);
