/* list_edit.h: what the files of the list commands share. Called from handlers, with the key's
 * shard held. */
#pragma once

#include "cmd/exec.h"
#include "store/list.h"

/* Whether the arguments from this one on can be elements, which are shorter than what a raised
 * proto-max-bulk-len lets through. False: the error has been answered. */
bool list_edit_elements_fit(struct exec *ex, uint32_t from) MUST_USE;
/* After elements were removed from an edited list: commits, deletes a list that is empty, settles
 * the encoding. */
void list_edit_commit_removal(struct exec *ex, struct ref *ref, enum event event);
