/* A standalone Lua with the core linked in, for running the specs under the sanitizers: a sanitizer's runtime must be in the
 * program itself, and Lua's own is not built with it.
 *
 *   fnn_lua script [arguments]      as lua script [arguments]; require "fmnistnn.core" finds the core in this program */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int luaopen_fmnistnn_core(lua_State *L);

/* Ctrl-C, as in lua.c: the main thread is told to stop at its next step. */
static lua_State *interrupted_state;

static void stop(lua_State *L, lua_Debug *where) {
  (void)where;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void on_interrupt(int number) {
  signal(number, SIG_DFL); /* a second one ends the program */
  /* the manual allows it: NOLINTNEXTLINE(bugprone-signal-handler) */
  lua_sethook(interrupted_state, stop, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

static int with_traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* The global arg as in lua.c: the script is number 0, the program number -1. */
static void push_arguments(lua_State *L, int count, char **words) {
  lua_createtable(L, count, 2);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
}

static int run(lua_State *L) {
  int count = (int)lua_tointeger(L, 1);
  char **words = lua_touserdata(L, 2);
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_fmnistnn_core);
  lua_setfield(L, -2, "fmnistnn.core");
  push_arguments(L, count, words);
  luaL_checkstack(L, count + 10, "too many arguments");
  if (luaL_loadfile(L, words[1]) != LUA_OK) return lua_error(L);
  for (int i = 2; i < count; i++) lua_pushstring(L, words[i]);
  lua_call(L, count - 2, 0);
  return 0;
}

int main(int count, char **words) {
  if (count < 2) {
    fprintf(stderr, "usage: %s script [arguments]\n", words[0]);
    return EXIT_FAILURE;
  }
  lua_State *L = luaL_newstate();
  if (!L) return EXIT_FAILURE;
  lua_pushcfunction(L, with_traceback);
  lua_pushcfunction(L, run);
  lua_pushinteger(L, count);
  lua_pushlightuserdata(L, words);
  interrupted_state = L;
  signal(SIGINT, on_interrupt);
  int status = lua_pcall(L, 2, 0, 1);
  signal(SIGINT, SIG_DFL);
  if (status != LUA_OK) fprintf(stderr, "%s: %s\n", words[0], lua_tostring(L, -1));
  lua_close(L);
  return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
