/* pad(x, {{before, after}, ...}, value): a frame of `value` around the last axes, one pair an axis. */
#include "op.h"

struct pad {
  struct fnn_margins margins;
  double value;
};
static const struct pad defaults;
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      FNN_PARAM(pad, margins, FNN_MARGINS),
                                      FNN_PARAM(pad, value, FNN_FLOAT, .flags = FNN_OPTIONAL),
                                      {0}};

static enum fnn_status infer(struct fnn_call *call) {
  const struct fnn_margins *margins = &((const struct pad *)call->params)->margins;
  struct fnn_shape shape = *fnn_in_shape(call, 0);
  if (margins->count > shape.rank)
    return fnn_refuse(call, "margins", "expected at most %d pairs, one for each axis, got %d", shape.rank,
                      margins->count);
  for (int i = 0; i < margins->count; i++) {
    size_t *size = &shape.size[shape.rank - margins->count + i];
    if (__builtin_add_overflow(*size, margins->before[i], size) ||
        __builtin_add_overflow(*size, margins->after[i], size))
      return fnn_refuse(call, "margins", "the padded size is too large to address");
  }
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

/* The part of `padded` inside the frame. */
static enum fnn_status inside(const struct fnn_call *call, const struct fnn_tensor *padded, struct fnn_tensor **out) {
  const struct fnn_margins *margins = &((const struct pad *)call->params)->margins;
  size_t offset = padded->offset;
  for (int i = 0; i < margins->count; i++)
    offset += margins->before[i] * padded->stride[padded->shape.rank - margins->count + i];
  return fnn_tensor_view(padded, fnn_in_shape(call, 0), padded->stride, offset, out);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_tensor *value, *middle;
  FNN_TRY(fnn_tensor_number(call->context, ((const struct pad *)call->params)->value, &value));
  fnn_tensor_copy(call->out[0], value);
  fnn_tensor_release(value);
  FNN_TRY(inside(call, call->out[0], &middle));
  fnn_tensor_copy(middle, call->in[0]);
  fnn_tensor_release(middle);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) { return inside(call, call->grad, &call->grad_in[0]); }

const struct fnn_op fnn_op_pad = {
    .name = "pad",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct pad),
    .types = FNN_ANY,
    .flags = FNN_METHOD | FNN_STRIDED,
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
