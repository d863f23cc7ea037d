/* libs.c: the libraries that scripts have beside Lua's own. */
#include "script/json.h"
#include "script/lib.h"
#include "script/sandbox.h"

void script_open_libs(lua_State *lua)
{
    lib_bit_open(lua);
    sandbox_register_library(lua, "bit");
    lib_struct_open(lua);
    sandbox_register_library(lua, "struct");
    lib_msgpack_open(lua);
    sandbox_register_library(lua, "cmsgpack");
    lib_unpack_open(lua);
    sandbox_set_global(lua, "unpack");
    json_open(lua);
}
