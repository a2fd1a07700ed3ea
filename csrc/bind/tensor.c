/* Tensors from Lua: fields, elements, conversions. */
#include <string.h>

#include "bind.h"

/* ---- one element ---- */

static void push_element(lua_State *L, const struct fnn_tensor *t, size_t position) {
  switch (t->dtype) {
    case FNN_FLOAT32: lua_pushnumber(L, (lua_Number)fnn_floats(t)[position]); break;
    case FNN_INT64: lua_pushinteger(L, (lua_Integer)fnn_ints(t)[position]); break;
    default: lua_pushinteger(L, fnn_bytes(t)[position]);
  }
}

/* ---- t[key], t.field, t:method() ---- */

/* By value: making the table may run Lua's collector, and a finalizer might close the tensor. */
static void push_shape(lua_State *L, struct fnn_shape shape) {
  lua_createtable(L, shape.rank, 0);
  for (int i = 0; i < shape.rank; i++) {
    lua_pushinteger(L, (lua_Integer)shape.size[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static int push_grad(lua_State *L) {
  struct fnn_box *grad = fnn_push_box(L);
  struct fnn_tensor *t = fnn_check_tensor(L, 1, "grad");
  if (t->grad)
    fnn_fill_box(fnn_bind_of(L), grad, fnn_tensor_retain(t->grad));
  else
    lua_pushnil(L);
  return 1;
}

static int get_field(lua_State *L, const char *name) {
  struct fnn_tensor *t = fnn_check_tensor(L, 1, name);
  if (strcmp(name, "shape") == 0)
    push_shape(L, t->shape);
  else if (strcmp(name, "dtype") == 0)
    lua_pushstring(L, fnn_dtype_name(t->dtype));
  else if (strcmp(name, "grad") == 0)
    return push_grad(L);
  else if (strcmp(name, "requires_grad") == 0)
    lua_pushboolean(L, t->requires_grad);
  else if (strcmp(name, "is_leaf") == 0)
    lua_pushboolean(L, t->history == NULL);
  else
    return fnn_error(L, "tensor: no field or method '%s'", name);
  return 1;
}

/* Position `index` along the first axis, 1-based or negative; raises when there is none. */
static size_t first_axis(lua_State *L, const struct fnn_tensor *t, lua_Integer index) {
  if (t->shape.rank == 0) fnn_error(L, "index: a tensor without axes has no elements to index; use item()");
  lua_Integer size = (lua_Integer)t->shape.size[0], at = index < 0 ? index + size : index - 1;
  if (index == 0 || at < 0 || at >= size)
    fnn_error(L, "index: expected 1..%I or -%I..-1, got %I", (LUAI_UACINT)size, (LUAI_UACINT)size, (LUAI_UACINT)index);
  return (size_t)at;
}

/* t[i] of a tensor with several axes: what select(1, i) gives. */
static int index_row(lua_State *L) {
  lua_getfield(L, lua_upvalueindex(FNN_UP_THIRD), "select");
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 1);
  lua_pushvalue(L, 2);
  lua_call(L, 3, 1);
  return 1;
}

/* Upvalue 3 is the table of methods. Keys that are neither strings nor integers go to its `index`. */
static int index_tensor(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(FNN_UP_THIRD)) != LUA_TNIL) return 1;
    return get_field(L, lua_tostring(L, 2));
  }
  struct fnn_tensor *t = fnn_check_tensor(L, 1, "index");
  if (lua_type(L, 2) == LUA_TNUMBER) {
    size_t at = first_axis(L, t, fnn_check_integer(L, 2, "index", "position"));
    if (t->shape.rank > 1) return index_row(L);
    t = fnn_check_elements(L, 1, "index");
    push_element(L, t, at * t->stride[0]);
    return 1;
  }
  lua_getfield(L, lua_upvalueindex(FNN_UP_THIRD), "index");
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

/* A handle of our own on a gradient that can be added to: dense, no two elements in one place. */
static enum fnn_status own_gradient(struct fnn_tensor *grad, struct fnn_tensor **out) {
  struct fnn_tensor *dense;
  FNN_TRY(fnn_tensor_dense(grad, FNN_FLOAT32, &dense));
  enum fnn_status status = fnn_tensor_alias(dense, out);
  fnn_tensor_release(dense);
  return status;
}

static int set_field(lua_State *L, const char *name) {
  struct fnn_tensor *t = fnn_check_tensor(L, 1, name);
  if (strcmp(name, "requires_grad") == 0) {
    if (!lua_isboolean(L, 3)) return fnn_error(L, "requires_grad: expected true or false, got %s", fnn_describe(L, 3));
    if (t->history)
      return fnn_error(L, "requires_grad: only a leaf can be told; this tensor was computed (use detach)");
    if (t->dtype != FNN_FLOAT32)
      return fnn_error(L, "requires_grad: expected a float32 tensor, got %s", fnn_dtype_name(t->dtype));
    t->requires_grad = lua_toboolean(L, 3);
    return 0;
  }
  if (strcmp(name, "grad") == 0) {
    char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
    struct fnn_tensor *grad = lua_isnil(L, 3) ? NULL : fnn_check_tensor(L, 3, "grad");
    if (grad && (grad->dtype != FNN_FLOAT32 || grad->history || !fnn_shape_equal(&grad->shape, &t->shape)))
      return fnn_error(L, "grad: expected nil or a float32 leaf of shape %s, got %s of shape %s",
                       fnn_shape_text(&t->shape, a), fnn_dtype_name(grad->dtype), fnn_shape_text(&grad->shape, b));
    if (grad) fnn_check_untraced(L, grad, "grad");
    struct fnn_tensor *before = t->grad, *own = NULL;
    if (grad) fnn_raise(L, own_gradient(grad, &own));
    t->grad = own;
    fnn_tensor_release(before);
    return 0;
  }
  return fnn_error(L, "tensor: cannot set '%s' (only requires_grad and grad)", name);
}

/* What is not one number at one place goes to the method `assign`. */
static int set_tensor(lua_State *L) {
  if (lua_type(L, 2) == LUA_TSTRING) return set_field(L, lua_tostring(L, 2));
  struct fnn_tensor *t = fnn_check_elements(L, 1, "assign");
  if (lua_type(L, 2) == LUA_TNUMBER && t->shape.rank == 1 && fnn_is_element(L, 3)) {
    size_t at = first_axis(L, t, fnn_check_integer(L, 2, "assign", "position"));
    fnn_check_write(L, t, "assign");
    if (!fnn_write_element(L, 3, t, at * t->stride[0])) return fnn_refuse_element(L, 3, t, "assign");
    t->storage->version++;
    return 0;
  }
  lua_getfield(L, lua_upvalueindex(FNN_UP_THIRD), "assign");
  lua_insert(L, 1);
  lua_call(L, 3, 0);
  return 0;
}

/* __tostring is the method of that name. */
static int to_string(lua_State *L) {
  lua_getfield(L, lua_upvalueindex(FNN_UP_THIRD), "tostring");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int length(lua_State *L) {
  struct fnn_tensor *t = fnn_check_tensor(L, 1, "#");
  if (t->shape.rank == 0) return fnn_error(L, "#: a tensor without axes has no length");
  lua_pushinteger(L, (lua_Integer)t->shape.size[0]);
  return 1;
}

/* ---- methods ---- */

static int numel(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)fnn_tensor_numel(fnn_check_tensor(L, 1, "numel")));
  return 1;
}

static int dim(lua_State *L) {
  lua_pushinteger(L, fnn_check_tensor(L, 1, "dim")->shape.rank);
  return 1;
}

/* False of what is traced: at another run it may not be. */
static int is_contiguous(lua_State *L) {
  int traced = fnn_is_traced(fnn_bind_of(L), fnn_check_tensor(L, 1, "is_contiguous"));
  lua_pushboolean(L, !traced && fnn_tensor_is_contiguous(fnn_check_elements(L, 1, "is_contiguous")));
  return 1;
}

static int item(lua_State *L) {
  struct fnn_tensor *t = fnn_check_elements(L, 1, "item");
  char text[FNN_SHAPE_TEXT];
  if (fnn_tensor_numel(t) != 1)
    return fnn_error(L, "item: expected a tensor of one element, got shape %s", fnn_shape_text(&t->shape, text));
  push_element(L, t, 0);
  return 1;
}

/* Push the nested table of axes axis .. of the elements from `position` on. */
static void push_table(lua_State *L, const struct fnn_tensor *t, int axis, size_t position) {
  if (axis == t->shape.rank) {
    push_element(L, t, position);
    return;
  }
  size_t size = t->shape.size[axis];
  lua_createtable(L, size < INT32_MAX ? (int)size : 0, 0);
  for (size_t i = 0; i < size; i++) {
    push_table(L, t, axis + 1, position + i * t->stride[axis]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int totable(lua_State *L) {
  lua_settop(L, 1);
  struct fnn_box *own = fnn_push_box(L); /* so that no finalizer closes it on the way */
  fnn_fill_box(fnn_bind_of(L), own, fnn_tensor_retain(fnn_check_elements(L, 1, "totable")));
  luaL_checkstack(L, FNN_MAX_RANK + 4, "totable");
  push_table(L, own->tensor, 0, 0);
  fnn_fill_box(fnn_bind_of(L), own, NULL);
  return 1;
}

static int tobytes(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_tensor *dense = NULL;
  enum fnn_status status;
  int tried = 0;
  lua_settop(L, 1);
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  do {
    struct fnn_tensor *t = fnn_check_tensor(L, 1, "tobytes");
    fnn_check_untraced(L, t, "tobytes");
    status = fnn_tensor_dense(t, t->dtype, &dense);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  fnn_fill_box(bind, box, dense);
  lua_pushlstring(L, fnn_tensor_data(dense), fnn_tensor_numel(dense) * fnn_dtype_size(dense->dtype));
  fnn_fill_box(bind, box, NULL);
  return 1;
}

/* The same place in memory for both, or not: what tells a view from a copy. */
static int shares_storage(lua_State *L) {
  struct fnn_tensor *a = fnn_check_tensor(L, 1, "shares_storage"), *b = fnn_check_tensor(L, 2, "shares_storage");
  lua_pushboolean(L, a->storage == b->storage);
  return 1;
}

/* Both are dense, of one type and shape. */
static int same_elements(const struct fnn_tensor *a, const struct fnn_tensor *b) {
  size_t n = fnn_tensor_numel(a), i = 0;
  if (a->dtype != FNN_FLOAT32) return memcmp(fnn_tensor_data(a), fnn_tensor_data(b), n * fnn_dtype_size(a->dtype)) == 0;
  while (i < n && fnn_floats(a)[i] == fnn_floats(b)[i]) i++;
  return i == n;
}

static enum fnn_status compare(struct fnn_tensor *a, struct fnn_tensor *b, int *same) {
  struct fnn_tensor *dense_a = NULL, *dense_b = NULL;
  *same = a->dtype == b->dtype && fnn_shape_equal(&a->shape, &b->shape);
  if (!*same) return FNN_OK;
  enum fnn_status status = fnn_tensor_dense(a, a->dtype, &dense_a);
  if (status == FNN_OK) status = fnn_tensor_dense(b, b->dtype, &dense_b);
  if (status == FNN_OK) *same = same_elements(dense_a, dense_b);
  fnn_tensor_release(dense_a);
  fnn_tensor_release(dense_b);
  return status;
}

static int equal(lua_State *L) {
  enum fnn_status status;
  int same, tried = 0;
  lua_settop(L, 2);
  fnn_relieve_memory(L);
  do {
    struct fnn_tensor *a = fnn_check_tensor(L, 1, "equal"), *b = fnn_check_tensor(L, 2, "equal");
    fnn_check_untraced(L, a, "equal"), fnn_check_untraced(L, b, "equal");
    status = compare(a, b, &same);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  lua_pushboolean(L, same);
  return 1;
}

/* role(t): what a tensor is to a module that has it: "parameter" or "buffer" where it is a leaf, nil where it was computed,
 * "closed". One quick call: a model is asked for its parameters at each step. */
static int role(lua_State *L) {
  struct fnn_box *box = fnn_test_box(L, 1);
  fnn_bind_of(L);
  if (!box) return fnn_error(L, "role: expected a tensor, got %s", fnn_describe(L, 1));
  if (!box->tensor)
    lua_pushliteral(L, "closed");
  else if (box->tensor->history)
    lua_pushnil(L);
  else
    lua_pushstring(L, box->tensor->requires_grad ? "parameter" : "buffer");
  return 1;
}

/* t:copy_(source): the elements of another tensor, converted and broadcast. */
static int copy_(lua_State *L) {
  lua_settop(L, 2);
  struct fnn_tensor *whole = NULL;
  struct fnn_tensor *t = fnn_check_elements(L, 1, "copy_"), *from = fnn_check_elements(L, 2, "copy_");
  struct fnn_context *context = fnn_tensor_context(t);
  struct fnn_shape shape;
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  fnn_raise(L, fnn_shape_broadcast(context, "copy_", &t->shape, &from->shape, &shape));
  if (!fnn_shape_equal(&shape, &t->shape))
    return fnn_error(L, "copy_: shape %s does not broadcast to %s", fnn_shape_text(&from->shape, a),
                     fnn_shape_text(&t->shape, b));
  fnn_check_write(L, t, "copy_");
  fnn_check_operand(L, t, from, "copy_", "other");
  if (from->storage == t->storage) { /* it may overlap */
    fnn_raise(L, fnn_tensor_new(context, from->dtype, &from->shape, &whole));
    fnn_tensor_copy(whole, from);
    from = whole;
  }
  fnn_tensor_copy(t, from);
  fnn_tensor_release(whole);
  t->storage->version++;
  lua_settop(L, 1);
  return 1;
}

/* t:fill_(number) */
static int fill_(lua_State *L) {
  lua_settop(L, 2);
  struct fnn_tensor *t = fnn_check_elements(L, 1, "fill_"), *value = NULL;
  fnn_check_write(L, t, "fill_");
  fnn_raise(L, fnn_tensor_new(fnn_tensor_context(t), t->dtype, &(struct fnn_shape){.rank = 0}, &value));
  int held = fnn_write_element(L, 2, value, 0);
  if (held) fnn_tensor_copy(t, value);
  fnn_tensor_release(value);
  if (!held) return fnn_refuse_element(L, 2, t, "fill_");
  t->storage->version++;
  lua_settop(L, 1);
  return 1;
}

void fnn_open_tensor(lua_State *L) {
  static const luaL_Reg methods[] = {{"numel", numel},
                                     {"dim", dim},
                                     {"is_contiguous", is_contiguous},
                                     {"item", item},
                                     {"totable", totable},
                                     {"tobytes", tobytes},
                                     {"shares_storage", shares_storage},
                                     {"equal", equal},
                                     {"copy_", copy_},
                                     {"fill_", fill_},
                                     {NULL, NULL}};
  static const luaL_Reg with_methods[] = {
      {"__index", index_tensor}, {"__newindex", set_tensor}, {"__tostring", to_string}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__len", length}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"role", role}, {NULL, NULL}};
  fnn_register(L, functions);
  lua_getfield(L, -1, "methods");
  fnn_register(L, methods);
  lua_getfield(L, -2, "close");
  lua_setfield(L, -2, "close");
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  fnn_register(L, metamethods);
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_BIND));
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  lua_pushvalue(L, -4); /* methods */
  luaL_setfuncs(L, with_methods, 3);
  lua_pop(L, 2);
}
