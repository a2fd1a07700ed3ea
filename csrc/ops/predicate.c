/* Questions about each element, answered by uint8 0 or 1; the conditions are in kernels/predicate.inc. */
#include "../kernels/kernels.h"
#include "op.h"

static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR}, {0}};

enum { GRAIN = 16384 };

struct job {
  void (*predicate)(size_t n, const float *x, uint8_t *y);
  const float *x;
  uint8_t *y;
};

static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  job->predicate(last - first, job->x + first, job->y + first);
}

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, FNN_UINT8, fnn_in_shape(call, 0));
  return FNN_OK;
}

static enum fnn_status forward(struct fnn_call *call, enum fnn_predicate id) {
  struct job job = {call->context->kernels->elementwise->predicate[id], fnn_floats(call->in[0]),
                    fnn_bytes(call->out[0])};
  fnn_parallel(call->context, fnn_tensor_numel(call->out[0]), GRAIN, piece, &job);
  return FNN_OK;
}

#define FNN_PREDICATE(name_, condition)                                                                          \
  static enum fnn_status forward_##name_(struct fnn_call *call) { return forward(call, FNN_PREDICATE_##name_); } \
  const struct fnn_op fnn_op_##name_ = {                                                                         \
      .name = #name_,                                                                                            \
      .args = args,                                                                                              \
      .types = FNN_FLOATS,                                                                                       \
      .flags = FNN_METHOD,                                                                                       \
      .outputs = 1,                                                                                              \
      .infer = infer,                                                                                            \
      .forward = forward_##name_,                                                                                \
  };
#include "../kernels/predicate.inc"
