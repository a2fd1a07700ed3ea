/* sum and mean over any axes. The sum of integers is int64; a mean is float32. */
#include <string.h>

#include "../kernels/kernels.h"
#include "planes.h"
#include "reduction.h"

struct sum {
  struct fnn_reduce_params reduce;
};
static const struct sum defaults;
static const struct fnn_arg args[] = {FNN_REDUCE_ARGS(sum, reduce), {0}};

enum { BLOCK = 65536 }; /* a long line is summed in pieces of this length, which are then added in order */

struct job {
  const struct fnn_reduce_kernels *kernels;
  const float *x;
  double *partial;
  struct fnn_reduction r;
  size_t blocks; /* per line */
};

static void sum_block(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    size_t line = i / job->blocks, start = i % job->blocks * BLOCK;
    size_t n = job->r.n - start < BLOCK ? job->r.n - start : BLOCK;
    if (job->r.inner == 1)
      job->partial[i] = job->kernels->sum(n, job->x + line * job->r.n + start);
    else
      job->kernels->sum_rows(job->r.n, job->r.inner, job->x + line * job->r.n * job->r.inner,
                             job->partial + line * job->r.inner);
  }
}

static enum fnn_status sum_floats(struct fnn_call *call, const struct fnn_reduction *r, const struct fnn_tensor *x,
                                  double factor) {
  struct job job = {call->context->kernels->reduce, fnn_floats(x), NULL, *r,
                    r->inner == 1 ? (r->n + BLOCK - 1) / BLOCK : 1};
  if (job.blocks == 0) job.blocks = 1;
  size_t per_line = r->inner == 1 ? job.blocks : r->inner, count = r->outer * per_line;
  job.partial = fnn_alloc(call->context, (count ? count : 1) * sizeof *job.partial);
  if (!job.partial) return FNN_NO_MEMORY;
  memset(job.partial, 0, count * sizeof *job.partial);
  size_t work = r->n * r->inner + 1;
  fnn_parallel(call->context, r->outer * job.blocks, 1 + 16384 / work, sum_block, &job);
  float *y = fnn_floats(call->out[0]);
  for (size_t i = 0; i < r->outer; i++) {
    if (r->inner != 1) {
      for (size_t j = 0; j < r->inner; j++) y[i * r->inner + j] = (float)(job.partial[i * r->inner + j] * factor);
      continue;
    }
    double total = 0.0;
    for (size_t b = 0; b < job.blocks; b++) total += job.partial[i * job.blocks + b];
    y[i] = (float)(total * factor);
  }
  fnn_free(call->context, job.partial);
  return FNN_OK;
}

static void sum_ints(struct fnn_call *call, const struct fnn_reduction *r, const struct fnn_tensor *x) {
  for (size_t i = 0; i < r->outer; i++)
    for (size_t j = 0; j < r->inner; j++) {
      uint64_t total = 0; /* wraps around */
      for (size_t k = 0; k < r->n; k++) total += (uint64_t)fnn_ints(x)[(i * r->n + k) * r->inner + j];
      fnn_ints(call->out[0])[i * r->inner + j] = (int64_t)total;
    }
}

/* ---- in lanes: the sums of planes ---- */

struct planes {
  const struct fnn_lane_kernels *kernels;
  size_t size; /* floats of a plane */
  double factor;
  const float *from;
  float *to;
};

static void sum_planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct planes *j = user;
  size_t lanes = j->kernels->width;
  for (size_t plane = first; plane < last; plane++) {
    double total[FNN_LANES_MAX] = {0};
    j->kernels->sum(j->size / lanes, j->from + plane * j->size, total);
    for (size_t l = 0; l < lanes; l++) j->to[plane * lanes + l] = (float)(total[l] * j->factor);
  }
}

static void spread_planes(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct planes *j = user;
  size_t lanes = j->kernels->width;
  for (size_t plane = first; plane < last; plane++) {
    float numbers[FNN_LANES_MAX];
    for (size_t l = 0; l < lanes; l++) numbers[l] = j->from[plane * lanes + l] * (float)j->factor;
    fnn_fill_plane(lanes, numbers, j->size, j->to + plane * j->size);
  }
}

static void over_planes(struct fnn_call *call, fnn_task task, const struct fnn_tensor *from, struct fnn_tensor *to,
                        double factor) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  struct planes job = {
      .kernels = fnn_call_kernels(call), .factor = factor, .from = fnn_floats(from), .to = fnn_floats(to)};
  job.size = fnn_shape_product(x, 2, x->rank) * job.kernels->width;
  fnn_parallel(call->context, fnn_lane_planes(x, call->lanes), fnn_grain(job.size), task, &job);
}

static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct fnn_tensor *x = call->in[0];
  return fnn_reduces_planes(&x->shape, call->params) ? x->lanes : (struct fnn_lanes){0};
}

/* ---- forward and backward ---- */

static enum fnn_status run(struct fnn_call *call, int mean) {
  struct fnn_reduction r = fnn_reduction_of(fnn_in_shape(call, 0), call->params);
  struct fnn_tensor *x;
  if (call->lanes.count) {
    over_planes(call, sum_planes, call->in[0], call->out[0], mean ? 1.0 / (double)r.n : 1.0);
    return FNN_OK;
  }
  FNN_TRY(fnn_reduction_lay_out(&r, call->in[0], &x));
  enum fnn_status status = FNN_OK;
  if (x->dtype == FNN_INT64)
    sum_ints(call, &r, x);
  else
    status = sum_floats(call, &r, x, mean ? 1.0 / (double)r.n : 1.0);
  fnn_tensor_release(x);
  return status;
}

static enum fnn_status sum_infer(struct fnn_call *call) { return fnn_reduce_infer(call, call->in_spec[0].dtype); }
static enum fnn_status mean_infer(struct fnn_call *call) { return fnn_reduce_infer(call, FNN_FLOAT32); }
static enum fnn_status sum_forward(struct fnn_call *call) { return run(call, 0); }
static enum fnn_status mean_forward(struct fnn_call *call) { return run(call, 1); }

static enum fnn_status spread(struct fnn_call *call, float factor) {
  if (!call->lanes.count) return fnn_reduce_spread(call, factor);
  FNN_TRY(fnn_new_grad(call, 0));
  over_planes(call, spread_planes, call->grad, call->grad_in[0], factor);
  return FNN_OK;
}

static enum fnn_status sum_backward(struct fnn_call *call) { return spread(call, 1.0f); }

static enum fnn_status mean_backward(struct fnn_call *call) {
  return spread(call, 1.0f / (float)fnn_reduction_of(fnn_in_shape(call, 0), call->params).n);
}

#define SUM_OP(name_, types_)             \
  const struct fnn_op fnn_op_##name_ = {  \
      .name = #name_,                     \
      .args = args,                       \
      .defaults = &defaults,              \
      .params_bytes = sizeof(struct sum), \
      .types = types_,                    \
      .flags = FNN_METHOD,                \
      .outputs = 1,                       \
      .lanes = lanes,                     \
      .images = 1,                        \
      .infer = name_##_infer,             \
      .forward = name_##_forward,         \
      .backward = name_##_backward,       \
  }
SUM_OP(sum, FNN_NUMBERS);
SUM_OP(mean, FNN_FLOATS);
