/* Shared by the ops that work along one axis and keep it: x is (outer, n, inner). */
#ifndef FNN_OPS_LINE_H
#define FNN_OPS_LINE_H

#include "op.h"

/* The parameters of such an op; ops with more begin with this. */
struct fnn_line_params {
  int axis; /* -1: the last */
};

#define FNN_LINE_ARGS(struct_name, field)                                                                 \
  {.name = "input", .kind = FNN_TENSOR}, {                                                                \
    .name = "dim", .kind = FNN_AXIS, .flags = FNN_OPTIONAL, .offset = offsetof(struct struct_name, field) \
  }

struct fnn_lines {
  size_t outer, n, inner;
};

/* The lines of in[0] along the call's axis; a number is one line of one. */
static inline struct fnn_lines fnn_lines_of(const struct fnn_call *call) {
  const struct fnn_shape *x = &call->in_spec[0].shape;
  int axis = ((const struct fnn_line_params *)call->params)->axis;
  if (x->rank == 0) return (struct fnn_lines){1, 1, 1};
  if (axis < 0) axis = x->rank - 1;
  return (struct fnn_lines){fnn_shape_product(x, 0, axis), x->size[axis], fnn_shape_product(x, axis + 1, x->rank)};
}

#endif
