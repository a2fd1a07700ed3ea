/* What Lua's io library does not say of files or do with them (lua/fmnistnn/write_file.lua, folder.lua). */
#define _XOPEN_SOURCE 700 /* realpath, readlink, fchmod, fsync */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind.h"

enum { MOST_LINKS = 40, PERMISSIONS = S_IRWXU | S_IRWXG | S_IRWXO };

static int refuse(lua_State *L, int code) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(code));
  return 2;
}

/* Follows the links that a path is, one to the next, to a name that may be free; 0 or what is wrong. */
static int follow(char path[PATH_MAX]) {
  char target[PATH_MAX];
  for (int links = 0; links < MOST_LINKS; links++) {
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0) return 0;
    char *slash = strrchr(path, '/');
    char *name = slash && target[0] != '/' ? slash + 1 : path;
    if (length >= PATH_MAX - (name - path)) return ENAMETOOLONG;
    memcpy(name, target, (size_t)length);
    name[length] = '\0';
  }
  return ELOOP;
}

/* resolve(path): the path with links followed, also to where nothing is yet, whether there is something else than a file, a
 * device, a pipe or a folder, which cannot be replaced by a file, and the permissions of a file that is there; or nil and a
 * message */
static int resolve(lua_State *L) {
  char real[PATH_MAX];
  struct stat status;
  const char *path = luaL_checkstring(L, 1);
  size_t length = strlen(path);
  int exists = stat(path, &status) == 0, is_file = exists && S_ISREG(status.st_mode), code = 0;
  if (is_file && realpath(path, real)) {
    path = real;
  } else if (!exists && length < sizeof real) {
    memcpy(real, path, length + 1);
    code = follow(real);
    path = real;
  }
  if (code != 0) return refuse(L, code);
  lua_pushstring(L, path);
  lua_pushboolean(L, exists && !is_file);
  if (!is_file) return 2;
  lua_pushinteger(L, (lua_Integer)(status.st_mode & PERMISSIONS));
  return 3;
}

/* make_private(path): an empty file that its owner alone can read and write, in the place of one that may be there; true, or nil
 * and a message */
static int make_private(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  (void)unlink(path);
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return refuse(L, errno);
  (void)close(file);
  lua_pushboolean(L, 1);
  return 1;
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
  return refuse(L, code);
}

/* file_size(path): in bytes, without opening it, which would end this process's locks on it when it is closed; nil when there is
 * no such file */
static int file_size(lua_State *L) {
  struct stat status;
  if (stat(luaL_checkstring(L, 1), &status) != 0) return 0;
  lua_pushinteger(L, (lua_Integer)status.st_size);
  return 1;
}

/* sync(path, permissions): gives the file these where the file system has some, and waits until it is on the disk, so that a
 * power cut cannot take it; true, or nil and a message where it could not get there. A file system that cannot wait does not
 * count. Without permissions it keeps its own */
static int sync_file(lua_State *L) {
  lua_Integer permissions = luaL_optinteger(L, 2, -1);
  int file = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
  if (file < 0) return refuse(L, errno);
  if (permissions >= 0) (void)fchmod(file, (mode_t)permissions);
  int code = fsync(file) == 0 ? 0 : errno;
  (void)close(file);
  if (code != 0 && code != EINVAL && code != ENOSYS && code != ENOTSUP) return refuse(L, code);
  lua_pushboolean(L, 1);
  return 1;
}

void fnn_open_files(lua_State *L) {
  static const luaL_Reg functions[] = {{"resolve", resolve},         {"make_private", make_private},
                                       {"make_folder", make_folder}, {"file_size", file_size},
                                       {"sync", sync_file},          {NULL, NULL}};
  fnn_register(L, functions);
}
