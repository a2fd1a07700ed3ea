/* Autograd from Lua: backward, detach, no_grad, and custom ops whose backward is a Lua function.
 *
 * Lua functions are called with continuations, so that they may yield. */
#include <string.h>

#include "bind.h"

/* ---- custom ops ---- */

struct fnn_custom {
  struct fnn_foreign foreign;
  struct fnn_bind *bind;
  int function; /* the backward function, a reference in the registry */
  struct fnn_custom *next;
};

/* Runs in the middle of anything, so it only notes that the function can go. */
static void release_custom(struct fnn_foreign *foreign) {
  struct fnn_custom *custom = (struct fnn_custom *)foreign;
  custom->next = custom->bind->dead;
  custom->bind->dead = custom;
}

void fnn_bury_custom(lua_State *L, struct fnn_bind *bind) {
  while (bind->dead) {
    struct fnn_custom *custom = bind->dead;
    bind->dead = custom->next;
    if (L) luaL_unref(L, LUA_REGISTRYINDEX, custom->function);
    fnn_free(bind->context, custom);
  }
}

struct foreign_inputs {
  size_t count;
  struct fnn_tensor *in[];
};

/* The core's half of record: the output under a new handle with a node of the custom op. */
static enum fnn_status record_custom(struct fnn_bind *bind, const char *name, struct fnn_tensor *output,
                                     const struct foreign_inputs *inputs, int function, struct fnn_tensor **out) {
  struct fnn_tensor *handle = NULL;
  struct fnn_custom *custom = fnn_alloc(bind->context, sizeof *custom);
  if (!custom) return FNN_NO_MEMORY;
  *custom = (struct fnn_custom){.foreign.release = release_custom, .bind = bind, .function = function};
  enum fnn_status status = fnn_tensor_alias(output, &handle);
  if (status == FNN_OK && bind->trace) status = fnn_trace_alias(bind->trace, output, handle);
  if (status == FNN_OK) status = fnn_record_foreign(handle, inputs->count, inputs->in, name, &custom->foreign);
  if (status == FNN_OK) {
    *out = handle;
    return FNN_OK;
  }
  fnn_tensor_release(handle);
  fnn_free(bind->context, custom);
  return status;
}

/* Note the inputs of the list at a stack place. Whether one needs a gradient; *bad: not all are open tensors. */
static int note_inputs(lua_State *L, int at, struct foreign_inputs *inputs, int *bad) {
  int wanted = 0;
  *bad = 0;
  for (size_t i = 0; i < inputs->count; i++) {
    lua_rawgeti(L, at, (lua_Integer)i + 1);
    struct fnn_box *input = fnn_test_box(L, -1);
    inputs->in[i] = input ? input->tensor : NULL;
    *bad |= !inputs->in[i];
    wanted |= inputs->in[i] && inputs->in[i]->requires_grad;
    lua_pop(L, 1);
  }
  return wanted;
}

/* record(name, output, inputs, backward): the output under a new handle that, in backward, asks
 * backward(gradient) for the inputs' gradients. The output itself where nothing is recorded. */
static int record(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  lua_settop(L, 4);
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 3, LUA_TTABLE);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L), *output = fnn_test_box(L, 2);
  size_t count = (size_t)lua_rawlen(L, 3);
  struct foreign_inputs *inputs = lua_newuserdatauv(L, sizeof *inputs + count * sizeof inputs->in[0], 0);
  inputs->count = count;
  lua_pushvalue(L, 4);
  int function = luaL_ref(L, LUA_REGISTRYINDEX), bad, tried = 0;
  struct fnn_tensor *recorded = NULL;
  enum fnn_status status;
  do {
    status = FNN_OK;
    fnn_bury_custom(L, bind);
    int wanted = note_inputs(L, 3, inputs, &bad);
    if (!bad && output && output->tensor && output->tensor->dtype == FNN_FLOAT32 && wanted && fnn_recording(L))
      status = record_custom(bind, name, output->tensor, inputs, function, &recorded);
  } while (fnn_try_again(L, status, &tried));
  if (recorded)
    fnn_fill_box(bind, box, recorded);
  else
    luaL_unref(L, LUA_REGISTRYINDEX, function);
  fnn_raise(L, status);
  if (bad) return fnn_error(L, "%s: expected open tensors as inputs", name);
  if (!output || !output->tensor)
    return fnn_error(L, "%s: forward: expected a tensor as its result, got %s", name, fnn_describe(L, 2));
  lua_settop(L, recorded ? 5 : 2);
  return 1;
}

/* ---- backward ---- */

struct pass_box {
  struct fnn_pass *pass;
};

static int end_pass(lua_State *L) {
  struct pass_box *box = lua_touserdata(L, 1);
  struct fnn_pass *pass = box->pass;
  box->pass = NULL;
  fnn_pass_end(pass);
  return 0;
}

static const char pass_key; /* its address names the passes' metatable in the registry */

enum { ROOT = 1, PASS = 2, ANSWERS = 3 };

static void stop(lua_State *L, struct pass_box *box) {
  fnn_pass_end(box->pass);
  box->pass = NULL;
  fnn_bury_custom(L, fnn_bind_of(L));
}

/* The custom op's function has returned its gradients (or an error): places ANSWERS .. top. */
static void take_answers(lua_State *L, int called, size_t inputs) {
  struct pass_box *box = lua_touserdata(L, PASS);
  if (called != LUA_OK && called != LUA_YIELD) {
    stop(L, box);
    lua_error(L);
  }
  enum fnn_status status = FNN_OK;
  int wrong = 0, top = lua_gettop(L), has_room = lua_checkstack(L, LUA_MINSTACK); /* results may fill the stack */
  while (top >= ANSWERS && lua_isnil(L, top)) top--;
  int given = top - ANSWERS + 1;
  if (!has_room || given > (int)inputs) {
    lua_settop(L, PASS);
    stop(L, box);
    fnn_error(L, "backward: a custom op gave %d gradients for its %d tensors", given, (int)inputs);
  }
  for (size_t i = 0; i < inputs && status == FNN_OK && !wrong; i++) {
    int at = ANSWERS + (int)i;
    if (at > top || lua_isnil(L, at)) continue;
    struct fnn_box *grad = fnn_test_box(L, at);
    if (grad && grad->tensor)
      status = fnn_pass_answer(box->pass, i, grad->tensor);
    else
      wrong = at;
  }
  if (wrong || status != FNN_OK) stop(L, box);
  fnn_raise(L, status);
  if (wrong)
    fnn_error(L, "backward: a custom op's gradient %d: expected a tensor or nil, got %s", wrong - ANSWERS + 1,
              fnn_describe(L, wrong));
  lua_settop(L, PASS);
}

static int go_on(lua_State *L);

static int after_yield(lua_State *L, int called, lua_KContext inputs) {
  take_answers(L, called, (size_t)inputs);
  return go_on(L);
}

static int go_on(lua_State *L) {
  struct pass_box *box = lua_touserdata(L, PASS);
  for (;;) {
    struct fnn_foreign *foreign;
    struct fnn_tensor *gradient;
    size_t inputs;
    struct fnn_box *grad = fnn_push_box(L); /* ANSWERS, for now */
    enum fnn_status status = fnn_pass_run(box->pass, &foreign, &gradient, &inputs);
    if (status != FNN_OK || !foreign) {
      stop(L, box);
      fnn_raise(L, status);
      return 0;
    }
    fnn_fill_box(fnn_bind_of(L), grad, fnn_tensor_retain(gradient));
    lua_rawgeti(L, LUA_REGISTRYINDEX, ((struct fnn_custom *)foreign)->function);
    lua_insert(L, ANSWERS);
    take_answers(L, lua_pcallk(L, 1, LUA_MULTRET, 0, (lua_KContext)inputs, after_yield), inputs);
  }
}

/* t:backward(gradient, {retain_graph = true}) */
static int backward(lua_State *L) {
  int options = lua_gettop(L) >= 2 && lua_type(L, lua_gettop(L)) == LUA_TTABLE ? lua_gettop(L) : 0, keep = 0;
  if (options) {
    lua_pushnil(L);
    while (lua_next(L, options)) {
      if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "retain_graph") != 0)
        return fnn_error(L, "backward: unknown option: %s", fnn_describe(L, -2));
      keep = lua_toboolean(L, -1);
      lua_pop(L, 1);
    }
    lua_settop(L, options - 1);
  }
  if (lua_gettop(L) > 2) return fnn_error(L, "backward: expected at most a gradient and options");
  lua_settop(L, 2);
  struct pass_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->pass = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &pass_key);
  lua_setmetatable(L, -2);
  fnn_check_no_trace(L, "backward", "its gradients would be the same at each run");
  struct fnn_tensor *root = fnn_check_tensor(L, 1, "backward");
  struct fnn_tensor *gradient = lua_isnil(L, 2) ? NULL : fnn_check_tensor(L, 2, "backward");
  fnn_raise(L, fnn_pass_begin(root, gradient, keep, &box->pass));
  lua_remove(L, 2);
  return go_on(L);
}

/* ---- modes and handles ---- */

enum fnn_status fnn_detach(struct fnn_bind *bind, struct fnn_tensor *tensor, struct fnn_tensor **out) {
  struct fnn_tensor *handle;
  FNN_TRY(fnn_tensor_settle(tensor));
  FNN_TRY(fnn_tensor_alias(tensor, &handle));
  enum fnn_status status = bind->trace ? fnn_trace_alias(bind->trace, tensor, handle) : FNN_OK;
  if (status == FNN_OK)
    *out = handle;
  else
    fnn_tensor_release(handle);
  return status;
}

/* t:detach(): the same elements under a handle that autograd does not know. */
static int detach(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_tensor *handle = NULL;
  enum fnn_status status;
  int tried = 0;
  lua_settop(L, 1);
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  do status = fnn_detach(bind, fnn_check_tensor(L, 1, "detach"), &handle);
  while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  fnn_fill_box(bind, box, handle);
  return 1;
}

/* Set whether this coroutine is without gradients; returns what it was. */
static int switch_off(lua_State *L, int off) {
  struct fnn_bind *bind = fnn_bind_of(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, bind);
  lua_pushthread(L);
  int was = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 1);
  if (was != off) {
    lua_pushthread(L);
    if (off)
      lua_pushboolean(L, 1);
    else
      lua_pushnil(L);
    lua_rawset(L, -3);
    bind->no_grad_threads += off ? 1 : -1;
  }
  lua_pop(L, 1);
  return was;
}

/* The results may fill the stack. */
static int leave_mode(lua_State *L, int status, lua_KContext was) {
  int has_room = lua_checkstack(L, LUA_MINSTACK);
  if (!has_room) lua_settop(L, 0);
  switch_off(L, (int)was);
  if (!has_room) return fnn_error(L, "too many results");
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L);
}

static int in_mode(lua_State *L, int off) {
  if (!lua_isfunction(L, 1) && luaL_getmetafield(L, 1, "__call") == LUA_TNIL)
    return fnn_error(L, "%s: expected a function, got %s", off ? "no_grad" : "enable_grad", fnn_describe(L, 1));
  if (!lua_isfunction(L, 1)) lua_pop(L, 1); /* the metafield */
  lua_KContext was = switch_off(L, off);
  return leave_mode(L, lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, was, leave_mode), was);
}

/* no_grad(f, ...) = f(...), recording nothing in this coroutine */
static int no_grad(lua_State *L) { return in_mode(L, 1); }
/* enable_grad(f, ...) = f(...), recording even inside no_grad */
static int enable_grad(lua_State *L) { return in_mode(L, 0); }

static int is_grad_enabled(lua_State *L) {
  lua_pushboolean(L, fnn_recording(L));
  return 1;
}

void fnn_open_autograd(lua_State *L) {
  static const luaL_Reg functions[] = {{"record", record},
                                       {"no_grad", no_grad},
                                       {"enable_grad", enable_grad},
                                       {"is_grad_enabled", is_grad_enabled},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"backward", backward}, {"detach", detach}, {NULL, NULL}};
  fnn_register(L, functions);
  lua_getfield(L, -1, "methods");
  fnn_register(L, methods);
  lua_pop(L, 1);

  lua_createtable(L, 0, 1); /* the metatable of passes */
  lua_pushcfunction(L, end_pass);
  lua_setfield(L, -2, "__gc");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &pass_key);

  lua_newtable(L); /* the coroutines inside no_grad: weak keys */
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, fnn_bind_of(L));
}
