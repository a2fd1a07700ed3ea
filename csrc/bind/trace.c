/* Traces: the calls of ops that a Lua function makes, kept so that they can be made again without Lua.
 *
 * While a trace is made, its values, the arguments and what ops give, are known by their pointers, so it keeps them alive until
 * it is done. All other tensors are used as they are at each run, and are kept as long as the trace: weights. */
#include <stdio.h>
#include <string.h>

#include "bind.h"

/* What a step or an argument gives. */
struct value {
  struct fnn_tensor *tensor; /* while the trace is made, and while it runs; else NULL */
  const struct step *last;   /* the step that uses it last: it is let go then */
};

/* One call. One block of memory: the step, then where its inputs come from, then these. */
struct step {
  struct step *next;
  struct fnn_parsed call; /* no op: a handle of its own on the input's elements, as detach gives */
  struct value **from;    /* of each input; NULL for what is no value of the trace, kept in the input */
  struct value result[FNN_MAX_OUTPUTS];
};

struct fnn_trace {
  struct fnn_bind *bind;
  struct fnn_trace *next, **listed_from; /* in bind->traces */
  struct step *first, **end;
  size_t arguments, results;
  struct value **result;
  struct argument {
    struct value value;
    struct fnn_spec spec;
  } argument[];
};

static const struct step the_end; /* uses what the trace gives */

static int visible(const struct step *step) {
  return step->call.op ? step->call.op->outputs - step->call.op->hidden : 1;
}

/* ---- life ---- */

static void let_go(struct value *value) {
  fnn_tensor_release(value->tensor);
  value->tensor = NULL;
}

static void let_all_go(struct fnn_trace *trace) {
  for (size_t i = 0; i < trace->arguments; i++) let_go(&trace->argument[i].value);
  for (struct step *step = trace->first; step; step = step->next)
    for (int i = 0; i < FNN_MAX_OUTPUTS; i++) let_go(&step->result[i]);
}

static void free_step(struct fnn_context *context, struct step *step) {
  for (size_t i = 0; i < step->call.inputs; i++)
    if (!step->from[i]) fnn_tensor_release(step->call.input[i].tensor);
  fnn_free(context, step);
}

static void free_trace(struct fnn_trace *trace) {
  struct fnn_context *context = trace->bind->context;
  let_all_go(trace);
  for (struct step *step = trace->first, *next; step; step = next) {
    next = step->next;
    free_step(context, step);
  }
  *trace->listed_from = trace->next;
  if (trace->next) trace->next->listed_from = trace->listed_from;
  if (trace->bind->trace == trace) trace->bind->trace = NULL;
  fnn_free(context, trace->result);
  fnn_free(context, trace);
}

void fnn_free_traces(struct fnn_bind *bind) {
  while (bind->traces) free_trace(bind->traces);
}

static enum fnn_status trace_new(struct fnn_bind *bind, size_t arguments, struct fnn_trace **out) {
  size_t bytes = sizeof **out + arguments * sizeof(struct argument);
  struct fnn_trace *trace = fnn_alloc(bind->context, bytes);
  if (!trace) return FNN_NO_MEMORY;
  memset(trace, 0, bytes);
  trace->bind = bind;
  trace->end = &trace->first;
  trace->arguments = arguments;
  trace->next = bind->traces, trace->listed_from = &bind->traces;
  if (trace->next) trace->next->listed_from = &trace->next;
  bind->traces = *out = trace;
  return FNN_OK;
}

/* ---- making one ---- */

/* The value that a tensor is, or NULL. */
static struct value *value_of(struct fnn_trace *trace, const struct fnn_tensor *tensor) {
  for (size_t i = 0; i < trace->arguments; i++)
    if (trace->argument[i].value.tensor == tensor) return &trace->argument[i].value;
  for (struct step *step = trace->first; step; step = step->next)
    for (int i = 0; i < visible(step); i++)
      if (step->result[i].tensor == tensor) return &step->result[i];
  return NULL;
}

/* A copy of a call, with room for where its inputs come from. */
static enum fnn_status step_new(struct fnn_context *context, const struct fnn_parsed *call, struct step **out) {
  size_t froms = call->inputs * sizeof(struct value *), inputs = call->inputs * sizeof(struct fnn_input);
  struct step *step = fnn_alloc(context, sizeof *step + froms + inputs);
  if (!step) return FNN_NO_MEMORY;
  *step = (struct step){.call = *call};
  step->from = (struct value **)(step + 1);
  step->call.input = (struct fnn_input *)((char *)(step + 1) + froms);
  memcpy(step->call.input, call->input, inputs);
  *out = step;
  return FNN_OK;
}

enum fnn_status fnn_trace_call(struct fnn_trace *trace, const struct fnn_parsed *call,
                               struct fnn_tensor *const *results) {
  struct step *step;
  FNN_TRY(step_new(trace->bind->context, call, &step));
  for (size_t i = 0; i < call->inputs; i++) {
    struct fnn_tensor *tensor = call->input[i].tensor;
    step->from[i] = tensor ? value_of(trace, tensor) : NULL;
    if (step->from[i])
      step->from[i]->last = step;
    else if (tensor)
      fnn_tensor_retain(tensor);
  }
  for (int i = 0; i < visible(step); i++) step->result[i] = (struct value){fnn_tensor_retain(results[i]), step};
  *trace->end = step;
  trace->end = &step->next;
  return FNN_OK;
}

enum fnn_status fnn_trace_alias(struct fnn_trace *trace, struct fnn_tensor *tensor, struct fnn_tensor *alias) {
  struct fnn_parsed call = {.inputs = 1, .input = call.small, .small = {{.tensor = tensor, .kind = FNN_GIVEN}}};
  return value_of(trace, tensor) ? fnn_trace_call(trace, &call, &alias) : FNN_OK;
}

int fnn_is_traced(const struct fnn_bind *bind, const struct fnn_tensor *tensor) {
  return bind->trace && value_of(bind->trace, tensor);
}

void fnn_check_untraced(lua_State *L, const struct fnn_tensor *tensor, const char *who) {
  if (fnn_is_traced(fnn_bind_of(L), tensor))
    fnn_error(L, "%s: cannot be traced: what it reads of a tensor would be the same at each run", who);
}

void fnn_check_no_trace(lua_State *L, const char *who, const char *why) {
  if (fnn_bind_of(L)->trace) fnn_error(L, "%s: cannot be traced: %s", who, why);
}

/* ---- running ---- */

static enum fnn_status run_step(struct fnn_bind *bind, struct step *step) {
  struct fnn_tensor *results[FNN_MAX_OUTPUTS] = {0};
  for (size_t i = 0; i < step->call.inputs; i++)
    if (step->from[i]) step->call.input[i].tensor = step->from[i]->tensor;
  if (step->call.op)
    FNN_TRY(fnn_run_op(bind, &step->call, 0, NULL, results));
  else
    FNN_TRY(fnn_detach(bind, step->call.input[0].tensor, &results[0]));
  for (int i = 0; i < visible(step); i++) {
    step->result[i].tensor = results[i];
    if (step->result[i].last == step) let_go(&step->result[i]);
  }
  for (size_t i = 0; i < step->call.inputs; i++)
    if (step->from[i] && step->from[i]->last == step) let_go(step->from[i]);
  return FNN_OK;
}

/* The arguments are the values of the trace already; results[] are new references. */
static enum fnn_status run_steps(struct fnn_trace *trace, struct fnn_tensor **results) {
  enum fnn_status status = FNN_OK;
  for (struct step *step = trace->first; step && status == FNN_OK; step = step->next)
    status = run_step(trace->bind, step);
  for (size_t i = 0; i < trace->results && status == FNN_OK; i++)
    results[i] = fnn_tensor_retain(trace->result[i]->tensor);
  let_all_go(trace);
  return status;
}

/* ---- for Lua ---- */

static const char trace_key; /* its address names the traces' metatable in the registry */

struct trace_box {
  struct fnn_trace *trace;
};

static int close_trace(lua_State *L) {
  struct trace_box *box = lua_touserdata(L, 1);
  fnn_bind_of(L);
  if (box->trace) free_trace(box->trace);
  box->trace = NULL;
  return 0;
}

/* The core's half of trace_begin. Arguments are handles of their own, so that a tensor which is one may be used from outside
 * too. */
static enum fnn_status begin(struct fnn_bind *bind, size_t count, struct fnn_tensor *const *tensors,
                             struct fnn_trace **out) {
  if (!*out) FNN_TRY(trace_new(bind, count, out));
  for (size_t i = 0; i < count; i++) {
    struct argument *argument = &(*out)->argument[i];
    let_go(&argument->value);
    FNN_TRY(fnn_tensor_settle(tensors[i]));
    FNN_TRY(fnn_tensor_alias(tensors[i], &argument->value.tensor));
    argument->spec = (struct fnn_spec){tensors[i]->dtype, tensors[i]->shape};
  }
  return FNN_OK;
}

/* trace_begin(tensor, ...): a trace of these arguments, and what its function is to be called with. */
static int trace_begin(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  int count = lua_gettop(L), tried = 0;
  enum fnn_status status;
  fnn_check_no_trace(L, "trace", "a trace is being made");
  luaL_checkstack(L, count + LUA_MINSTACK, "trace");
  struct fnn_tensor **tensors = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof(struct fnn_tensor *), 0);
  struct trace_box *box = lua_newuserdatauv(L, sizeof *box, 0);
  box->trace = NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &trace_key);
  lua_setmetatable(L, -2);
  for (int i = 0; i < count; i++) fnn_push_box(L);
  do {
    for (int i = 0; i < count; i++) tensors[i] = fnn_check_tensor(L, i + 1, "trace");
    status = begin(bind, (size_t)count, tensors, &box->trace);
  } while (fnn_try_again(L, status, &tried));
  if (status != FNN_OK) return fnn_error(L, "%s", bind->context->error);
  for (int i = 0; i < count; i++)
    fnn_fill_box(bind, fnn_test_box(L, count + 3 + i), fnn_tensor_retain(box->trace->argument[i].value.tensor));
  return count + 1;
}

/* trace_during(trace, f, ...) = f(...), of which the ops are noted. It cannot yield, for what others do meanwhile would be
 * noted too; and however it ends, the trace does. */
static int trace_during(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_trace *trace = ((struct trace_box *)lua_touserdata(L, 1))->trace;
  bind->trace = trace;
  int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  let_all_go(trace);
  bind->trace = NULL;
  if (status != LUA_OK) return lua_error(L);
  return lua_gettop(L) - 1;
}

/* The arguments at stack places 1 .., as the values of the trace. */
static void take_arguments(lua_State *L, struct fnn_trace *trace) {
  char who[40], expected[FNN_SHAPE_TEXT], got[FNN_SHAPE_TEXT];
  for (int i = 0; i < (int)trace->arguments; i++) {
    snprintf(who, sizeof who, "trace: argument %d", i + 1);
    struct fnn_tensor *tensor = fnn_check_tensor(L, i + 1, who);
    const struct fnn_spec *spec = &trace->argument[i].spec;
    if (tensor->dtype == spec->dtype && fnn_shape_equal(&tensor->shape, &spec->shape)) continue;
    fnn_error(L, "%s: expected %s of shape %s, as traced, got %s of shape %s", who, fnn_dtype_name(spec->dtype),
              fnn_shape_text(&spec->shape, expected), fnn_dtype_name(tensor->dtype),
              fnn_shape_text(&tensor->shape, got));
  }
  for (int i = 0; i < (int)trace->arguments; i++)
    trace->argument[i].value.tensor = fnn_tensor_retain(fnn_check_tensor(L, i + 1, "trace"));
}

static int run_trace(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_trace *trace = ((struct trace_box *)lua_touserdata(L, lua_upvalueindex(FNN_UP_THIRD)))->trace;
  if (!trace) return fnn_error(L, "trace: Lua's collector has freed it before the finalizer that calls it");
  int given = lua_gettop(L), arguments = (int)trace->arguments, results = (int)trace->results, tried = 0;
  enum fnn_status status;
  if (given != arguments) return fnn_error(L, "trace: expected %d tensors, got %d", arguments, given);
  luaL_checkstack(L, 2 * results + LUA_MINSTACK, "trace");
  fnn_relieve_memory(L);
  struct fnn_tensor **tensors = lua_newuserdatauv(L, ((size_t)results + 1) * sizeof(struct fnn_tensor *), 0);
  for (int i = 0; i < results; i++) fnn_push_box(L);
  do {
    take_arguments(L, trace);
    status = run_steps(trace, tensors);
  } while (fnn_try_again(L, status, &tried));
  fnn_raise(L, status);
  for (int i = 0; i < results; i++) fnn_fill_box(bind, fnn_test_box(L, arguments + 2 + i), tensors[i]);
  return results;
}

/* trace_function(trace, tensor, ...): the function that runs it and gives what these tensors are. */
static int trace_function(lua_State *L) {
  struct fnn_bind *bind = fnn_bind_of(L);
  struct fnn_trace *trace = ((struct trace_box *)lua_touserdata(L, 1))->trace;
  size_t count = (size_t)lua_gettop(L) - 1;
  int tried = 0;
  do {
    trace->result = fnn_alloc(bind->context, count * sizeof(struct value *));
  } while (fnn_try_again(L, trace->result ? FNN_OK : FNN_NO_MEMORY, &tried));
  if (!trace->result) return fnn_error(L, "%s", bind->context->error);
  for (size_t i = 0; i < count; i++) {
    struct value *value = value_of(trace, fnn_check_tensor(L, (int)i + 2, "trace"));
    if (!value)
      return fnn_error(L, "trace: result %d: it is neither an argument nor what an operation gave", (int)i + 1);
    value->last = &the_end;
    trace->result[i] = value;
  }
  trace->results = count;
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_BIND));
  lua_pushvalue(L, lua_upvalueindex(FNN_UP_TENSOR));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, run_trace, 3);
  return 1;
}

void fnn_open_trace(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", close_trace}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"trace_begin", trace_begin}, {"trace_during", trace_during}, {"trace_function", trace_function}, {NULL, NULL}};
  lua_newtable(L);
  fnn_register(L, metamethods);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &trace_key);
  fnn_register(L, functions);
}
