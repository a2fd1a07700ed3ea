/* Elementwise functions of two tensors or of a tensor and a number, with broadcasting; the formulas
 * are in kernels/binary.inc. */
#include "../kernels/kernels.h"
#include "op.h"

static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {.name = "other", .kind = FNN_TENSOR, .flags = FNN_OR_NUMBER},
                                      {0}};

struct job {
  const struct fnn_elementwise_kernels *kernels;
  enum fnn_binary id;
  int side; /* in backward: of which input */
};

static enum fnn_status refuse_zero_divisor(const struct fnn_call *call) {
  struct fnn_tensor b = *call->in[1];
  for (int i = 0; i < b.shape.rank; i++) /* what expand repeats need be looked at once */
    if (b.stride[i] == 0 && b.shape.size[i] > 1) b.shape.size[i] = 1;
  for (size_t i = 0, n = fnn_tensor_numel(&b); i < n; i++)
    if (fnn_ints(&b)[fnn_tensor_position(&b, i)] == 0) return fnn_refuse(call, "other", "integer division by zero");
  return FNN_OK;
}

static enum fnn_status infer(struct fnn_call *call, enum fnn_binary id) {
  struct fnn_shape shape;
  FNN_TRY(fnn_shape_broadcast(call->context, call->op->name, fnn_in_shape(call, 0), fnn_in_shape(call, 1), &shape));
  if (call->in_spec[1].dtype == FNN_INT64 && (id == FNN_BINARY_floor_divide || id == FNN_BINARY_remainder))
    FNN_TRY(refuse_zero_divisor(call));
  fnn_out(call, 0, call->in_spec[0].dtype, &shape);
  return FNN_OK;
}

/* What lies in lanes stays there beside images of the same shape, or a number that needs no gradient. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct fnn_tensor *a = call->in[0], *b = call->in[1];
  const struct fnn_lanes none = {0};
  if (b->shape.rank == 0) return b->requires_grad ? none : a->lanes;
  if (a->shape.rank == 0) return a->requires_grad ? none : b->lanes;
  if (a->dtype != FNN_FLOAT32 || b->dtype != FNN_FLOAT32 || !fnn_shape_equal(&a->shape, &b->shape)) return none;
  return a->lanes.count ? a->lanes : b->lanes;
}

/* A loop over operands of the call's layout, the first of them the widest; `run` is told of each element that is stored. */
static void loop(struct fnn_call *call, int operands, struct fnn_tensor *const operand[], fnn_run run, void *user) {
  struct fnn_tensor flat[FNN_LOOP_OPERANDS], *each[FNN_LOOP_OPERANDS];
  for (int i = 0; i < operands; i++) {
    each[i] = operand[i];
    if (!operand[i]->lanes.count) continue;
    flat[i] = fnn_tensor_flat(operand[i]);
    each[i] = &flat[i];
  }
  fnn_loop(call->context, &each[0]->shape, operands, each, run, user);
}

static void run_floats(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary[job->id](n, (float *)at[1], stride[1], (float *)at[2], stride[2], (float *)at[0], stride[0]);
}

static void run_ints(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary_int[job->id](n, (int64_t *)at[1], stride[1], (int64_t *)at[2], stride[2], (int64_t *)at[0],
                                    stride[0]);
}

static enum fnn_status forward(struct fnn_call *call, enum fnn_binary id) {
  struct job job = {.kernels = call->context->kernels->elementwise, .id = id};
  struct fnn_tensor *operands[] = {call->out[0], call->in[0], call->in[1]};
  loop(call, 3, operands, call->out[0]->dtype == FNN_INT64 ? run_ints : run_floats, &job);
  return FNN_OK;
}

static void run_slope(void *user, size_t n, char *const at[], const size_t stride[]) {
  const struct job *job = user;
  job->kernels->binary_slope[job->id][job->side](n, (float *)at[1], stride[1], (float *)at[2], stride[2],
                                                 (float *)at[3], stride[3], (float *)at[0]);
}

/* grad * slope, over the broadcast shape; the kernels write it densely. */
static enum fnn_status wide_gradient(struct fnn_call *call, enum fnn_binary id, int side, struct fnn_tensor **out) {
  int constant = id == FNN_BINARY_add || (id == FNN_BINARY_sub && side == 0);
  int laned = call->lanes.count > 0;
  if (constant && laned) *out = fnn_tensor_retain(call->grad);
  if (constant) return laned ? FNN_OK : fnn_tensor_dense(call->grad, FNN_FLOAT32, out);
  FNN_TRY(laned ? fnn_tensor_new_laned(call->context, &call->grad->shape, call->lanes, out)
                : fnn_tensor_new(call->context, FNN_FLOAT32, &call->grad->shape, out));
  struct job job = {.kernels = call->context->kernels->elementwise, .id = id, .side = side};
  /* what was not saved is not read either */
  struct fnn_tensor *a = call->in[0] ? call->in[0] : call->grad, *b = call->in[1] ? call->in[1] : call->grad;
  struct fnn_tensor *operands[] = {*out, a, b, call->grad};
  loop(call, 4, operands, run_slope, &job);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, enum fnn_binary id) {
  for (int side = 0; side < 2; side++) {
    struct fnn_tensor *wide;
    if (!fnn_wants(call, (size_t)side)) continue;
    FNN_TRY(wide_gradient(call, id, side, &wide));
    if (call->lanes.count) {
      call->grad_in[side] = wide;
      continue;
    }
    enum fnn_status status = fnn_sum_to(wide, fnn_in_shape(call, (size_t)side), &call->grad_in[side]);
    fnn_tensor_release(wide);
    FNN_TRY(status);
  }
  return FNN_OK;
}

#define FNN_BINARY(name_, types_, y, int_y, slope_a, slope_b)                                                   \
  static enum fnn_status infer_##name_(struct fnn_call *call) { return infer(call, FNN_BINARY_##name_); }       \
  static enum fnn_status forward_##name_(struct fnn_call *call) { return forward(call, FNN_BINARY_##name_); }   \
  static enum fnn_status backward_##name_(struct fnn_call *call) { return backward(call, FNN_BINARY_##name_); } \
  const struct fnn_op fnn_op_##name_ = {                                                                        \
      .name = #name_,                                                                                           \
      .args = args,                                                                                             \
      .types = FNN_##types_,                                                                                    \
      .flags = FNN_METHOD | FNN_IN_PLACE | FNN_STRIDED,                                                         \
      .saves = FNN_BINARY_##name_ == FNN_BINARY_add || FNN_BINARY_##name_ == FNN_BINARY_sub                     \
                   ? 0                                                                                          \
                   : FNN_SAVE_IN(0) | FNN_SAVE_IN(1),                                                           \
      .outputs = 1,                                                                                             \
      .lanes = lanes,                                                                                           \
      .images = 3,                                                                                              \
      .infer = infer_##name_,                                                                                   \
      .forward = forward_##name_,                                                                               \
      .backward = backward_##name_,                                                                             \
  };
#include "../kernels/binary.inc"
