/* err.h: the one error code of functions that can fail. 0 is success; every other value has a text.
 * Functions that return it are MUST_USE; details for a user (file, line) go through an out buffer.
 */
#pragma once

#include "base/base.h"

enum err {
    OK = 0,
    ERR_NOMEM,  /* a client-sized allocation was refused */
    ERR_RANGE,  /* a number is outside its limits */
    ERR_SYNTAX, /* the text does not have the expected form */
    ERR_LIMIT,  /* a named limit was passed */
    ERR_SYS,    /* a system call failed: errno tells */
    ERR_CLOSED, /* the peer or the object is gone */
    ERR_AGAIN,  /* cannot go on now; call again after the next event */
    ERR_EXISTS,
    ERR_MISSING,
    ERR_TYPE, /* the key holds a value of another type */
};

/* Constant text of an error, never NULL. */
const char *err_text(enum err err);
