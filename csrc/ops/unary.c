/* Elementwise functions of one tensor; the formulas are in kernels/unary.inc. */
#include <math.h>

#include "../kernels/kernels.h"
#include "op.h"

/* ---- parameters: p[0] and p[1] of the kernels; the names are unary.inc's `params` ---- */

struct unary {
  double p[2];
};

static const struct unary none_defaults;
static const struct unary bounds_defaults = {{-INFINITY, INFINITY}};
static const struct unary slope_defaults = {{0.2}}; /* as Keras; PyTorch has 0.01 */
static const struct unary alpha_defaults = {{1.0}};

#define INPUT \
  { .name = "input", .kind = FNN_TENSOR }
#define PARAM(name_, i)                                        \
  {                                                            \
    .name = name_, .kind = FNN_FLOAT, .flags = FNN_OPTIONAL,   \
    .offset = offsetof(struct unary, p) + (i) * sizeof(double) \
  }

static const struct fnn_arg none_args[] = {INPUT, {0}};
static const struct fnn_arg bounds_args[] = {INPUT, PARAM("min", 0), PARAM("max", 1), {0}};
static const struct fnn_arg slope_args[] = {INPUT, PARAM("negative_slope", 0), {0}};
static const struct fnn_arg alpha_args[] = {INPUT, PARAM("alpha", 0), {0}};

/* ---- the loops ---- */

enum { GRAIN = 16384 };

struct job {
  void (*forward)(size_t n, const float *x, float *y, const float *p);
  void (*slope)(size_t n, const float *saved, const float *g, float *d, const float *p);
  const float *x, *g;
  float *y, p[2];
};

static struct job job_for(const struct fnn_call *call) {
  const struct unary *params = call->params;
  return (struct job){.p = {(float)params->p[0], (float)params->p[1]}};
}

static void forward_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  job->forward(last - first, job->x + first, job->y + first, job->p);
}

static void backward_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  job->slope(last - first, job->x + first, job->g + first, job->y + first, job->p);
}

static enum fnn_status infer(struct fnn_call *call) {
  fnn_out(call, 0, call->in_spec[0].dtype, fnn_in_shape(call, 0));
  return FNN_OK;
}

/* These stay integers when they are given integers, and wrap around; the others make floats of them. */
#define KEEPS_INTEGERS(id) \
  ((id) == FNN_UNARY_neg || (id) == FNN_UNARY_abs || (id) == FNN_UNARY_sign || (id) == FNN_UNARY_square)

static int64_t of_integer(enum fnn_unary id, int64_t x) {
  switch (id) {
    case FNN_UNARY_neg: return (int64_t)(0 - (uint64_t)x);
    case FNN_UNARY_abs: return x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
    case FNN_UNARY_sign: return (x > 0) - (x < 0);
    default: return (int64_t)((uint64_t)x * (uint64_t)x);
  }
}

static enum fnn_status forward(struct fnn_call *call, enum fnn_unary id) {
  if (call->in[0]->dtype == FNN_INT64) {
    for (size_t i = 0, n = fnn_tensor_numel(call->in[0]); i < n; i++)
      fnn_ints(call->out[0])[i] = of_integer(id, fnn_ints(call->in[0])[i]);
    return FNN_OK;
  }
  struct job job = job_for(call);
  job.forward = call->context->kernels->elementwise->unary[id];
  job.x = fnn_floats(call->in[0]);
  job.y = fnn_floats(call->out[0]);
  fnn_parallel(call->context, fnn_tensor_stored(call->out[0]), GRAIN, forward_piece, &job);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, enum fnn_unary id) {
  struct job job = job_for(call);
  const struct fnn_tensor *saved = call->in[0] ? call->in[0] : call->out[0];
  FNN_TRY(fnn_new_grad(call, 0));
  job.slope = call->context->kernels->elementwise->unary_slope[id];
  job.g = fnn_floats(call->grad);
  job.x = saved ? fnn_floats(saved) : job.g; /* where the slope reads nothing, any address will do */
  job.y = fnn_floats(call->grad_in[0]);
  fnn_parallel(call->context, fnn_tensor_stored(call->grad), GRAIN, backward_piece, &job);
  return FNN_OK;
}

#define X FNN_SAVE_IN(0)
#define Y FNN_SAVE_OUT(0)
#define NOTHING 0
#define FNN_UNARY(name_, params, y, slope, reads)                                                              \
  static enum fnn_status forward_##name_(struct fnn_call *call) { return forward(call, FNN_UNARY_##name_); }   \
  static enum fnn_status backward_##name_(struct fnn_call *call) { return backward(call, FNN_UNARY_##name_); } \
  const struct fnn_op fnn_op_##name_ = {                                                                       \
      .name = #name_,                                                                                          \
      .args = params##_args,                                                                                   \
      .defaults = &params##_defaults,                                                                          \
      .params_bytes = sizeof(struct unary),                                                                    \
      .types = KEEPS_INTEGERS(FNN_UNARY_##name_) ? FNN_NUMBERS : FNN_FLOATS,                                   \
      .flags = FNN_METHOD | FNN_IN_PLACE,                                                                      \
      .saves = reads,                                                                                          \
      .outputs = 1,                                                                                            \
      .lanes = fnn_lanes_as_given,                                                                             \
      .images = 1,                                                                                             \
      .infer = infer,                                                                                          \
      .forward = forward_##name_,                                                                              \
      .backward = backward_##name_,                                                                            \
  };
#include "../kernels/unary.inc"
