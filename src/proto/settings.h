/* settings.h: the one directive that the protocol lane and the data lane share.
 *
 * proto-max-bulk-len bounds an argument on the wire (net) and a string value (cmd); this folder is
 * the only one that both may include. Same rule as store/settings.h: written at start and by CONFIG
 * SET with all gates closed; _Atomic because parsers run outside the gates. */
#pragma once

#include "base/base.h"

struct proto_settings {
    _Atomic int64_t max_bulk_len;
};

extern struct proto_settings proto_settings;
