#include "store/settings.h"

struct store_settings store_settings = {.rdb_compression = true};
