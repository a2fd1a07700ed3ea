/* require "fmnistnn.core": makes the state and the table of functions that lua/fmnistnn builds on. */
#include "../kernels/kernels.h"
#include "bind.h"

static const size_t SLACK = (size_t)16 << 20;

static int close_bind(lua_State *L) {
  struct fnn_bind *bind = lua_touserdata(L, 1);
  struct fnn_context *context = bind->context;
  if (!context) return 0;
  fnn_empty_boxes(bind);
  fnn_free_traces(bind);
  fnn_bury_custom(NULL, bind);
  bind->context = NULL;
  fnn_context_release(context);
  return 0;
}

/* The state, created empty so that its __gc can be set before it holds anything. Created first, it is finalized last. */
static struct fnn_bind *push_bind(lua_State *L) {
  struct fnn_bind *bind = lua_newuserdatauv(L, sizeof *bind, 0);
  *bind = (struct fnn_bind){.slack = SLACK};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_bind);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  bind->context = fnn_context_new();
  if (!bind->context) fnn_error(L, "fmnistnn: out of memory");
  bind->context->kernels = fnn_kernels_for(bind->context->isa);
  return bind;
}

static int open_module(lua_State *L) {
  lua_newtable(L);
  fnn_open_error(L);
  fnn_open_box(L);
  fnn_open_ops(L);
  fnn_open_tensor(L);
  fnn_open_create(L);
  fnn_open_autograd(L);
  fnn_open_trace(L);
  fnn_open_optim(L);
  fnn_open_data(L);
  fnn_open_system(L);
  fnn_open_process(L);
  fnn_open_files(L);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_fmnistnn_core(lua_State *L);

int luaopen_fmnistnn_core(lua_State *L) {
  luaL_checkversion(L);
  push_bind(L);
  lua_newtable(L); /* the metatable of tensors */
  lua_pushcclosure(L, open_module, 2);
  lua_call(L, 0, 1);
  return 1;
}
