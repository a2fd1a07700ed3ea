/* From Lua values to the arguments of an op, by its descriptor.
 *
 * Arguments come by position, in the descriptor's order; the last may be a table of options that gives the rest by
 * name: F.conv2d(x, w, {stride = 2}). */
#include <string.h>

#include "bind.h"

const char *fnn_describe(lua_State *L, int at) {
  const struct fnn_box *box = fnn_test_box(L, at);
  if (box) return lua_pushstring(L, box->tensor ? "a tensor" : "a closed tensor");
  switch (lua_type(L, at)) {
    case LUA_TNONE: return lua_pushliteral(L, "no value");
    case LUA_TNUMBER: return lua_pushfstring(L, "number %s", luaL_tolstring(L, at, NULL));
    case LUA_TSTRING: {
      size_t length;
      const char *text = lua_tolstring(L, at, &length);
      return length <= 40 ? lua_pushfstring(L, "string '%s'", text) : lua_pushliteral(L, "a long string");
    }
    case LUA_TBOOLEAN: return lua_toboolean(L, at) ? lua_pushliteral(L, "true") : lua_pushliteral(L, "false");
    default: return luaL_typename(L, at);
  }
}

/* Strings are not numbers here, though Lua would convert them. */
static int to_integer(lua_State *L, int at, lua_Integer *value) {
  int exact = 0;
  *value = 0;
  if (lua_type(L, at) == LUA_TNUMBER) *value = lua_tointegerx(L, at, &exact);
  return exact;
}

lua_Integer fnn_check_integer(lua_State *L, int at, const char *who, const char *name) {
  lua_Integer value;
  if (!to_integer(L, at, &value)) fnn_error(L, "%s: %s: expected an integer, got %s", who, name, fnn_describe(L, at));
  return value;
}

static size_t check_least(lua_State *L, int at, const char *who, const char *name, size_t least) {
  lua_Integer value = fnn_check_integer(L, at, who, name);
  if (value < (lua_Integer)least)
    fnn_error(L, "%s: %s: expected at least %I, got %I", who, name, (LUAI_UACINT)least, (LUAI_UACINT)value);
  return (size_t)value;
}

size_t fnn_check_size(lua_State *L, int at, const char *who, const char *name) {
  return check_least(L, at, who, name, 0);
}

int fnn_check_choice(lua_State *L, int at, const char *who, const char *name, const char *const *choices) {
  luaL_Buffer list;
  if (lua_type(L, at) == LUA_TSTRING)
    for (int i = 0; choices[i]; i++)
      if (strcmp(lua_tostring(L, at), choices[i]) == 0) return i;
  const char *got = fnn_describe(L, at);
  luaL_buffinit(L, &list);
  for (int i = 0; choices[i]; i++) {
    if (i) luaL_addstring(&list, ", ");
    luaL_addstring(&list, choices[i]);
  }
  luaL_pushresult(&list);
  return fnn_error(L, "%s: %s: expected one of %s, got %s", who, name, lua_tostring(L, -1), got);
}

/* ---- elements ---- */

int fnn_is_element(lua_State *L, int at) { return lua_type(L, at) == LUA_TNUMBER || lua_isboolean(L, at); }

int fnn_write_element(lua_State *L, int at, struct fnn_tensor *tensor, size_t position) {
  int is_boolean = lua_isboolean(L, at);
  lua_Integer integer = lua_toboolean(L, at);
  if (!fnn_is_element(L, at)) return 0;
  if (tensor->dtype == FNN_FLOAT32) {
    fnn_floats(tensor)[position] = is_boolean ? (float)integer : (float)lua_tonumber(L, at);
    return 1;
  }
  if (!is_boolean && !to_integer(L, at, &integer)) return 0;
  if (tensor->dtype == FNN_INT64)
    fnn_ints(tensor)[position] = integer;
  else if (integer >= 0 && integer <= 255)
    fnn_bytes(tensor)[position] = (uint8_t)integer;
  else
    return 0;
  return 1;
}

int fnn_refuse_element(lua_State *L, int at, const struct fnn_tensor *tensor, const char *who) {
  const char *type = fnn_dtype_name(tensor->dtype);
  if (!fnn_is_element(L, at)) return fnn_error(L, "%s: expected a number, got %s", who, fnn_describe(L, at));
  return fnn_error(L, "%s: %s: expected 0..255, got %I", who, type, (LUAI_UACINT)fnn_check_integer(L, at, who, type));
}

/* ---- lists ---- */

void fnn_check_unnamed(lua_State *L, int at, const char *who) {
  lua_Unsigned length = lua_rawlen(L, at);
  at = lua_absindex(L, at);
  if (length > 0) /* what is no element of a list follows the last one, but for lists that were not made in order */
    lua_pushinteger(L, (lua_Integer)length);
  else
    lua_pushnil(L);
  while (lua_next(L, at)) {
    if (lua_type(L, -2) == LUA_TSTRING)
      fnn_error(L, "%s: %s: given within a list; options are a table of their own", who, lua_tostring(L, -2));
    lua_pop(L, 1);
  }
}

/* The length of the list at a stack place; raises when it is no list or too long. */
static int check_list(lua_State *L, int at, const char *who, const char *name, int most) {
  if (lua_type(L, at) != LUA_TTABLE)
    fnn_error(L, "%s: %s: expected a list of integers, got %s", who, name, fnn_describe(L, at));
  fnn_check_unnamed(L, at, who);
  lua_Unsigned length = lua_rawlen(L, at);
  if (length > (lua_Unsigned)most)
    fnn_error(L, "%s: %s: expected at most %d numbers, got %I", who, name, most, (LUAI_UACINT)length);
  return (int)length;
}

static lua_Integer list_integer(lua_State *L, int at, int i, const char *who, const char *name) {
  lua_rawgeti(L, at, i);
  lua_Integer value = fnn_check_integer(L, -1, who, name);
  lua_pop(L, 1);
  return value;
}

static size_t to_size(lua_State *L, lua_Integer value, const char *who, const char *name, int open) {
  if (open && value == -1) return FNN_INFERRED;
  if (value < 0) fnn_error(L, "%s: %s: expected sizes of 0 or more, got %I", who, name, (LUAI_UACINT)value);
  return (size_t)value;
}

static void check_size_list(lua_State *L, int at, const char *who, const char *name, struct fnn_shape *shape,
                            int open) {
  shape->rank = check_list(L, at, who, name, FNN_MAX_RANK);
  for (int i = 0; i < shape->rank; i++)
    shape->size[i] = to_size(L, list_integer(L, at, i + 1, who, name), who, name, open);
}

void fnn_check_sizes(lua_State *L, int at, const char *who, const char *name, struct fnn_shape *shape) {
  check_size_list(L, at, who, name, shape, 0);
}

/* ---- one parameter ---- */

static int to_axis(lua_State *L, lua_Integer value, int places, const char *who, const char *name) {
  if (value == 0 || value > places || value < -places)
    fnn_error(L, "%s: %s: expected 1..%d or -%d..-1, got %I", who, name, places, places, (LUAI_UACINT)value);
  return (int)(value > 0 ? value - 1 : value + places);
}

static int rank_of(const struct fnn_parsed *parsed) {
  return parsed->inputs > 0 && parsed->input[0].tensor ? parsed->input[0].tensor->shape.rank : 0;
}

/* Number i of a list of axes. */
static void add_axis(lua_State *L, lua_Integer value, const struct fnn_parsed *parsed, const struct fnn_arg *arg,
                     struct fnn_axes *axes, int i) {
  int axis = to_axis(L, value, rank_of(parsed), parsed->op->name, arg->name);
  for (int k = 0; arg->kind == FNN_AXES && k < i; k++)
    if (axes->axis[k] == axis)
      fnn_error(L, "%s: %s: axis %d stands there twice", parsed->op->name, arg->name, axis + 1);
  axes->axis[i] = axis;
  axes->count = i + 1;
}

static void check_axes(lua_State *L, int at, const struct fnn_parsed *parsed, const struct fnn_arg *arg,
                       struct fnn_axes *axes) {
  const char *who = parsed->op->name;
  lua_Integer single;
  if (to_integer(L, at, &single)) {
    add_axis(L, single, parsed, arg, axes, 0);
    return;
  }
  int count = check_list(L, at, who, arg->name, FNN_MAX_RANK);
  if (count == 0) fnn_error(L, "%s: %s: expected at least one axis, got an empty table", who, arg->name);
  for (int i = 0; i < count; i++) add_axis(L, list_integer(L, at, i + 1, who, arg->name), parsed, arg, axes, i);
}

static void check_pair(lua_State *L, int at, const char *who, const char *name, size_t least, size_t pair[2]) {
  lua_Integer single;
  if (to_integer(L, at, &single)) {
    pair[0] = pair[1] = check_least(L, at, who, name, least);
    return;
  }
  if (lua_type(L, at) != LUA_TTABLE || lua_rawlen(L, at) != 2)
    fnn_error(L, "%s: %s: expected an integer or {rows, columns}, got %s", who, name, fnn_describe(L, at));
  for (int i = 0; i < 2; i++) {
    lua_rawgeti(L, at, i + 1);
    pair[i] = check_least(L, -1, who, name, least);
    lua_pop(L, 1);
  }
}

static void check_padding(lua_State *L, int at, const char *who, const char *name, struct fnn_padding *padding) {
  static const char *const words[] = {"valid", "same", NULL};
  memset(padding, 0, sizeof *padding);
  if (lua_type(L, at) == LUA_TSTRING) {
    padding->mode = fnn_check_choice(L, at, who, name, words) == 1 ? FNN_PAD_SAME : FNN_PAD_EXPLICIT;
    return;
  }
  if (lua_type(L, at) == LUA_TTABLE && lua_rawlen(L, at) == 4) {
    size_t *sides[] = {&padding->top, &padding->bottom, &padding->left, &padding->right};
    for (int i = 0; i < 4; i++) {
      lua_rawgeti(L, at, i + 1);
      *sides[i] = fnn_check_size(L, -1, who, name);
      lua_pop(L, 1);
    }
    return;
  }
  lua_Integer single;
  if (!to_integer(L, at, &single) && (lua_type(L, at) != LUA_TTABLE || lua_rawlen(L, at) != 2))
    fnn_error(L,
              "%s: %s: expected \"valid\", \"same\", an integer, {rows, columns} or {top, bottom, left, right}, got %s",
              who, name, fnn_describe(L, at));
  size_t pair[2];
  check_pair(L, at, who, name, 0, pair);
  padding->top = padding->bottom = pair[0];
  padding->left = padding->right = pair[1];
}

static void check_margins(lua_State *L, int at, const char *who, const char *name, struct fnn_margins *margins) {
  if (lua_type(L, at) != LUA_TTABLE || lua_rawlen(L, at) > FNN_MAX_RANK)
    fnn_error(L, "%s: %s: expected {{before, after}, ...}, got %s", who, name, fnn_describe(L, at));
  margins->count = (int)lua_rawlen(L, at);
  for (int i = 0; i < margins->count; i++) {
    size_t pair[2];
    lua_rawgeti(L, at, i + 1);
    check_pair(L, lua_gettop(L), who, name, 0, pair);
    lua_pop(L, 1);
    margins->before[i] = pair[0];
    margins->after[i] = pair[1];
  }
}

static double check_number(lua_State *L, int at, const char *who, const char *name) {
  if (lua_type(L, at) != LUA_TNUMBER) fnn_error(L, "%s: %s: expected a number, got %s", who, name, fnn_describe(L, at));
  return lua_tonumber(L, at);
}

static struct fnn_number check_any_number(lua_State *L, int at, const char *who, const char *name) {
  struct fnn_number value = {.number = check_number(L, at, who, name)};
  lua_Integer integer = 0;
  value.whole = to_integer(L, at, &integer);
  value.integer = integer;
  return value;
}

static void parse_param(lua_State *L, const struct fnn_arg *arg, int at, struct fnn_parsed *parsed) {
  const char *who = parsed->op->name;
  void *to = parsed->params.bytes + arg->offset;
  lua_Integer value;
  switch (arg->kind) {
    case FNN_SIZE: *(size_t *)to = check_least(L, at, who, arg->name, arg->least); break;
    case FNN_FLOAT: *(double *)to = check_number(L, at, who, arg->name); break;
    case FNN_NUMBER: *(struct fnn_number *)to = check_any_number(L, at, who, arg->name); break;
    case FNN_BOOL:
      if (!lua_isboolean(L, at))
        fnn_error(L, "%s: %s: expected true or false, got %s", who, arg->name, fnn_describe(L, at));
      *(int *)to = lua_toboolean(L, at);
      break;
    case FNN_CHOICE: *(int *)to = fnn_check_choice(L, at, who, arg->name, arg->choices); break;
    case FNN_AXIS:
      value = fnn_check_integer(L, at, who, arg->name);
      *(int *)to = to_axis(L, value, rank_of(parsed) + ((arg->flags & FNN_NEW_AXIS) ? 1 : 0), who, arg->name);
      break;
    case FNN_AXES:
    case FNN_AXIS_LIST: check_axes(L, at, parsed, arg, to); break;
    case FNN_POSITION:
      value = fnn_check_integer(L, at, who, arg->name);
      if (value == 0)
        fnn_error(L, "%s: %s: expected a position from 1 on, or a negative one from the end, got 0", who, arg->name);
      *(int64_t *)to = value > 0 ? value - 1 : value;
      break;
    case FNN_SIZES: check_size_list(L, at, who, arg->name, to, 1); break;
    case FNN_PAIR: check_pair(L, at, who, arg->name, arg->least, to); break;
    case FNN_PADDING: check_padding(L, at, who, arg->name, to); break;
    case FNN_MARGINS: check_margins(L, at, who, arg->name, to); break;
    default: break;
  }
}

/* ---- tensors ---- */

static void parse_tensor(lua_State *L, const struct fnn_arg *arg, int at, struct fnn_parsed *parsed) {
  struct fnn_input *input = &parsed->input[parsed->inputs++];
  const char *who = parsed->op->name;
  lua_Integer integer;
  *input = (struct fnn_input){.kind = FNN_GIVEN};
  if ((arg->flags & FNN_OR_NUMBER) && lua_type(L, at) == LUA_TNUMBER) {
    input->kind = lua_isinteger(L, at) ? FNN_IS_INTEGER : FNN_IS_FLOAT;
    input->number = lua_tonumber(L, at);
    input->integer = to_integer(L, at, &integer) ? integer : 0;
    return;
  }
  struct fnn_box *box = fnn_test_box(L, at);
  if (!box)
    fnn_error(L, "%s: %s: expected a tensor%s, got %s", who, arg->name,
              arg->flags & FNN_OR_NUMBER ? " or a number" : "", fnn_describe(L, at));
  if (!box->tensor) fnn_error(L, "%s: %s: tensor is closed", who, arg->name);
  input->tensor = box->tensor;
  if (arg->kind != FNN_INDICES) return;
  if (box->tensor->dtype == FNN_FLOAT32)
    fnn_error(L, "%s: %s: expected a tensor of integers, got float32", who, arg->name);
  input->kind = FNN_IS_INDICES;
}

static void parse_tensors(lua_State *L, const struct fnn_arg *arg, int at, struct fnn_parsed *parsed) {
  const char *who = parsed->op->name;
  size_t count = lua_type(L, at) == LUA_TTABLE ? (size_t)lua_rawlen(L, at) : 0;
  if (count == 0) fnn_error(L, "%s: %s: expected a list of tensors, got %s", who, arg->name, fnn_describe(L, at));
  if (count > FNN_INLINE_INPUTS) parsed->input = lua_newuserdatauv(L, count * sizeof *parsed->input, 0);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, at, (lua_Integer)i);
    parse_tensor(L, arg, lua_gettop(L), parsed);
    lua_pop(L, 1); /* the list keeps it alive */
  }
}

/* ---- all arguments ---- */

/* An empty table is the value of an argument that is a list, and no options for any other. */
static int takes_list(enum fnn_arg_kind kind) {
  return kind == FNN_SIZES || kind == FNN_AXES || kind == FNN_AXIS_LIST || kind == FNN_TENSORS || kind == FNN_MARGINS;
}

static int is_options(lua_State *L, int at, const struct fnn_arg *arg) {
  if (lua_type(L, at) != LUA_TTABLE || lua_rawlen(L, at) > 0) return 0;
  lua_pushnil(L);
  if (!lua_next(L, at)) return !takes_list(arg->kind);
  do {
    int named = lua_type(L, -2) == LUA_TSTRING;
    lua_pop(L, named ? 2 : 1);
    if (named) return 1;
  } while (lua_next(L, at));
  return 0;
}

/* The place among an op's arguments of the one with this name, or -1. */
static int place_of(const struct fnn_op *op, const char *name) {
  for (int i = 0; op->args[i].name; i++)
    if (*op->args[i].name == *name && strcmp(op->args[i].name, name) == 0) return i;
  return -1;
}

/* Every key of the options must name an argument that was not given by position: number `given` on. A
 * metatable could run code while tensors are noted, which might close them. */
static void check_names(lua_State *L, const struct fnn_op *op, int options, int given) {
  if (lua_getmetatable(L, options)) fnn_error(L, "%s: options: expected a table without a metatable", op->name);
  lua_pushnil(L);
  while (lua_next(L, options)) {
    int found = lua_type(L, -2) == LUA_TSTRING ? place_of(op, lua_tostring(L, -2)) : -1;
    if (found < 0) fnn_error(L, "%s: unknown option: %s", op->name, fnn_describe(L, -2));
    if (found < given) fnn_error(L, "%s: %s: given twice, by position and by name", op->name, op->args[found].name);
    lua_pop(L, 1);
  }
}

static void parse_one(lua_State *L, const struct fnn_arg *arg, int at, struct fnn_parsed *parsed) {
  int is_tensor = arg->kind == FNN_TENSOR || arg->kind == FNN_INDICES;
  if (lua_isnoneornil(L, at) && (arg->flags & FNN_OPTIONAL)) {
    if (is_tensor) parsed->input[parsed->inputs++] = (struct fnn_input){.kind = FNN_ABSENT};
  } else if (is_tensor) {
    parse_tensor(L, arg, at, parsed);
  } else if (arg->kind == FNN_TENSORS) {
    parse_tensors(L, arg, at, parsed);
  } else {
    parse_param(L, arg, at, parsed);
  }
}

/* Sizes or axes as the last arguments: t:reshape(2, 3) for t:reshape{2, 3}. */
static int parse_spread(lua_State *L, const struct fnn_arg *arg, int at, int last, struct fnn_parsed *parsed) {
  const char *who = parsed->op->name;
  void *to = parsed->params.bytes + arg->offset;
  int sizes = arg->kind == FNN_SIZES, axes = arg->kind == FNN_AXIS_LIST || arg->kind == FNN_AXES;
  if ((!sizes && !axes) || arg[1].name || lua_type(L, at) != LUA_TNUMBER) return 0;
  int count = last - at + 1;
  if (count > FNN_MAX_RANK)
    fnn_error(L, "%s: %s: expected at most %d numbers, got %d", who, arg->name, FNN_MAX_RANK, count);
  for (int i = 0; i < count; i++) {
    lua_Integer value = fnn_check_integer(L, at + i, who, arg->name);
    if (sizes) {
      ((struct fnn_shape *)to)->rank = count;
      ((struct fnn_shape *)to)->size[i] = to_size(L, value, who, arg->name, 1);
    } else {
      add_axis(L, value, parsed, arg, to, i);
    }
  }
  return 1;
}

void fnn_parse(lua_State *L, const struct fnn_op *op, int last, struct fnn_parsed *parsed) {
  int options = 0, at = 1;
  while (last > 0 && lua_isnil(L, last)) last--;
  parsed->op = op;
  parsed->inputs = 0;
  parsed->input = parsed->small;
  if (op->params_bytes) memcpy(parsed->params.bytes, op->defaults, op->params_bytes);
  luaL_checkstack(L, 24, op->name);
  for (int i = 0; op->args[i].name; i++) {
    const struct fnn_arg *arg = &op->args[i];
    if (!options && at == last && at > 1 && is_options(L, at, arg)) {
      options = at;
      last--;
      check_names(L, op, options, i);
    }
    if (options) {
      lua_getfield(L, options, arg->name); /* stays on the stack */
      parse_one(L, arg, lua_gettop(L), parsed);
    } else if (at > last) {
      lua_pushnil(L);
      parse_one(L, arg, lua_gettop(L), parsed);
    } else if (parse_spread(L, arg, at, last, parsed)) {
      at = last + 1;
    } else {
      parse_one(L, arg, at++, parsed);
    }
  }
  if (!options && at <= last) fnn_error(L, "%s: expected at most %d arguments, got %d", op->name, at - 1, last);
}
