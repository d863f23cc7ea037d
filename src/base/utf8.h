/* utf8.h: UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. Pure, any
 * thread. */
#pragma once

#include "base/slice.h"

/* Length of the valid sequence at the front, 0: there is none. */
size_t utf8_sequence(struct slice s);
bool utf8_valid(struct slice s);
