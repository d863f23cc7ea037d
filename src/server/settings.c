#include "server/settings.h"

struct server_settings server_settings;
