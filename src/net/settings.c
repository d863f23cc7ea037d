#include "net/settings.h"

struct net_settings net_settings;
