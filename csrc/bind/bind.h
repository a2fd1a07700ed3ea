/* The binding: the only folder that knows Lua. What is 1-based in Lua becomes 0-based here and back.
 *
 * Every function that Lua calls goes through four phases: create the boxes of the results, empty; check the arguments
 * (which may raise); call the core, with no call into Lua until it returns; raise or return. Only the third
 * phase holds anything, so that an error leaks nothing.
 *
 * Functions are closures over two values: the state (struct fnn_bind) and the metatable of tensors. */
#ifndef FNN_BIND_BIND_H
#define FNN_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "../autograd/tape.h"

struct fnn_custom;
struct fnn_trace;

/* What the binding keeps for one Lua state. */
struct fnn_bind {
  struct fnn_context *context;
  size_t boxed;        /* bytes of tensors that boxes hold, those that Lua could collect included */
  size_t boxed_before; /* what was left of them after Lua's collector ran last for our sake */
  size_t slack;        /* how many bytes may come on top before it runs again */
  double collected_at; /* when that was, and how long it took: seconds */
  double collect_seconds;
  unsigned calls;           /* since then, of what makes boxes */
  unsigned many;            /* after how many it runs again in any case */
  int no_grad_threads;      /* coroutines that are inside fnn.no_grad */
  struct fnn_custom *dead;  /* custom ops whose Lua functions can be let go */
  struct fnn_trace *trace;  /* which is being made, or NULL */
  struct fnn_trace *traces; /* all there are */
  /* Those that boxes have. Not the boxes: one that finds no memory even for its finalizer is freed without. */
  struct fnn_tensor *held;
};

/* A tensor in Lua, a full userdata: NULL before it is filled (by fnn_fill_box alone) and after close. It is known by its owner,
 * which is quicker than to compare metatables: no other userdata of this size begins with that address. */
struct fnn_box {
  const struct fnn_bind *bind; /* first */
  struct fnn_tensor *tensor;
  size_t counted; /* its share of fnn_bind.boxed */
};

enum { FNN_UP_BIND = 1, FNN_UP_TENSOR, FNN_UP_THIRD };

/* Raise a message behind the place of the script that called (error.c); as luaL_error otherwise. */
__attribute__((noreturn)) int fnn_error(lua_State *L, const char *format, ...);

/* Raises in finalizers that run after ours, when the Lua state is being closed. */
static inline struct fnn_bind *fnn_bind_of(lua_State *L) {
  struct fnn_bind *bind = lua_touserdata(L, lua_upvalueindex(FNN_UP_BIND));
  if (!bind->context) fnn_error(L, "fmnistnn: the Lua state is being closed");
  return bind;
}

/* Register functions with the two upvalues; the table is on top of the stack. The caller's own upvalues are used. */
void fnn_register(lua_State *L, const luaL_Reg *functions);

/* ---- boxes (box.c) ---- */

/* Let go of all that boxes hold, which is what finalizers make while Lua closes, and what had none that could run. */
void fnn_empty_boxes(struct fnn_bind *bind);

/* Push an empty box. */
struct fnn_box *fnn_push_box(lua_State *L);
/* The box at a stack place, or NULL when that is not a tensor. Closed ones are returned too. Who looks at
 * its tensor has called fnn_bind_of: when Lua closes, what boxes had goes. */
struct fnn_box *fnn_test_box(lua_State *L, int at);
/* The tensor at a stack place; raises when it is another thing or closed. `who` names the function. */
struct fnn_tensor *fnn_check_tensor(lua_State *L, int at, const char *who);
/* The same for who wants to see its elements: they lie where strides say (tensor/lanes.h), and a trace's values are refused. */
struct fnn_tensor *fnn_check_elements(lua_State *L, int at, const char *who);
/* The box takes the tensor over, in place of what it held, and its bytes are counted; NULL empties the box. */
void fnn_fill_box(struct fnn_bind *bind, struct fnn_box *box, struct fnn_tensor *tensor);
/* Run Lua's collector if boxes hold much more than after its last run, for Lua does not see these bytes by itself, or if there are
 * many new ones. To be called first, before boxes are created, by what asks for memory. */
void fnn_relieve_memory(lua_State *L);
/* The end of a loop around phases two and three of what asks for memory: whether to go through them once more, because memory was
 * short and Lua's collector has looked for some now. Tensors are checked again then: a finalizer may have closed them.
 * *tried is 0 at first. */
int fnn_try_again(lua_State *L, enum fnn_status status, int *tried);
/* Raise the context's error text when status is not FNN_OK. */
void fnn_raise(lua_State *L, enum fnn_status status);
/* For files: return nil and the text when status is not FNN_OK (the number of results), else 0. */
int fnn_failure(lua_State *L, enum fnn_status status);
/* Fill the metatable of tensors, which is on top of the stack with the methods below it. */
void fnn_open_box(lua_State *L);

/* ---- arguments (args.c) ---- */

/* Push a few words on the value at a stack place, for messages: "number 2.5", "string 'x'", "a tensor", "no value". */
const char *fnn_describe(lua_State *L, int at);
/* An integer (a float without a fraction will do); raises "who: name: expected an integer, got ...". */
lua_Integer fnn_check_integer(lua_State *L, int at, const char *who, const char *name);
/* A size of 0 or more. */
size_t fnn_check_size(lua_State *L, int at, const char *who, const char *name);
/* Raise for names in a table that is a list: {2, 3, dtype = "int64"} would lose them. */
void fnn_check_unnamed(lua_State *L, int at, const char *who);
/* A list of sizes. */
void fnn_check_sizes(lua_State *L, int at, const char *who, const char *name, struct fnn_shape *shape);
/* One of the names, which end with NULL. */
int fnn_check_choice(lua_State *L, int at, const char *who, const char *name, const char *const *choices);
/* Whether the value at a stack place is one that an element can be: a number or a boolean (1, 0). */
int fnn_is_element(lua_State *L, int at);
/* Write it to the place `position` (in elements from the first) of a tensor; 0 when the tensor's type does not hold it, or
 * when it is another thing. */
int fnn_write_element(lua_State *L, int at, struct fnn_tensor *tensor, size_t position);
/* Say so: raises "who: uint8: expected 0..255, got ...". */
int fnn_refuse_element(lua_State *L, int at, const struct fnn_tensor *tensor, const char *who);

/* The arguments of one op call, checked. */
struct fnn_parsed {
  const struct fnn_op *op;
  size_t inputs;
  struct fnn_input {
    struct fnn_tensor *tensor; /* borrowed; NULL for a number, or when absent */
    enum { FNN_ABSENT, FNN_GIVEN, FNN_IS_FLOAT, FNN_IS_INTEGER, FNN_IS_INDICES } kind;
    double number;
    int64_t integer;
  } small[FNN_INLINE_INPUTS], *input;
  union {
    char bytes[FNN_PARAMS_BYTES];
    double align_double;
    size_t align_size;
  } params;
};

/* Check the arguments of `op`, stack places 1 .. last. Pushes some values that keep the inputs alive; nothing here may run
 * Lua's collector once a tensor is noted (a finalizer could close it), so results' boxes are created before. */
void fnn_parse(lua_State *L, const struct fnn_op *op, int last, struct fnn_parsed *parsed);

/* ---- calling ops (call.c) ---- */

/* Whether the running coroutine records for autograd. */
int fnn_recording(lua_State *L);
/* The core's half of a call: run the op on checked arguments; results[], of FNN_MAX_OUTPUTS, are new references to what Lua sees
 * (none of an in-place form over `over`). */
enum fnn_status fnn_run_op(struct fnn_bind *bind, const struct fnn_parsed *parsed, int record, struct fnn_tensor *over,
                           struct fnn_tensor **results) FNN_CHECK;
/* Raise if a write in place to this tensor would falsify gradients, has no place of its own for each element, or is made while a
 * trace is. Who writes then counts that in the storage's version. */
void fnn_check_write(lua_State *L, struct fnn_tensor *tensor, const char *who);
/* Raise if what is written in place to `tensor` comes from an operand (or NULL) whose gradient would then be lost: the tape
 * does not see the write. */
void fnn_check_operand(lua_State *L, const struct fnn_tensor *tensor, const struct fnn_tensor *operand, const char *who,
                       const char *name);

/* ---- autograd (autograd.c) ---- */

/* The same elements, in rows, under a handle without history; a trace that is being made notes it. */
enum fnn_status fnn_detach(struct fnn_bind *bind, struct fnn_tensor *tensor, struct fnn_tensor **out) FNN_CHECK;

/* ---- traces (trace.c) ---- */

/* Note a call that has been made, and its results. */
enum fnn_status fnn_trace_call(struct fnn_trace *trace, const struct fnn_parsed *call,
                               struct fnn_tensor *const *results) FNN_CHECK;
/* Note another handle on a tensor's elements. */
enum fnn_status fnn_trace_alias(struct fnn_trace *trace, struct fnn_tensor *tensor, struct fnn_tensor *alias) FNN_CHECK;
/* Whether a trace is being made and the tensor is one of its values: an argument, or what an op gave meanwhile. */
int fnn_is_traced(const struct fnn_bind *bind, const struct fnn_tensor *tensor);
/* Raise if it is: for who reads elements outside of ops. */
void fnn_check_untraced(lua_State *L, const struct fnn_tensor *tensor, const char *who);
/* Raise "who: cannot be traced: why" if a trace is being made. */
void fnn_check_no_trace(lua_State *L, const char *who, const char *why);
/* Free all that there are. */
void fnn_free_traces(struct fnn_bind *bind);

/* ---- the functions of the module, by noun; each adds to the table on top ---- */
void fnn_open_error(lua_State *L);    /* error.c */
void fnn_open_ops(lua_State *L);      /* call.c */
void fnn_open_tensor(lua_State *L);   /* tensor.c */
void fnn_open_create(lua_State *L);   /* create.c */
void fnn_open_autograd(lua_State *L); /* autograd.c */
void fnn_open_trace(lua_State *L);    /* trace.c */
void fnn_open_optim(lua_State *L);    /* optim.c */
void fnn_open_data(lua_State *L);     /* data.c */
void fnn_open_system(lua_State *L);   /* system.c */
void fnn_open_process(lua_State *L);  /* process.c */
void fnn_open_files(lua_State *L);    /* files.c */

/* Let go of the Lua functions of custom ops that are gone. */
void fnn_bury_custom(lua_State *L, struct fnn_bind *bind);

#endif
