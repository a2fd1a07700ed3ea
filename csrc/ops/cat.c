/* cat(tensors, dim): the tensors one after the other along an axis; their other sizes agree. */
#include <string.h>

#include "op.h"

struct cat {
  int dim;
};
static const struct cat defaults = {0};
static const struct fnn_arg args[] = {
    {.name = "tensors", .kind = FNN_TENSORS}, FNN_PARAM(cat, dim, FNN_AXIS, .flags = FNN_OPTIONAL), {0}};

static int axis_of(const struct fnn_call *call) { return ((const struct cat *)call->params)->dim; }

static enum fnn_status infer(struct fnn_call *call) {
  int axis = axis_of(call);
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  if (shape.rank == 0) return fnn_refuse(call, "tensors", "expected tensors of at least one axis, got single numbers");
  for (size_t i = 1; i < call->inputs; i++) {
    struct fnn_shape other = *fnn_in_shape(call, i), first = *fnn_in_shape(call, 0);
    char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
    size_t length = other.rank == shape.rank ? other.size[axis] : 0;
    if (other.rank == shape.rank) other.size[axis] = first.size[axis];
    if (!fnn_shape_equal(&other, &first))
      return fnn_refuse(call, "tensors", "number %zu: expected shape %s but for axis %d, got %s", i + 1,
                        fnn_shape_text(&first, a), axis + 1, fnn_shape_text(fnn_in_shape(call, i), b));
    if (__builtin_add_overflow(shape.size[axis], length, &shape.size[axis]))
      return fnn_refuse(call, "tensors", "their size along axis %d is too large to address", axis + 1);
  }
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

/* Bytes that lie together for one position of the axes before `axis`. */
static size_t row_bytes(const struct fnn_spec *spec, int axis) {
  return fnn_shape_product(&spec->shape, axis, spec->shape.rank) * fnn_dtype_size(spec->dtype);
}

static void copy_rows(size_t rows, size_t bytes, char *to, size_t to_step, const char *from, size_t from_step) {
  for (size_t i = 0; i < rows; i++) memcpy(to + i * to_step, from + i * from_step, bytes);
}

static enum fnn_status forward(struct fnn_call *call) {
  int axis = axis_of(call);
  size_t rows = fnn_shape_product(&call->out_spec[0].shape, 0, axis), step = row_bytes(&call->out_spec[0], axis);
  char *to = fnn_tensor_data(call->out[0]);
  for (size_t i = 0; i < call->inputs; i++) {
    size_t bytes = row_bytes(&call->in_spec[i], axis);
    copy_rows(rows, bytes, to, step, fnn_tensor_data(call->in[i]), bytes);
    to += bytes;
  }
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  int axis = axis_of(call);
  struct fnn_spec whole = {FNN_FLOAT32, call->grad->shape};
  size_t rows = fnn_shape_product(&whole.shape, 0, axis), step = row_bytes(&whole, axis);
  const char *from = fnn_tensor_data(call->grad);
  for (size_t i = 0; i < call->inputs; i++) {
    struct fnn_spec part = {FNN_FLOAT32, call->in_spec[i].shape}; /* whatever the input's type is */
    size_t bytes = row_bytes(&part, axis);
    if (fnn_wants(call, i)) {
      FNN_TRY(fnn_new_grad(call, i));
      copy_rows(rows, bytes, fnn_tensor_data(call->grad_in[i]), bytes, from, step);
    }
    from += bytes;
  }
  return FNN_OK;
}

const struct fnn_op fnn_op_cat = {
    .name = "cat",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct cat),
    .types = FNN_SAME,
    .flags = FNN_METHOD,
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
