/* console_assets.h: the files of the web console, as console/build.mjs has made them.
 *
 * They are part of the program, constant, and free for any thread. Without the console
 * (meson -Dconsole=disabled) there are none. */
#pragma once

#include "base/slice.h"

/* A file in one coding. Each has a tag of its own: RFC 9110, 8.8.3. */
struct console_form {
    struct slice bytes, etag; /* the tag without quotes */
};

struct console_asset {
    const char *path; /* as it is asked for */
    const char *type;
    bool immutable; /* its name changes with its bytes */
    struct console_form plain, gzip;
};

extern const struct console_asset console_assets[];
extern const size_t console_asset_count;
