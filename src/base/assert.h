/* assert.h: ASSERT stays on in release builds and must be cheap; DASSERT is for debug builds only.
 * Both are for our own mistakes: bad input from outside is never an assert. */
#pragma once

#include "base/base.h"

#define STATIC_ASSERT(cond, msg) _Static_assert(cond, msg)

/* Prints the message with the source position to stderr and aborts. */
NORETURN COLD void assert_fail(const char *expr, const char *file, int line);

#define ASSERT(cond) (likely(cond) ? (void)0 : assert_fail(#cond, __FILE__, __LINE__))

#ifdef DEBUG_CHECKS
#define DASSERT(cond) ASSERT(cond)
#else
#define DASSERT(cond) ((void)0)
#endif
