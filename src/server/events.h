/* events.h: the functions that the store calls when keys change (store/notify.h): on the thread of
 * the change, with the key's shard held. They post messages and take no lock but pubsub's leaves.
 */
#pragma once

#include "store/notify.h"

extern const struct notify_ops events_ops;
