/* The contract of an op.
 *
 * An op is one constant descriptor in one file: what arguments it takes, its shape rule,
 * its forward and its backward. From that descriptor the binding makes its Lua function and method, autograd its
 * gradient, and the specs the list of what must be tested. To add one: write the file,
 * name it in list.h, add a case to spec/support/cases/ and an entry to types/.
 *
 * What an op can rely on, and what it owes:
 *   - in[] are tensors of the dtypes that `types` promises, dense (last axis fastest) unless the op says FNN_STRIDED, or in
 *     lanes where it asked for that (`lanes`); an absent optional one is NULL. Inputs are never written, unless they are
 *     the output of an in-place form.
 *   - infer checks everything (shapes, ranges, the values of indices), gives the outputs their types and shapes (fnn_out) and
 *     allocates nothing. After it, forward and backward fail for want of memory alone.
 *   - forward writes every element of out[].
 *   - Only out[0] carries a gradient. backward makes, for each input i that is fnn_wants(call, i), a tensor
 *     grad_in[i] of the input's shape: a fresh one written in full, or grad itself (retained), or a view of it. Autograd adds
 *     them up. It may look at in[i] and out[i] only where `saves` names them, and at shapes always. */
#ifndef FNN_OPS_OP_H
#define FNN_OPS_OP_H

#include "../tensor/lanes.h"
#include "../tensor/loop.h"
#include "../tensor/tensor.h"

enum { FNN_MAX_OUTPUTS = 4, FNN_INLINE_INPUTS = 6, FNN_PARAMS_BYTES = 256 };

struct fnn_call;

/* ---- what an op is called with ---- */

enum fnn_arg_kind {
  /* tensors, numbered in this order in in[] */
  FNN_TENSOR,  /* a tensor, or a number where FNN_OR_NUMBER */
  FNN_INDICES, /* a tensor of 1-based positions or classes in Lua, 0-based int64 in in[] */
  FNN_TENSORS, /* a list of tensors; the op's only tensor argument */
  /* parameters, written to `offset` of the op's parameter struct */
  FNN_SIZE,      /* size_t, at least `least` */
  FNN_FLOAT,     /* double */
  FNN_NUMBER,    /* struct fnn_number */
  FNN_BOOL,      /* int */
  FNN_CHOICE,    /* int: the place of a string in `choices` */
  FNN_AXIS,      /* int: 1-based or negative in Lua, 0-based here */
  FNN_AXES,      /* struct fnn_axes: one axis or a list of them; each at most once */
  FNN_POSITION,  /* int64_t: 1-based or negative in Lua; 0-based, or negative from the end, here */
  FNN_SIZES,     /* struct fnn_shape: a list of sizes, or sizes as the last arguments; FNN_INFERRED for -1 */
  FNN_AXIS_LIST, /* struct fnn_axes in the order given: a permutation */
  FNN_PAIR,      /* size_t[2], at least `least`: one number for both, or two; rows first */
  FNN_PADDING,   /* struct fnn_padding */
  FNN_MARGINS    /* struct fnn_margins: {{before, after}, ...} */
};

enum fnn_arg_flags {
  FNN_OPTIONAL = 1,  /* may be nil; a parameter then keeps its default */
  FNN_OR_NUMBER = 2, /* FNN_TENSOR: a Lua number will do */
  FNN_NEW_AXIS = 4   /* FNN_AXIS: names a place between axes, so rank + 1 of them exist */
};

/* A size that a list of sizes leaves open (-1 in Lua). */
#define FNN_INFERRED ((size_t)-1)

/* A number for tensors of any type: `integer` is the same where `whole`. */
struct fnn_number {
  double number;
  int whole;
  int64_t integer;
};

/* Padding of a window's two axes: "valid" is none, "same" as much as makes the output ceil(input / stride), with the odd zero at
 * the end as in Keras, or explicit. */
struct fnn_padding {
  enum { FNN_PAD_EXPLICIT, FNN_PAD_SAME } mode;
  size_t top, bottom, left, right;
};

/* What to add before and after each of the last `count` axes. */
struct fnn_margins {
  int count;
  size_t before[FNN_MAX_RANK], after[FNN_MAX_RANK];
};

struct fnn_arg {
  const char *name;
  enum fnn_arg_kind kind;
  unsigned flags;
  size_t offset; /* into the parameter struct */
  size_t least;
  const char *const *choices; /* ends with NULL */
};

/* FNN_PARAM(struct, field, kind[, .flags = ...][, .least = ...][, .choices = ...]) */
#define FNN_PARAM(struct_name, field, ...) \
  { .name = #field, .offset = offsetof(struct struct_name, field), .kind = __VA_ARGS__ }

/* What a product multiplies: the choices of a parameter `precision`. */
enum fnn_precision { FNN_PRECISION_FLOAT32, FNN_PRECISION_BF16 };
extern const char *const fnn_precisions[];

/* ---- the descriptor ---- */

enum { FNN_MOST_IMAGES = 32 }; /* inputs that `images` of an op can name */

/* What a tensor argument becomes before the op sees it. */
enum fnn_types {
  FNN_FLOATS,  /* float32 */
  FNN_NUMBERS, /* float32 when one of them is, else int64 */
  FNN_SAME,    /* the highest of their types: float32 > int64 > uint8 */
  FNN_ANY      /* left as they are */
};

enum fnn_op_flags {
  FNN_STRIDED = 1,    /* takes inputs of any strides */
  FNN_VIEW = 2,       /* out[0] is a view of in[0]: infer fills view_stride and view_offset (absolute); no forward */
  FNN_IN_PLACE = 4,   /* has a form `name_` that writes over in[0] */
  FNN_METHOD = 8,     /* a method of tensors, and a function of the module */
  FNN_FUNCTIONAL = 16 /* a function of nn.functional */
};

/* What backward looks at, for `saves`. */
#define FNN_SAVE_IN(i) (1u << (i))
#define FNN_SAVE_OUT(i) (1u << (16 + (i)))

struct fnn_op {
  const char *name;
  const struct fnn_arg *args; /* ends with a NULL name; the order of positional arguments */
  const void *defaults;       /* the parameter struct's defaults; NULL when there are no parameters */
  size_t params_bytes;
  enum fnn_types types;
  unsigned flags;
  unsigned saves;
  int outputs;      /* 1 .. FNN_MAX_OUTPUTS */
  int hidden;       /* the last `hidden` outputs are for backward alone */
  unsigned indices; /* bit i: out[i] holds 0-based positions, 1-based in Lua */
  enum fnn_status (*infer)(struct fnn_call *call);
  enum fnn_status (*forward)(struct fnn_call *call);
  enum fnn_status (*backward)(struct fnn_call *call); /* NULL: no gradient flows */
  /* For ops that work on images or channels in lanes: which lanes this call shall have. in[] is as it came, unchecked.
   * Inputs that `images` names (bit i for in[i], of the first FNN_MOST_IMAGES), out[0], its gradient and those of the named
   * inputs then are laned; but tensors without that axis, or with one along which they are broadcast, stay as they are. */
  struct fnn_lanes (*lanes)(const struct fnn_call *call);
  unsigned images;
  /* Multiply-adds of one forward; NULL where they do not count (elementwise work). */
  size_t (*multiply_adds)(const struct fnn_call *call);
};

/* ---- one call ---- */

/* Shape and type: what is left of a tensor that was not saved. */
struct fnn_spec {
  enum fnn_dtype dtype;
  struct fnn_shape shape;
};

struct fnn_call {
  struct fnn_context *context;
  const struct fnn_op *op;
  const void *params;
  size_t inputs;
  struct fnn_tensor **in;
  const struct fnn_spec *in_spec; /* filled before infer */
  struct fnn_tensor *out[FNN_MAX_OUTPUTS];
  struct fnn_spec out_spec[FNN_MAX_OUTPUTS];
  size_t view_stride[FNN_MAX_RANK], view_offset; /* for FNN_VIEW */
  struct fnn_lanes lanes;                        /* what `lanes` said */
  int recorded;                                  /* backward may follow: autograd records this call */
  /* in backward */
  struct fnn_tensor *grad;     /* of out[0]; in the call's lanes, or dense unless FNN_STRIDED */
  struct fnn_tensor **grad_in; /* NULL at first */
  const uint8_t *want;         /* per input */
  /* the gradient of in[0] that has come from elsewhere so far, in the call's lanes, or NULL; an op may put it into its own */
  const struct fnn_tensor *so_far;
  int added; /* and then says so */
};

static inline int fnn_wants(const struct fnn_call *call, size_t input) { return call->want[input]; }

/* The axes of an input or output, for brevity in shape rules. */
static inline const struct fnn_shape *fnn_in_shape(const struct fnn_call *call, size_t i) {
  return &call->in_spec[i].shape;
}

/* infer: out[i] has this type and shape. */
void fnn_out(struct fnn_call *call, int i, enum fnn_dtype dtype, const struct fnn_shape *shape);

/* `lanes` of an op whose only images are in[0]: as they come; or so where it is images that lie in them, else none. */
struct fnn_lanes fnn_lanes_as_given(const struct fnn_call *call);
struct fnn_lanes fnn_images_as_given(const struct fnn_call *call);

/* How many floats a pixel has in the call's layout: its lanes, or 1. */
static inline size_t fnn_call_width(const struct fnn_call *call) { return call->lanes.count ? call->lanes.count : 1; }

/* How many rows or planes of `size` floats are a piece of work, of those that do little with each. */
static inline size_t fnn_grain(size_t size) {
  enum { FLOATS = 8192 };
  return 1 + FLOATS / (size ? size : 1);
}

/* The lane kernels of a call that has lanes. */
const struct fnn_lane_kernels *fnn_call_kernels(const struct fnn_call *call);

/* A fresh, uninitialized float32 tensor of a shape in the call's layout. */
enum fnn_status fnn_call_new(const struct fnn_call *call, const struct fnn_shape *shape,
                             struct fnn_tensor **out) FNN_CHECK;

/* backward: a fresh, uninitialized gradient of input i, in the call's layout; not of an input that is broadcast over the images. */
enum fnn_status fnn_new_grad(struct fnn_call *call, size_t i) FNN_CHECK;
/* backward: one of zeros, dense. */
enum fnn_status fnn_zero_grad(struct fnn_call *call, size_t i) FNN_CHECK;
/* backward: memory for a gradient of grad's shape and layout: grad itself where nobody else holds it. */
enum fnn_status fnn_own_grad(struct fnn_call *call, struct fnn_tensor **out) FNN_CHECK;
/* backward: the gradient of input i is a dense view of grad under the input's shape. */
enum fnn_status fnn_pass_grad(struct fnn_call *call, size_t i) FNN_CHECK;

/* Add what a call took since `start` to the profile, if there is one: op_run and autograd call this. */
void fnn_profile_call(const struct fnn_call *call, const char *phase, double start);

/* An error about argument `name`: "conv2d: weight: expected ..., got ...". */
enum fnn_status fnn_refuse(const struct fnn_call *call, const char *name, const char *format, ...) FNN_PRINTF(3, 4);

/* infer: refuse a number of groups, argument `groups`, that does not divide `count` channels or filters (`things`); none are
 * one group. */
enum fnn_status fnn_check_groups(const struct fnn_call *call, size_t groups, size_t count,
                                 const char *things) FNN_CHECK;

/* infer: refuse an epsilon, which is added to a variance, that is not 0 or more. */
enum fnn_status fnn_check_epsilon(const struct fnn_call *call, double epsilon) FNN_CHECK;

/* infer: refuse a product of matrices (m, k) and (k, n) that is too large for kernels/gemm.h. */
enum fnn_status fnn_check_product(const struct fnn_call *call, size_t m, size_t n, size_t k) FNN_CHECK;

/* The tensor `wide`, summed over what broadcasting added, as a dense float32 tensor of shape `shape`. `wide` is dense. */
enum fnn_status fnn_sum_to(struct fnn_tensor *wide, const struct fnn_shape *shape, struct fnn_tensor **out) FNN_CHECK;

/* Run an op without autograd: prepare inputs (replacing call->in[i], which the call owns), infer, allocate, forward. For an in-place
 * form, `over` is the tensor to write to (in[0]), else NULL. On success call->out[] holds new references; on
 * error nothing but in[] is left to release. */
enum fnn_status fnn_op_run(struct fnn_call *call, struct fnn_tensor *over) FNN_CHECK;

/* All ops, ending with NULL: list.h in order. */
extern const struct fnn_op *const fnn_ops[];

/* The argument that describes input i. A list stands for all inputs. */
const struct fnn_arg *fnn_op_arg(const struct fnn_op *op, size_t i);

/* The op of that name; NULL when there is none. */
const struct fnn_op *fnn_op_find(const char *name);

#endif
