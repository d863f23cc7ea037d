#include "base/err.h"

const char *err_text(enum err err)
{
    switch (err) {
    case OK:
        return "ok";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_RANGE:
        return "value out of range";
    case ERR_SYNTAX:
        return "syntax error";
    case ERR_LIMIT:
        return "limit reached";
    case ERR_SYS:
        return "system call failed";
    case ERR_CLOSED:
        return "closed";
    case ERR_AGAIN:
        return "try again";
    case ERR_EXISTS:
        return "already exists";
    case ERR_MISSING:
        return "not found";
    case ERR_TYPE:
        return "wrong type";
    }
    return "unknown error";
}
