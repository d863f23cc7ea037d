#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *expr, const char *file, int line)
{
    fprintf(stderr, "ASSERTION FAILED: %s (%s:%d)\n", expr, file, line);
    fflush(stderr);
    abort();
}
