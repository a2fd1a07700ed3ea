/* flip(x, dim): the order of the elements along these axes reversed. */
#include <string.h>

#include "op.h"

struct flip {
  struct fnn_axes dim;
};
static const struct flip defaults;
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR}, FNN_PARAM(flip, dim, FNN_AXES), {0}};

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, call->in_spec[0].dtype, fnn_in_shape(call, 0));
  return FNN_OK;
}

static unsigned mask_of(const struct fnn_axes *axes) {
  unsigned mask = 0;
  for (int i = 0; i < axes->count; i++) mask |= 1u << axes->axis[i];
  return mask;
}

/* The number of the row (the last axis is a row) that row number `row` comes from. */
static size_t source_row(const struct fnn_shape *shape, unsigned mask, size_t row) {
  size_t source = 0, step = 1;
  for (int axis = shape->rank - 1; axis-- > 0;) {
    size_t size = shape->size[axis], at = row % size;
    row /= size;
    source += (mask & 1u << axis ? size - 1 - at : at) * step;
    step *= size;
  }
  return source;
}

static void flip(const struct fnn_tensor *x, unsigned mask, struct fnn_tensor *y) {
  const struct fnn_shape *shape = &x->shape;
  size_t bytes = fnn_dtype_size(x->dtype), n = shape->rank ? shape->size[shape->rank - 1] : 1;
  size_t rows = n ? fnn_shape_numel(shape) / n : 0;
  int reverse = shape->rank && (mask & 1u << (shape->rank - 1));
  for (size_t row = 0; row < rows; row++) {
    const char *from = (const char *)fnn_tensor_data(x) + source_row(shape, mask, row) * n * bytes;
    char *to = (char *)fnn_tensor_data(y) + row * n * bytes;
    if (!reverse)
      memcpy(to, from, n * bytes);
    else
      for (size_t i = 0; i < n; i++) memcpy(to + i * bytes, from + (n - 1 - i) * bytes, bytes);
  }
}

static enum fnn_status forward(struct fnn_call *call) {
  flip(call->in[0], mask_of(&((const struct flip *)call->params)->dim), call->out[0]);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  FNN_TRY(fnn_new_grad(call, 0));
  flip(call->grad, mask_of(&((const struct flip *)call->params)->dim), call->grad_in[0]);
  return FNN_OK;
}

const struct fnn_op fnn_op_flip = {
    .name = "flip",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct flip),
    .types = FNN_ANY,
    .flags = FNN_METHOD,
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
