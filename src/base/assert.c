#include "base/assert.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

void assert_fail(const char *expr, const char *file, int line)
{
    log_warning("=== ASSERTION FAILED === %s:%d '%s' is not true", file, line, expr);
    fprintf(stderr, "ASSERTION FAILED: %s (%s:%d)\n", expr, file, line);
    fflush(stderr);
    abort();
}
