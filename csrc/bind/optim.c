/* Optimizer steps from Lua. */
#include "../optim/optim.h"

#include <math.h>

#include "bind.h"

static const char in_place[] = "it changes tensors in place";

static struct fnn_tensor *element(lua_State *L, int list, lua_Integer i, const char *what) {
  lua_rawgeti(L, list, i);
  fnn_bind_of(L);
  struct fnn_box *box = fnn_test_box(L, -1);
  if (!box || !box->tensor)
    fnn_error(L, "optimizer: %s %I: expected an open tensor, got %s", what, (LUAI_UACINT)i, fnn_describe(L, -1));
  lua_pop(L, 1);
  fnn_raise(L, fnn_tensor_settle(box->tensor));
  return box->tensor;
}

/* One parameter and its states, which stand in a list of their own. */
struct item {
  struct fnn_tensor *w, *states[FNN_OPTIM_STATES];
};

/* step(rule, parameters, states, numbers): step every parameter that has a gradient; states[i] are those of parameters[i].
 * One call for all of them, so that nothing can come between. */
static int step(lua_State *L) {
  lua_settop(L, 4);
  int rule = lua_type(L, 1) == LUA_TSTRING ? fnn_optim_find(lua_tostring(L, 1)) : -1;
  if (rule < 0) return fnn_error(L, "step: no such rule: %s", fnn_describe(L, 1));
  for (int i = 2; i <= 4; i++) luaL_checktype(L, i, LUA_TTABLE);
  fnn_check_no_trace(L, "optimizer", in_place);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  float h[FNN_OPTIM_NUMBERS];
  for (int i = 0; i < fnn_optim_rules[rule].numbers; i++) {
    lua_rawgeti(L, 4, i + 1);
    if (lua_type(L, -1) != LUA_TNUMBER)
      return fnn_error(L, "step: number %d: expected a number, got %s", i + 1, fnn_describe(L, -1));
    h[i] = (float)lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  struct item *items = lua_newuserdatauv(L, (size_t)count * sizeof *items + 1, 0);
  for (lua_Integer i = 0; i < count; i++) {
    items[i].w = element(L, 2, i + 1, "parameter");
    lua_rawgeti(L, 3, i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    for (int k = 0; k < fnn_optim_rules[rule].states; k++)
      items[i].states[k] = element(L, lua_gettop(L), k + 1, "state");
    lua_pop(L, 1);
  }
  enum fnn_status status = FNN_OK;
  for (lua_Integer i = 0; i < count && status == FNN_OK; i++)
    if (items[i].w->grad)
      status = fnn_optim_step((enum fnn_rule)rule, items[i].w, items[i].w->grad, items[i].states, h);
  fnn_raise(L, status);
  return 0;
}

/* grad_norm(parameters): the Euclidean norm of all their gradients together */
static int grad_norm(lua_State *L) {
  lua_settop(L, 1);
  luaL_checktype(L, 1, LUA_TTABLE);
  double total = 0.0;
  for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, 1); i <= count; i++) {
    struct fnn_tensor *w = element(L, 1, i, "parameter");
    double squares = 0.0;
    if (w->grad) fnn_raise(L, fnn_sum_squares(w->grad, &squares));
    total += squares;
  }
  lua_pushnumber(L, sqrt(total));
  return 1;
}

/* average(averages, tensors, weight): move each average by the part weight of the way to the tensor of the same place */
static int average(lua_State *L) {
  lua_settop(L, 3);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  double weight = luaL_checknumber(L, 3);
  fnn_check_no_trace(L, "average", in_place);
  for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, 1); i <= count; i++) {
    struct fnn_tensor *into = element(L, 1, i, "average"), *tensor = element(L, 2, i, "tensor");
    fnn_raise(L, fnn_optim_average(into, tensor, weight));
  }
  return 0;
}

/* zero_grad(parameters): forget their gradients */
static int zero_grad(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, 1); i <= count; i++) {
    struct fnn_tensor *w = element(L, 1, i, "parameter");
    fnn_tensor_release(w->grad);
    w->grad = NULL;
  }
  return 0;
}

void fnn_open_optim(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"step", step}, {"grad_norm", grad_norm}, {"average", average}, {"zero_grad", zero_grad}, {NULL, NULL}};
  lua_newtable(L);
  fnn_register(L, functions);
  lua_newtable(L); /* how many states each rule keeps for a parameter */
  for (int rule = 0; rule < FNN_RULE_COUNT; rule++) {
    lua_pushinteger(L, fnn_optim_rules[rule].states);
    lua_setfield(L, -2, fnn_optim_rules[rule].name);
  }
  lua_setfield(L, -2, "states");
  lua_setfield(L, -2, "optim");
}
