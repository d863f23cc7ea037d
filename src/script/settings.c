#include "script/settings.h"

struct script_settings script_settings;
