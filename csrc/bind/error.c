/* Errors of misuse: they name the line of the script that called, however deep in the library they are raised. */
#include <stdarg.h>
#include <string.h>

#include "bind.h"

/* The registry's key for what the sources of the library's Lua files begin with: "@" and their folder. */
static const char library_key = 0;

static int is_library(const lua_Debug *frame, const char *library) {
  return library && strncmp(frame->source, library, strlen(library)) == 0;
}

/* Push "file:line: " of the innermost function in Lua that is not the library's; "" when there is none. */
static void push_place(lua_State *L) {
  lua_Debug frame;
  const char *place = "";
  lua_rawgetp(L, LUA_REGISTRYINDEX, &library_key);
  const char *library = lua_tostring(L, -1);
  for (int level = 1; !*place && lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "Sl", &frame);
    if (frame.currentline <= 0 || is_library(&frame, library)) continue;
    place = lua_pushfstring(L, "%s:%d: ", frame.short_src, frame.currentline);
  }
  if (!*place) lua_pushliteral(L, "");
  lua_remove(L, -2);
}

int fnn_error(lua_State *L, const char *format, ...) {
  va_list values;
  push_place(L);
  va_start(values, format);
  lua_pushvfstring(L, format, values);
  va_end(values);
  lua_concat(L, 2);
  lua_error(L);
  __builtin_unreachable();
}

/* refuse(text): raises it, for misuse that is noticed in Lua */
static int refuse(lua_State *L) { fnn_error(L, "%s", lua_tostring(L, 1)); }

/* set_library(source): what the sources of the library's Lua files begin with */
static int set_library(lua_State *L) {
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &library_key);
  return 0;
}

void fnn_open_error(lua_State *L) {
  static const luaL_Reg functions[] = {{"refuse", refuse}, {"set_library", set_library}, {NULL, NULL}};
  fnn_register(L, functions);
}
