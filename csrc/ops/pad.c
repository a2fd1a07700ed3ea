/* pad(x, {{before, after}, ...}, value): a frame of `value` around the last axes, one pair an axis. */
#include "op.h"

struct pad {
  struct fnn_margins margins;
  struct fnn_number value;
};
static const struct pad defaults = {.value = {.whole = 1}};
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      FNN_PARAM(pad, margins, FNN_MARGINS),
                                      FNN_PARAM(pad, value, FNN_NUMBER, .flags = FNN_OPTIONAL),
                                      {0}};

/* Refuse a value that a tensor of x's type cannot hold. */
static enum fnn_status check_value(const struct fnn_call *call) {
  const struct fnn_number *value = &((const struct pad *)call->params)->value;
  enum fnn_dtype dtype = call->in_spec[0].dtype;
  if (dtype == FNN_FLOAT32) return FNN_OK;
  if (!value->whole)
    return fnn_refuse(call, "value", "%s: expected an integer, got number %.14g", fnn_dtype_name(dtype), value->number);
  if (dtype == FNN_UINT8 && (value->integer < 0 || value->integer > 255))
    return fnn_refuse(call, "value", "uint8: expected 0..255, got %lld", (long long)value->integer);
  return FNN_OK;
}

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
  FNN_TRY(check_value(call));
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
  const struct fnn_number *number = &((const struct pad *)call->params)->value;
  struct fnn_tensor *value, *middle;
  FNN_TRY(call->out[0]->dtype == FNN_FLOAT32 ? fnn_tensor_number(call->context, number->number, &value)
                                             : fnn_tensor_integer(call->context, number->integer, &value));
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
