/* cumsum(x, dim): running sums along an axis. */
#include "line.h"

static const struct fnn_line_params defaults = {-1};
static const struct fnn_arg args[] = {FNN_LINE_ARGS(fnn_line_params, axis), {0}};

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, call->in_spec[0].dtype, fnn_in_shape(call, 0));
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_lines l = fnn_lines_of(call);
  for (size_t i = 0; i < l.outer; i++)
    for (size_t j = 0; j < l.inner; j++) {
      double total = 0.0;
      uint64_t whole = 0; /* wraps around */
      for (size_t k = 0; k < l.n; k++) {
        size_t at = (i * l.n + k) * l.inner + j;
        if (call->out[0]->dtype == FNN_FLOAT32)
          fnn_floats(call->out[0])[at] = (float)(total += fnn_floats(call->in[0])[at]);
        else
          fnn_ints(call->out[0])[at] = (int64_t)(whole += (uint64_t)fnn_ints(call->in[0])[at]);
      }
    }
  return FNN_OK;
}

/* Each element counts in its own sum and in all after it. */
static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_lines l = fnn_lines_of(call);
  FNN_TRY(fnn_new_grad(call, 0));
  for (size_t i = 0; i < l.outer; i++)
    for (size_t j = 0; j < l.inner; j++) {
      double total = 0.0;
      for (size_t k = l.n; k-- > 0;) {
        size_t at = (i * l.n + k) * l.inner + j;
        fnn_floats(call->grad_in[0])[at] = (float)(total += fnn_floats(call->grad)[at]);
      }
    }
  return FNN_OK;
}

const struct fnn_op fnn_op_cumsum = {
    .name = "cumsum",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct fnn_line_params),
    .types = FNN_NUMBERS,
    .flags = FNN_METHOD,
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
