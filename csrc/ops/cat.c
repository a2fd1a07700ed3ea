/* cat(tensors, dim): the tensors one after the other along an axis; their other sizes agree. */
#include <string.h>

#include "../tensor/lanes.h"
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

/* Images in lanes stay there where all have them, and another axis is joined. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct fnn_lanes given = fnn_images_as_given(call), none = {0};
  if (axis_of(call) == 0 || call->inputs > FNN_MOST_IMAGES) return none;
  for (size_t i = 1; i < call->inputs; i++)
    if (!fnn_same_lanes(call->in[i]->lanes, given)) return none;
  return given;
}

/* Positions of the axes before `axis` in memory, of which the first may count blocks of images. */
static size_t rows_before(const struct fnn_call *call, const struct fnn_shape *shape, int axis) {
  size_t lanes = call->lanes.count;
  return lanes ? fnn_lane_blocks(shape, lanes) * fnn_shape_product(shape, 1, axis) : fnn_shape_product(shape, 0, axis);
}

/* Bytes that lie together for one of these. */
static size_t row_bytes(const struct fnn_call *call, const struct fnn_spec *spec, int axis) {
  return fnn_shape_product(&spec->shape, axis, spec->shape.rank) * fnn_dtype_size(spec->dtype) * fnn_call_width(call);
}

struct copy {
  size_t bytes, to_step, from_step;
  char *to;
  const char *from;
};

static void copy_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct copy *j = user;
  for (size_t i = first; i < last; i++) memcpy(j->to + i * j->to_step, j->from + i * j->from_step, j->bytes);
}

static void copy(struct fnn_context *context, size_t rows, struct copy j) {
  enum { LEAST = 1 << 16 }; /* bytes for a thread */
  if (j.bytes > 0) fnn_parallel(context, rows, 1 + LEAST / j.bytes, copy_rows, &j);
}

static enum fnn_status forward(struct fnn_call *call) {
  int axis = axis_of(call);
  size_t rows = rows_before(call, &call->out_spec[0].shape, axis), step = row_bytes(call, &call->out_spec[0], axis);
  char *to = fnn_tensor_data(call->out[0]);
  for (size_t i = 0; i < call->inputs; i++) {
    size_t bytes = row_bytes(call, &call->in_spec[i], axis);
    copy(call->context, rows, (struct copy){bytes, step, bytes, to, fnn_tensor_data(call->in[i])});
    to += bytes;
  }
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  int axis = axis_of(call);
  struct fnn_spec whole = {FNN_FLOAT32, call->grad->shape};
  size_t rows = rows_before(call, &whole.shape, axis), step = row_bytes(call, &whole, axis);
  const char *from = fnn_tensor_data(call->grad);
  for (size_t i = 0; i < call->inputs; i++) {
    struct fnn_spec part = {FNN_FLOAT32, call->in_spec[i].shape}; /* whatever the input's type is */
    size_t bytes = row_bytes(call, &part, axis);
    if (fnn_wants(call, i)) {
      FNN_TRY(fnn_new_grad(call, i));
      copy(call->context, rows, (struct copy){bytes, bytes, step, fnn_tensor_data(call->grad_in[i]), from});
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
    .lanes = lanes,
    .images = ~0u,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
