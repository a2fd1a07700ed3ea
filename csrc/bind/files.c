/* What Lua's io library does not say of files or do with them (lua/fmnistnn/write_file.lua, folder.lua). */
#define _XOPEN_SOURCE 700 /* realpath, fsync */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind.h"

/* resolve(path): the path with links followed where there is a file, and whether there is something else, a device, a pipe or a
 * folder, which cannot be replaced by a file */
static int resolve(lua_State *L) {
  char real[PATH_MAX];
  struct stat status;
  const char *path = luaL_checkstring(L, 1);
  int special = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
  lua_pushstring(L, !special && realpath(path, real) ? real : path);
  lua_pushboolean(L, special);
  return 2;
}

/* make_folder(path): true, also when it is there already, or nil and a message */
static int make_folder(lua_State *L) {
  struct stat status;
  const char *path = luaL_checkstring(L, 1);
  int code = mkdir(path, 0777) == 0 ? 0 : errno;
  if (code == 0 || (code == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode))) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, strerror(code));
  return 2;
}

/* file_size(path): in bytes, without opening it, which would end this process's locks on it when it is closed; nil when there is
 * no such file */
static int file_size(lua_State *L) {
  struct stat status;
  if (stat(luaL_checkstring(L, 1), &status) != 0) return 0;
  lua_pushinteger(L, (lua_Integer)status.st_size);
  return 1;
}

/* sync(path): waits until the file is on the disk, so that a power cut cannot take it; what cannot be waited for is not */
static int sync_file(lua_State *L) {
  int file = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  (void)fsync(file);
  (void)close(file);
  return 0;
}

void fnn_open_files(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"resolve", resolve}, {"make_folder", make_folder}, {"file_size", file_size}, {"sync", sync_file}, {NULL, NULL}};
  fnn_register(L, functions);
}
