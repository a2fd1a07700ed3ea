/* clone(x): a dense copy. to(x, dtype): the same elements in another type. */
#include "op.h"

#define INPUT \
  { .name = "input", .kind = FNN_TENSOR }

struct to {
  int dtype;
};
static const struct to to_defaults;
static const struct fnn_arg clone_args[] = {INPUT, {0}};
static const struct fnn_arg to_args[] = {INPUT, FNN_PARAM(to, dtype, FNN_CHOICE, .choices = fnn_dtype_choices), {0}};

static enum fnn_status clone_infer(struct fnn_call *call) {
  fnn_out(call, 0, call->in[0]->dtype, fnn_in_shape(call, 0));
  return FNN_OK;
}

static enum fnn_status to_infer(struct fnn_call *call) {
  fnn_out(call, 0, (enum fnn_dtype)((const struct to *)call->params)->dtype, fnn_in_shape(call, 0));
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call) {
  fnn_tensor_copy(call->out[0], call->in[0]);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  call->grad_in[0] = fnn_tensor_retain(call->grad);
  return FNN_OK;
}

const struct fnn_op fnn_op_clone = {
    .name = "clone",
    .args = clone_args,
    .types = FNN_ANY,
    .flags = FNN_METHOD | FNN_STRIDED,
    .outputs = 1,
    .infer = clone_infer,
    .forward = forward,
    .backward = backward,
};

const struct fnn_op fnn_op_to = {
    .name = "to",
    .args = to_args,
    .defaults = &to_defaults,
    .params_bytes = sizeof(struct to),
    .types = FNN_ANY,
    .flags = FNN_METHOD | FNN_STRIDED,
    .outputs = 1,
    .infer = to_infer,
    .forward = forward,
    .backward = backward,
};
