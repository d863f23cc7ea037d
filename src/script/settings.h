/* settings.h: the directives that scripts obey. One global instance, owned by server/config; see
 * server/settings.h for who may read what and when. */
#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct script_settings {
    _Atomic size_t memory_limit; /* bytes of one interpreter; 0: no limit */
};

extern struct script_settings script_settings;
