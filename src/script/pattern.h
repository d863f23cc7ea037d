/* pattern.h: matching of Lua 5.1's patterns, which counts its steps.
 *
 * The stock matcher tries every way of a pattern like "a-a-a-b" inside one call, where Lua counts
 * no instructions: it would hold up all clients, deaf to SCRIPT KILL. This one gives the same
 * results, captures and errors, and lets script_step() look at the clock every few thousand steps.
 * As in Lua 5.1 a NUL ends the pattern, and '^' is for the caller, who cuts it off.
 *
 * Memory: none. The recursion is as deep as the pattern is long: callers bound it (sandbox_lua.c).
 * Threading: the thread of the interpreter. Complexity: exponential in the pattern's items.
 * Origin of the semantics: the Lua 5.1 reference manual, section 5.4.1, and what Lua 5.1.5 does
 * beyond it; tests/unit/script/test_pattern.c compares the two. */
#pragma once

#include "script/run.h"

enum {
    PATTERN_CAPTURES_MAX = 32
};

struct pattern_match {
    lua_State *lua;
    const char *begin, *end; /* the subject; *end is 0, as Lua's strings end */
    struct script_steps steps;
    unsigned capture_count;

    struct pattern_capture {
        const char *begin;
        ptrdiff_t len; /* or one of the marks of pattern.c */
    } captures[PATTERN_CAPTURES_MAX];
};

/* The subject must stay where it is: on the stack of its function. */
void pattern_init(struct pattern_match *m, lua_State *lua, const char *subject, size_t len);

/* Matches at `s` and nowhere else: the end of the match, or NULL. Raises a Lua error for a pattern
 * that is none, and the one that ends a script. */
const char *pattern_match_at(struct pattern_match *m, const char *s, const char *pattern);

/* Pushes the captures of the match from `s` to `end`, the whole match if it has none, and returns
 * their number. With s = NULL there is no whole match, and maybe nothing to push. */
int pattern_push_captures(struct pattern_match *m, const char *s, const char *end);

/* Pushes capture `index`, from 0; the match itself for 0 if it has none. May raise an error. */
void pattern_push_capture(struct pattern_match *m, unsigned index, const char *s, const char *end);
