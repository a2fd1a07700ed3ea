#include "host.h"

#include "check.h"

_Thread_local struct fnn_context *host_context;
_Thread_local uint64_t host_fail_after;

struct fnn_context *__real_fnn_context_new(void);
struct fnn_context *__wrap_fnn_context_new(void);

struct fnn_context *__wrap_fnn_context_new(void) {
  struct fnn_context *context = __real_fnn_context_new();
  if (host_context) fnn_context_release(host_context);
  host_context = context;
  if (!context) return NULL;
  fnn_context_retain(context);
  context->memory.fail_after = host_fail_after;
  return context;
}

int host_open(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_fmnistnn_core);
  lua_setfield(L, -2, "fmnistnn.core");
  lua_getglobal(L, "package");
  lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", FNN_LUA_DIR, FNN_LUA_DIR);
  lua_setfield(L, -2, "path");
  lua_settop(L, 0);
  return 0;
}

void host_expect_clean(const char *what) {
  struct fnn_context *context = host_context;
  host_context = NULL;
  if (!context) return;
  if (context->memory.used > 0 || context->memory.blocks > 0 || context->references != 1) {
    fprintf(stderr, "FAILED: %s: %zu bytes in %zu blocks are left, and %zu references\n", what, context->memory.used,
            context->memory.blocks, context->references - 1);
    exit(EXIT_FAILURE);
  }
  fnn_context_release(context);
}
