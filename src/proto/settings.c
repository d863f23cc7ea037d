#include "proto/settings.h"

struct proto_settings proto_settings;
