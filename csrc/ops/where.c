/* where(condition, a, b): a where the condition is not 0, else b; all three broadcast. The result is
 * float32 where a or b is, else int64. */
#include "../kernels/kernels.h"
#include "op.h"

static const struct fnn_arg args[] = {{.name = "condition", .kind = FNN_TENSOR},
                                      {.name = "a", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {.name = "b", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {0}};

static enum fnn_status infer(struct fnn_call *call) {
  struct fnn_shape shape;
  const struct fnn_spec *in = call->in_spec;
  if (in[0].dtype != FNN_UINT8)
    return fnn_refuse(call, "condition", "expected a uint8 tensor, as comparisons give, got %s",
                      fnn_dtype_name(in[0].dtype));
  FNN_TRY(fnn_shape_broadcast(call->context, "where", &in[1].shape, &in[2].shape, &shape));
  FNN_TRY(fnn_shape_broadcast(call->context, "where", &in[0].shape, &shape, &shape));
  int floats = in[1].dtype == FNN_FLOAT32 || in[2].dtype == FNN_FLOAT32;
  fnn_out(call, 0, floats ? FNN_FLOAT32 : FNN_INT64, &shape);
  return FNN_OK;
}

static void run_floats(void *user, size_t n, char *const at[], const size_t stride[]) {
  ((const struct fnn_elementwise_kernels *)user)
      ->where(n, (uint8_t *)at[1], stride[1], (float *)at[2], stride[2], (float *)at[3], stride[3], (float *)at[0],
              stride[0]);
}

static void run_ints(void *user, size_t n, char *const at[], const size_t stride[]) {
  ((const struct fnn_elementwise_kernels *)user)
      ->where_int(n, (uint8_t *)at[1], stride[1], (int64_t *)at[2], stride[2], (int64_t *)at[3], stride[3],
                  (int64_t *)at[0], stride[0]);
}

static void choose(struct fnn_call *call, struct fnn_tensor *condition, struct fnn_tensor *a, struct fnn_tensor *b,
                   struct fnn_tensor *out) {
  struct fnn_tensor *operands[] = {out, condition, a, b};
  fnn_loop(call->context, &out->shape, 4, operands, out->dtype == FNN_INT64 ? run_ints : run_floats,
           (void *)call->context->kernels->elementwise);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_tensor *a, *b;
  FNN_TRY(fnn_tensor_dense(call->in[1], call->out[0]->dtype, &a));
  enum fnn_status status = fnn_tensor_dense(call->in[2], call->out[0]->dtype, &b);
  if (status == FNN_OK) {
    choose(call, call->in[0], a, b, call->out[0]);
    fnn_tensor_release(b);
  }
  fnn_tensor_release(a);
  return status;
}

/* The gradient of one side: grad where it was chosen, else 0. */
static enum fnn_status side_gradient(struct fnn_call *call, int side, struct fnn_tensor *zero) {
  struct fnn_tensor *wide;
  FNN_TRY(fnn_tensor_new(call->context, FNN_FLOAT32, &call->grad->shape, &wide));
  choose(call, call->in[0], side == 1 ? call->grad : zero, side == 1 ? zero : call->grad, wide);
  enum fnn_status status = fnn_sum_to(wide, fnn_in_shape(call, (size_t)side), &call->grad_in[side]);
  fnn_tensor_release(wide);
  return status;
}

static enum fnn_status backward(struct fnn_call *call) {
  struct fnn_tensor *zero;
  FNN_TRY(fnn_tensor_number(call->context, 0.0, &zero));
  enum fnn_status status = FNN_OK;
  for (int side = 1; side <= 2 && status == FNN_OK; side++)
    if (fnn_wants(call, (size_t)side)) status = side_gradient(call, side, zero);
  fnn_tensor_release(zero);
  return status;
}

const struct fnn_op fnn_op_where = {
    .name = "where",
    .args = args,
    .types = FNN_ANY,
    .flags = FNN_METHOD | FNN_STRIDED,
    .saves = FNN_SAVE_IN(0),
    .outputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
