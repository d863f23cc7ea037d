/* libs.c: the libraries that scripts have beside Lua's own. */
#include "script/json.h"
#include "script/sandbox.h"

void script_open_libs(lua_State *lua)
{
    json_open(lua);
}
