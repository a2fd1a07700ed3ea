/* New tensors: from tables and bytes, constant, random. The friendlier forms are in lua/fmnistnn/create.lua. */
#include <math.h>
#include <string.h>

#include "../tensor/random.h"
#include "bind.h"

/* Arguments shared by most: a list of sizes at `at`, and a type at `at + 1`. The last argument of what serves several Lua
 * functions is the name for errors of the one that calls. */
static struct fnn_shape shape_at(lua_State *L, int at, const char *who) {
  struct fnn_shape shape;
  fnn_check_sizes(L, at, who, "shape", &shape);
  return shape;
}

static enum fnn_dtype dtype_at(lua_State *L, int at, const char *who) {
  return lua_isnoneornil(L, at) ? FNN_FLOAT32
                                : (enum fnn_dtype)fnn_check_choice(L, at, who, "dtype", fnn_dtype_choices);
}

static struct fnn_tensor *push_new(lua_State *L, enum fnn_dtype dtype, const struct fnn_shape *shape) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_tensor *tensor = NULL;
  enum fnn_status status;
  int tried = 0;
  fnn_relieve_memory(L);
  struct fnn_box *box = fnn_push_box(L);
  do status = fnn_tensor_new(bind->context, dtype, shape, &tensor);
  while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  fnn_fill_box(bind, box, tensor);
  return tensor;
}

/* ---- from a nested table ---- */

/* The shape that the table at the top of the stack claims by its first elements. */
static void table_shape(lua_State *L, struct fnn_shape *shape) {
  int pushed = 0;
  shape->rank = 0;
  while (lua_type(L, -1) == LUA_TTABLE) {
    if (shape->rank == FNN_MAX_RANK) fnn_error(L, "tensor: expected tables nested at most %d deep", FNN_MAX_RANK);
    shape->size[shape->rank++] = (size_t)lua_rawlen(L, -1);
    if (lua_rawlen(L, -1) == 0) break;
    lua_rawgeti(L, -1, 1);
    pushed++;
  }
  lua_pop(L, pushed);
}

/* The value at the top of the stack is axis `axis` .. of the tensor, from place *to on. */
static void read_table(lua_State *L, struct fnn_tensor *t, int axis, size_t *to) {
  if (axis == t->shape.rank) {
    if (!fnn_write_element(L, -1, t, *to)) {
      lua_pushfstring(L, "tensor: element %I", (LUAI_UACINT)*to + 1);
      fnn_refuse_element(L, -2, t, lua_tostring(L, -1));
    }
    ++*to;
    return;
  }
  if (lua_type(L, -1) != LUA_TTABLE)
    fnn_error(L, "tensor: axis %d: expected a table of %I, got %s", axis + 1, (LUAI_UACINT)t->shape.size[axis],
              fnn_describe(L, -1));
  if (lua_rawlen(L, -1) != t->shape.size[axis])
    fnn_error(L, "tensor: axis %d: expected %I elements as in the first row, got %I", axis + 1,
              (LUAI_UACINT)t->shape.size[axis], (LUAI_UACINT)lua_rawlen(L, -1));
  for (size_t i = 0; i < t->shape.size[axis]; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    read_table(L, t, axis + 1, to);
    lua_pop(L, 1);
  }
}

/* from_table(value, dtype): a number or nested tables of numbers. */
static int from_table(lua_State *L) {
  struct fnn_shape shape;
  enum fnn_dtype dtype = dtype_at(L, 2, "tensor");
  size_t to = 0;
  luaL_checkstack(L, FNN_MAX_RANK + 8, "tensor");
  if (lua_type(L, 1) != LUA_TTABLE && lua_type(L, 1) != LUA_TNUMBER && !lua_isboolean(L, 1))
    return fnn_error(L, "tensor: expected a number or a table of numbers, got %s", fnn_describe(L, 1));
  if (lua_type(L, 1) == LUA_TTABLE) fnn_check_unnamed(L, 1, "tensor");
  lua_pushvalue(L, 1);
  table_shape(L, &shape);
  struct fnn_tensor *t = push_new(L, dtype, &shape);
  lua_pushvalue(L, 1);
  read_table(L, t, 0, &to);
  lua_pop(L, 1);
  return 1;
}

/* frombytes(string, shape, dtype): the elements as they lie in memory, little-endian on all machines we build for. */
static int frombytes(lua_State *L) {
  size_t length;
  if (lua_type(L, 1) != LUA_TSTRING)
    return fnn_error(L, "frombytes: expected a string of bytes, got %s", fnn_describe(L, 1));
  const char *bytes = lua_tolstring(L, 1, &length);
  struct fnn_shape shape = shape_at(L, 2, "frombytes");
  enum fnn_dtype dtype = dtype_at(L, 3, "frombytes");
  size_t expected = fnn_dtype_size(dtype);
  char text[FNN_SHAPE_TEXT];
  int is_known = 1;
  for (int i = 0; i < shape.rank && is_known; i++) is_known = fnn_multiply(expected, shape.size[i], &expected);
  if (!is_known || expected != length)
    return fnn_error(L, "frombytes: expected as many bytes as shape %s of %s has, got %I", fnn_shape_text(&shape, text),
                     fnn_dtype_name(dtype), (LUAI_UACINT)length);
  memcpy(fnn_tensor_data(push_new(L, dtype, &shape)), bytes, length);
  return 1;
}

/* ---- by a rule ---- */

static void fill_floats(struct fnn_tensor *t, double value) {
  for (size_t i = 0, n = fnn_tensor_numel(t); i < n; i++) fnn_floats(t)[i] = (float)value;
}

/* full(shape, value, dtype) */
static int full(lua_State *L) {
  const char *who = luaL_optstring(L, 4, "full");
  struct fnn_shape shape = shape_at(L, 1, who);
  enum fnn_dtype dtype = dtype_at(L, 3, who);
  if (lua_type(L, 2) != LUA_TNUMBER) return fnn_error(L, "full: value: expected a number, got %s", fnn_describe(L, 2));
  double value = lua_tonumber(L, 2);
  lua_Integer integer = dtype == FNN_FLOAT32 ? 0 : fnn_check_integer(L, 2, "full", "value");
  if (dtype == FNN_UINT8 && (integer < 0 || integer > 255))
    return fnn_error(L, "full: value: uint8: expected 0..255, got %I", (LUAI_UACINT)integer);
  struct fnn_tensor *t = push_new(L, dtype, &shape);
  if (dtype == FNN_FLOAT32)
    fill_floats(t, value);
  else if (dtype == FNN_UINT8)
    memset(fnn_bytes(t), (int)integer, fnn_tensor_numel(t));
  else
    for (size_t i = 0, n = fnn_tensor_numel(t); i < n; i++) fnn_ints(t)[i] = integer;
  return 1;
}

/* first, first + step ... : exact beyond 2^53 where both are integers (`whole`). */
struct sequence {
  int whole;
  double first, step;
  int64_t whole_first, whole_step;
};

__extension__ typedef __int128 wide;

/* Whether an integer type holds element number i. */
static int holds(enum fnn_dtype dtype, const struct sequence *s, size_t i) {
  wide whole = s->whole_first + (wide)s->whole_step * (wide)i;
  double value = s->first + s->step * (double)i;
  if (dtype == FNN_UINT8) return value >= 0.0 && value < 256.0;
  if (!s->whole) return value >= -0x1p63 && value < 0x1p63;
  return whole >= INT64_MIN && whole <= INT64_MAX;
}

static void fill_sequence(struct fnn_tensor *t, const struct sequence *s) {
  for (size_t i = 0, n = fnn_tensor_numel(t); i < n; i++) {
    double value = s->first + s->step * (double)i;
    if (t->dtype == FNN_FLOAT32)
      fnn_floats(t)[i] = (float)value;
    else if (t->dtype == FNN_INT64)
      fnn_ints(t)[i] = s->whole ? (int64_t)((uint64_t)s->whole_first + (uint64_t)s->whole_step * i) : (int64_t)value;
    else
      fnn_bytes(t)[i] = (uint8_t)value;
  }
}

/* sequence(first, step, count, dtype, who) */
static int sequence(lua_State *L) {
  const char *who = luaL_optstring(L, 5, "arange");
  if (lua_type(L, 1) != LUA_TNUMBER || lua_type(L, 2) != LUA_TNUMBER)
    return fnn_error(L, "%s: expected numbers, got %s and %s", who, fnn_describe(L, 1), fnn_describe(L, 2));
  struct fnn_shape shape = {1, {fnn_check_size(L, 3, who, "count")}};
  enum fnn_dtype dtype = dtype_at(L, 4, who);
  struct sequence s = {lua_isinteger(L, 1) && lua_isinteger(L, 2), lua_tonumber(L, 1), lua_tonumber(L, 2),
                       lua_tointeger(L, 1), lua_tointeger(L, 2)};
  size_t n = shape.size[0];
  if (dtype != FNN_FLOAT32 && n > 0 && !(holds(dtype, &s, 0) && holds(dtype, &s, n - 1)))
    return fnn_error(L, "%s: %s does not hold all numbers from %f to %f", who, fnn_dtype_name(dtype),
                     (LUAI_UACNUMBER)s.first, (LUAI_UACNUMBER)(s.first + s.step * (double)(n - 1)));
  fill_sequence(push_new(L, dtype, &shape), &s);
  return 1;
}

/* eye(rows, columns, dtype) */
static int eye(lua_State *L) {
  struct fnn_shape shape = {2, {fnn_check_size(L, 1, "eye", "rows"), fnn_check_size(L, 2, "eye", "columns")}};
  enum fnn_dtype dtype = dtype_at(L, 3, "eye");
  struct fnn_tensor *t = push_new(L, dtype, &shape);
  memset(fnn_tensor_data(t), 0, fnn_tensor_numel(t) * fnn_dtype_size(dtype));
  for (size_t i = 0; i < shape.size[0] && i < shape.size[1]; i++) {
    size_t at = i * shape.size[1] + i;
    if (dtype == FNN_FLOAT32)
      fnn_floats(t)[at] = 1.0f;
    else if (dtype == FNN_INT64)
      fnn_ints(t)[at] = 1;
    else
      fnn_bytes(t)[at] = 1;
  }
  return 1;
}

/* ---- random ---- */

static int random_floats(lua_State *L, const char *name, void (*fill)(struct fnn_tensor *, float, float)) {
  const char *who = luaL_optstring(L, 4, name);
  struct fnn_shape shape = shape_at(L, 1, who);
  if (lua_type(L, 2) != LUA_TNUMBER || lua_type(L, 3) != LUA_TNUMBER)
    return fnn_error(L, "%s: expected two numbers, got %s and %s", who, fnn_describe(L, 2), fnn_describe(L, 3));
  fnn_check_no_trace(L, who,
                     "its random numbers would be the same at each run (layers are made by a model's first call)");
  float a = (float)lua_tonumber(L, 2), b = (float)lua_tonumber(L, 3);
  fill(push_new(L, FNN_FLOAT32, &shape), a, b);
  return 1;
}

/* uniform(shape, low, high, who): in [low, high) */
static int uniform(lua_State *L) { return random_floats(L, "uniform", fnn_tensor_uniform); }

/* normal(shape, mean, deviation, who) */
static int normal(lua_State *L) { return random_floats(L, "normal", fnn_tensor_normal); }

void fnn_open_create(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"from_table", from_table}, {"frombytes", frombytes}, {"full", full}, {"sequence", sequence}, {"eye", eye},
      {"uniform", uniform},       {"normal", normal},       {NULL, NULL}};
  fnn_register(L, functions);
}
