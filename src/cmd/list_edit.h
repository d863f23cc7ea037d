/* list_edit.h: what the files of the list commands share. Called from handlers, with the key's
 * shard held. */
#pragma once

#include "cmd/exec.h"
#include "store/list.h"

/* Whether the arguments from this one on can be elements, which are shorter than what a raised
 * proto-max-bulk-len lets through. False: the error has been answered. */
bool list_edit_elements_fit(struct exec *ex, uint32_t from) MUST_USE;
/* An argument that says LEFT or RIGHT. False: answered with the syntax error. */
bool list_edit_arg_end(struct exec *ex, uint32_t index, enum deque_end *out) MUST_USE;
/* Of a list that has elements: answers the one at an end and removes it. */
void list_edit_pop(struct exec *ex, struct ref *ref, enum deque_end end);
/* Answers with an array of up to `count` elements and removes them; returns how many. */
uint64_t list_edit_pop_many(struct exec *ex, struct ref *ref, enum deque_end end, uint64_t count);

struct list_edit_mpop {
    enum deque_end end;
    int64_t count;
};

/* numkeys key … LEFT|RIGHT [COUNT n], numkeys being argument `at`. False: answered. */
bool list_edit_parse_mpop(struct exec *ex, uint32_t at, struct list_edit_mpop *out) MUST_USE;
/* Before that, for one of ex->keys: whether it is too much to do here. */
bool list_edit_defer_mpop(struct exec *ex, const struct ref *ref,
                          const struct list_edit_mpop *args) MUST_USE;
/* LMPOP of a key that has elements: the reply and the effect. */
void list_edit_mpop(struct exec *ex, struct ref *ref, const struct list_edit_mpop *args);
/* Moves an element from the first key, which has some, to the second, and answers it; or with
 * WRONGTYPE. True: it moved. */
bool list_edit_move(struct exec *ex, struct ref *source, enum deque_end from, enum deque_end to);

/* After elements were removed from an edited list: commits, deletes a list that is empty, settles
 * the encoding. */
void list_edit_commit_removal(struct exec *ex, struct ref *ref, enum event event);
