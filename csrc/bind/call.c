/* Ops as Lua functions: one C function serves them all. */
#include <string.h>

#include "../tensor/indices.h"
#include "bind.h"

/* ---- the core's half ---- */

static enum fnn_status take_input(struct fnn_context *context, const struct fnn_input *input, struct fnn_tensor **out) {
  switch (input->kind) {
    case FNN_GIVEN: *out = fnn_tensor_retain(input->tensor); return FNN_OK;
    case FNN_IS_FLOAT: return fnn_tensor_number(context, input->number, out);
    case FNN_IS_INTEGER: return fnn_tensor_integer(context, input->integer, out);
    case FNN_IS_INDICES: return fnn_indices_shifted(input->tensor, -1, out);
    default: *out = NULL; return FNN_OK;
  }
}

/* Positions first count from 1, which may fail; then all results change hands. */
static enum fnn_status give_outputs(struct fnn_call *call, struct fnn_tensor **results) {
  int visible = call->op->outputs - call->op->hidden;
  for (int i = 0; i < visible; i++) {
    struct fnn_tensor *counted;
    if (!(call->op->indices & 1u << i)) continue;
    FNN_TRY(fnn_indices_shifted(call->out[i], 1, &counted));
    fnn_tensor_release(call->out[i]);
    call->out[i] = counted;
  }
  for (int i = 0; i < visible; i++) {
    results[i] = call->out[i];
    call->out[i] = NULL;
  }
  return FNN_OK;
}

enum fnn_status fnn_run_op(struct fnn_bind *bind, const struct fnn_parsed *parsed, int record, struct fnn_tensor *over,
                           struct fnn_tensor **results) {
  struct fnn_tensor *small[FNN_INLINE_INPUTS];
  struct fnn_call call = {.context = bind->context,
                          .op = parsed->op,
                          .params = parsed->params.bytes,
                          .inputs = parsed->inputs,
                          .in = small};
  if (parsed->inputs > FNN_INLINE_INPUTS) {
    call.in = fnn_alloc(bind->context, parsed->inputs * sizeof(struct fnn_tensor *));
    if (!call.in) return FNN_NO_MEMORY;
  }
  memset(call.in, 0, parsed->inputs * sizeof(struct fnn_tensor *));
  enum fnn_status status = FNN_OK;
  for (size_t i = 0; i < parsed->inputs && status == FNN_OK; i++)
    status = take_input(bind->context, &parsed->input[i], &call.in[i]);
  if (status == FNN_OK) status = fnn_apply(&call, over, record);
  if (status == FNN_OK && !over) status = give_outputs(&call, results);
  if (status == FNN_OK && bind->trace) {
    status = fnn_trace_call(bind->trace, parsed, results);
    if (status != FNN_OK) fnn_tensors_release(results, (size_t)(parsed->op->outputs - parsed->op->hidden));
  }
  fnn_call_release(&call);
  if (call.in != small) fnn_free(bind->context, call.in);
  return status;
}

/* ---- Lua's half ---- */

/* The coroutines that are inside no_grad are the keys of a weak table; it is asked only when there are any. */
int fnn_recording(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  if (bind->no_grad_threads == 0) return 1;
  lua_rawgetp(L, LUA_REGISTRYINDEX, bind);
  lua_pushthread(L);
  int off = lua_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return !off;
}

void fnn_check_write(lua_State *L, struct fnn_tensor *tensor, const char *who) {
  fnn_check_no_trace(L, who, "it changes a tensor in place (as batch normalization does in training)");
  if (fnn_is_recorded(tensor) && fnn_recording(L))
    fnn_error(L,
              "%s: a tensor that requires a gradient cannot be changed in place; use the form that returns a new one, "
              "or fnn.no_grad",
              who);
  if (fnn_tensor_overlaps(tensor))
    fnn_error(L, "%s: several elements of an expanded tensor share one place in memory", who);
}

void fnn_check_operand(lua_State *L, const struct fnn_tensor *tensor, const struct fnn_tensor *operand, const char *who,
                       const char *name) {
  if (operand && tensor->dtype == FNN_FLOAT32 && fnn_is_recorded(operand) && fnn_recording(L))
    fnn_error(
        L,
        "%s: %s: a write in place would lose the gradient that this tensor requires; use an op that returns a new "
        "one (x = x + w), or w:detach(), or fnn.no_grad",
        who, name);
}

static const struct fnn_op *op_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(FNN_UP_THIRD)); }

static int run(lua_State *L, int last, int in_place) {
  struct fnn_bind *bind = fnn_bind_of(L);
  const struct fnn_op *op = op_of(L);
  struct fnn_box *boxes[FNN_MAX_OUTPUTS] = {0};
  struct fnn_tensor *tensors[FNN_MAX_OUTPUTS] = {0};
  struct fnn_parsed parsed;
  int results = op->outputs - op->hidden, top, record = fnn_recording(L), tried = 0;
  enum fnn_status status = FNN_OK;
  fnn_relieve_memory(L);
  if (!in_place)
    for (int i = 0; i < results; i++) boxes[i] = fnn_push_box(L);
  top = lua_gettop(L);
  do {
    lua_settop(L, top);
    fnn_parse(L, op, last, &parsed);
    if (in_place) {
      if (!parsed.input[0].tensor) return fnn_error(L, "%s_: expected a tensor to write to", op->name);
      fnn_check_write(L, parsed.input[0].tensor, op->name);
      for (size_t i = 1; i < parsed.inputs; i++)
        fnn_check_operand(L, parsed.input[0].tensor, parsed.input[i].tensor, op->name, fnn_op_arg(op, i)->name);
      record = 0;
    }
    status = fnn_run_op(bind, &parsed, record, in_place ? parsed.input[0].tensor : NULL, tensors);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  if (!in_place)
    for (int i = 0; i < results; i++) fnn_fill_box(bind, boxes[i], tensors[i]);
  lua_settop(L, in_place ? 1 : top);
  return in_place ? 1 : results;
}

static int call_op(lua_State *L) { return run(L, lua_gettop(L), 0); }
static int call_in_place(lua_State *L) { return run(L, lua_gettop(L), 1); }

/* Lua gives the operand of a unary operator twice. */
static int call_unary(lua_State *L) { return run(L, 1, 0); }

static void push_op(lua_State *L, lua_CFunction function, const struct fnn_op *op) {
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_BIND));
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  lua_pushlightuserdata(L, (void *)op);
  lua_pushcclosure(L, function, 3);
}

static void set_operators(lua_State *L) {
  static const struct {
    const char *event, *op;
  } operators[] = {{"__add", "add"},           {"__sub", "sub"},          {"__mul", "mul"},
                   {"__div", "div"},           {"__pow", "pow"},          {"__mod", "remainder"},
                   {"__idiv", "floor_divide"}, {"__band", "logical_and"}, {"__bor", "logical_or"},
                   {"__bxor", "logical_xor"}};
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    push_op(L, call_op, fnn_op_find(operators[i].op));
    lua_setfield(L, -2, operators[i].event);
  }
  push_op(L, call_unary, fnn_op_find("neg"));
  lua_setfield(L, -2, "__unm");
  push_op(L, call_unary, fnn_op_find("logical_not"));
  lua_setfield(L, -2, "__bnot");
  lua_pop(L, 1);
}

/* core.arguments[name]: the names of an op's arguments in order, for the spec of the reference. */
static void set_arguments(lua_State *L) {
  lua_newtable(L);
  for (const struct fnn_op *const *op = fnn_ops; *op; op++) {
    lua_newtable(L);
    for (int i = 0; (*op)->args[i].name; i++) {
      lua_pushstring(L, (*op)->args[i].name);
      lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, (*op)->name);
  }
  lua_setfield(L, -2, "arguments");
}

/* core.ops[name] is every op; core.methods those that are methods of tensors, with the in-place forms "name_";
 * core.functional those that belong to nn.functional. */
void fnn_open_ops(lua_State *L) {
  lua_newtable(L); /* ops */
  lua_newtable(L); /* methods */
  lua_newtable(L); /* functional */
  for (const struct fnn_op *const *op = fnn_ops; *op; op++) {
    push_op(L, call_op, *op);
    if ((*op)->flags & FNN_METHOD) {
      lua_pushvalue(L, -1);
      lua_setfield(L, -4, (*op)->name);
    }
    if ((*op)->flags & FNN_FUNCTIONAL) {
      lua_pushvalue(L, -1);
      lua_setfield(L, -3, (*op)->name);
    }
    lua_setfield(L, -4, (*op)->name);
    if ((*op)->flags & FNN_IN_PLACE) {
      lua_pushfstring(L, "%s_", (*op)->name);
      push_op(L, call_in_place, *op);
      lua_rawset(L, -4);
    }
  }
  lua_setfield(L, -4, "functional");
  lua_setfield(L, -3, "methods");
  lua_setfield(L, -2, "ops");
  set_arguments(L);
  set_operators(L);
}
