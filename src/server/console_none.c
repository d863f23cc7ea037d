/* In place of the generated file in a build without the console. */
#include "server/console_assets.h"

const struct console_asset console_assets[] = {{.path = ""}};
const size_t console_asset_count = 0;
