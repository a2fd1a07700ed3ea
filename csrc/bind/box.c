/* Tensors as Lua values: creation, checks, release. */
#include "bind.h"

void fnn_register(lua_State *L, const luaL_Reg *functions) {
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_BIND));
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  luaL_setfuncs(L, functions, 2);
}

struct fnn_box *fnn_push_box(lua_State *L) {
  struct fnn_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = (struct fnn_box){.bind = lua_touserdata(L, lua_upvalueindex(FNN_UP_BIND))};
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  lua_setmetatable(L, -2);
  return box;
}

struct fnn_box *fnn_test_box(lua_State *L, int at) {
  if (lua_rawlen(L, at) != sizeof(struct fnn_box)) return NULL;
  struct fnn_box *box = lua_touserdata(L, at);
  return box && box->bind == lua_touserdata(L, lua_upvalueindex(FNN_UP_BIND)) ? box : NULL;
}

struct fnn_tensor *fnn_check_tensor(lua_State *L, int at, const char *who) {
  struct fnn_box *box = fnn_test_box(L, at);
  fnn_bind_of(L); /* raises when Lua closes and what boxes had is gone */
  if (!box) fnn_error(L, "%s: expected a tensor, got %s", who, fnn_describe(L, at));
  if (!box->tensor) fnn_error(L, "%s: tensor is closed", who);
  return box->tensor;
}

struct fnn_tensor *fnn_check_elements(lua_State *L, int at, const char *who) {
  struct fnn_tensor *tensor = fnn_check_tensor(L, at, who);
  fnn_check_untraced(L, tensor, who);
  fnn_raise(L, fnn_tensor_settle(tensor));
  return tensor;
}

static void note(struct fnn_bind *bind, struct fnn_tensor *tensor) {
  if (tensor->holders++) return;
  tensor->next_held = bind->held, tensor->held_from = &bind->held;
  if (bind->held) bind->held->held_from = &tensor->next_held;
  bind->held = tensor;
}

static void strike(struct fnn_tensor *tensor) {
  if (--tensor->holders) return;
  *tensor->held_from = tensor->next_held;
  if (tensor->next_held) tensor->next_held->held_from = tensor->held_from;
}

void fnn_empty_boxes(struct fnn_bind *bind) {
  while (bind->held) {
    struct fnn_tensor *tensor = bind->held;
    strike(tensor);
    fnn_tensor_release(tensor);
  }
}

void fnn_fill_box(struct fnn_bind *bind, struct fnn_box *box, struct fnn_tensor *tensor) {
  struct fnn_tensor *before = box->tensor;
  if (tensor) note(bind, tensor);
  if (before) strike(before);
  bind->boxed -= box->counted;
  box->tensor = tensor;
  box->counted = tensor ? fnn_tensor_bytes(tensor) : 0;
  bind->boxed += box->counted;
  fnn_tensor_release(before);
}

/* A full collection of a large Lua heap takes long. While little is in use, it gets at most a twentieth of the time; beyond
 * that it waits for half as much again as it left before, so that it is rare where much is really alive. */
static int is_worth_collecting(const struct fnn_bind *bind) {
  enum { LITTLE = 256 << 20, SHARE = 20 };
  if (bind->boxed < bind->boxed_before + bind->slack) return 0;
  if (bind->context->memory.used < LITTLE) return fnn_clock() - bind->collected_at >= SHARE * bind->collect_seconds;
  return bind->boxed >= bind->boxed_before + bind->boxed_before / 2 + bind->slack;
}

/* Lua counts an object as alive for a cycle more, after its finalizer, and so lets ever more of them wait: of small tensors tens
 * of thousands, out of the caches when their turn comes, in a heap many times what is alive. So its collector is started here
 * when many have come, unless the heap is so large that a stop would be felt. */
static int have_many_come(lua_State *L, struct fnn_bind *bind) {
  enum { FEW = 1024, LARGE = 8 << 10 /* KiB */ };
  if (++bind->calls < FEW || bind->calls < bind->many) return 0;
  bind->calls = 0;
  return lua_gc(L, LUA_GCISRUNNING) > 0 && lua_gc(L, LUA_GCCOUNT) <= LARGE; /* -1: in a finalizer, where none can run */
}

void fnn_relieve_memory(lua_State *L) {
  enum { CALLS_PER_KIB = 2 };
  struct fnn_bind *bind = fnn_bind_of(L);
  if (!have_many_come(L, bind) && !is_worth_collecting(bind)) return;
  double start = fnn_clock();
  if (lua_gc(L, LUA_GCCOLLECT) < 0) return;
  bind->calls = 0;
  bind->many = CALLS_PER_KIB * (unsigned)lua_gc(L, LUA_GCCOUNT);
  bind->boxed_before = bind->boxed;
  bind->collected_at = fnn_clock();
  bind->collect_seconds = bind->collected_at - start;
}

int fnn_try_again(lua_State *L, enum fnn_status status, int *tried) {
  if (status != FNN_NO_MEMORY || (*tried)++) return 0;
  lua_gc(L, LUA_GCCOLLECT);
  return 1;
}

void fnn_raise(lua_State *L, enum fnn_status status) {
  if (status != FNN_OK) fnn_error(L, "%s", fnn_bind_of(L)->context->error);
}

int fnn_failure(lua_State *L, enum fnn_status status) {
  if (status == FNN_OK) return 0;
  if (status != FNN_IO) fnn_raise(L, status);
  luaL_pushfail(L);
  lua_pushstring(L, fnn_bind_of(L)->context->error);
  return 2;
}

/* __gc, __close and close(): release, once. */
static int close_box(lua_State *L) {
  struct fnn_box *box = fnn_test_box(L, 1);
  if (!box) return fnn_error(L, "close: expected a tensor, got %s", fnn_describe(L, 1));
  fnn_fill_box(fnn_bind_of(L), box, NULL);
  return 0;
}

/* Two boxes of one tensor are equal; contents are compared by t:equal(u). */
static int equal_boxes(lua_State *L) {
  struct fnn_box *a = fnn_test_box(L, 1), *b = fnn_test_box(L, 2);
  lua_pushboolean(L, a && b && a->tensor && a->tensor == b->tensor);
  return 1;
}

static int is_tensor(lua_State *L) {
  lua_pushboolean(L, fnn_test_box(L, 1) != NULL);
  return 1;
}

void fnn_open_box(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__gc", close_box}, {"__close", close_box}, {"__eq", equal_boxes}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"is_tensor", is_tensor}, {"close", close_box}, {NULL, NULL}};
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  fnn_register(L, metamethods);
  lua_pushliteral(L, "fmnistnn.Tensor");
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "fmnistnn.Tensor");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
  fnn_register(L, functions);
}
