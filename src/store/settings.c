#include "store/settings.h"

struct store_settings store_settings;
