/* Comparisons of two tensors or of a tensor and a number, with broadcasting: uint8 0 or 1. The conditions
 * are in kernels/compare.inc. */
#include "../kernels/kernels.h"
#include "op.h"

static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {.name = "other", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {0}};

struct job {
  const struct fnn_elementwise_kernels *kernels;
  enum fnn_compare id;
};

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_shape shape;
  FNN_TRY(fnn_shape_broadcast(call->context, call->op->name, fnn_in_shape(call, 0), fnn_in_shape(call, 1), &shape));
  fnn_out(call, 0, FNN_UINT8, &shape);
  return FNN_OK;
}

static void run_floats(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->compare[job->id](n, (float *)at[1], stride[1], (float *)at[2], stride[2], (uint8_t *)at[0], stride[0]);
}

static void run_ints(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->compare_int[job->id](n, (int64_t *)at[1], stride[1], (int64_t *)at[2], stride[2], (uint8_t *)at[0],
                                     stride[0]);
}

static enum fnn_status forward(struct fnn_call *call, enum fnn_compare id) {
  struct job job = {call->context->kernels->elementwise, id};
  struct fnn_tensor *operands[] = {call->out[0], call->in[0], call->in[1]};
  fnn_loop(call->context, &call->out[0]->shape, 3, operands, call->in[0]->dtype == FNN_INT64 ? run_ints : run_floats,
           &job);
  return FNN_OK;
}

#define FNN_COMPARE(name_, condition)                                                                          \
  static enum fnn_status forward_##name_(struct fnn_call *call) { return forward(call, FNN_COMPARE_##name_); } \
  const struct fnn_op fnn_op_##name_ = {                                                                       \
      .name = #name_,                                                                                          \
      .args = args,                                                                                            \
      .types = FNN_NUMBERS,                                                                                    \
      .flags = FNN_METHOD | FNN_STRIDED,                                                                       \
      .outputs = 1,                                                                                            \
      .infer = infer,                                                                                          \
      .forward = forward_##name_,                                                                              \
  };
#include "../kernels/compare.inc"
