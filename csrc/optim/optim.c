#include "optim.h"

#include <string.h>

#include "../tensor/lanes.h"
#include "../tensor/loop.h"

const struct fnn_optim_rule fnn_optim_rules[FNN_RULE_COUNT] = {
    [FNN_RULE_SGD] = {"sgd", 0, 4},
    [FNN_RULE_MOMENTUM] = {"momentum", 1, 6},
    [FNN_RULE_ADAM] = {"adam", 2, 7},
    [FNN_RULE_ADAMAX] = {"adamax", 2, 7},
    [FNN_RULE_NADAM] = {"nadam", 2, 10},
    [FNN_RULE_RMSPROP] = {"rmsprop", 1, 7},
    [FNN_RULE_RMSPROP_FULL] = {"rmsprop_full", 3, 8},
    [FNN_RULE_ADAGRAD] = {"adagrad", 1, 7},
    [FNN_RULE_ADADELTA] = {"adadelta", 2, 7},
};

int fnn_optim_find(const char *name) {
  for (int rule = 0; rule < FNN_RULE_COUNT; rule++)
    if (strcmp(fnn_optim_rules[rule].name, name) == 0) return rule;
  return -1;
}

enum { GRAIN = 16384 };

struct job {
  fnn_update update;
  float *w, *states[FNN_OPTIM_STATES];
  const float *grad, *h;
  int count;
};

static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  float *states[FNN_OPTIM_STATES] = {0};
  for (int i = 0; i < job->count; i++) states[i] = job->states[i] + first;
  job->update(last - first, job->w + first, job->grad + first, states, job->h);
}

static enum fnn_status check(const struct fnn_tensor *w, const struct fnn_tensor *other, const char *what) {
  struct fnn_context *context = fnn_tensor_context(w);
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  if (other->dtype == FNN_FLOAT32 && fnn_shape_equal(&w->shape, &other->shape) && fnn_tensor_is_contiguous(other))
    return FNN_OK;
  return fnn_fail(context, FNN_INVALID, "optimizer: %s: expected float32 of shape %s, dense, got %s of shape %s", what,
                  fnn_shape_text(&w->shape, a), fnn_dtype_name(other->dtype), fnn_shape_text(&other->shape, b));
}

enum fnn_status fnn_optim_step(enum fnn_rule rule, struct fnn_tensor *w, struct fnn_tensor *grad,
                               struct fnn_tensor *const *states, const float *h) {
  FNN_TRY(fnn_tensor_settle(grad));
  struct fnn_context *context = fnn_tensor_context(w);
  struct job job = {
      .update = context->kernels->update->rule[rule], .w = fnn_floats(w), .grad = fnn_floats(grad), .h = h};
  FNN_TRY(check(w, w, "parameter"));
  FNN_TRY(check(w, grad, "gradient"));
  for (; job.count < fnn_optim_rules[rule].states; job.count++) {
    FNN_TRY(check(w, states[job.count], "state"));
    job.states[job.count] = fnn_floats(states[job.count]);
    states[job.count]->storage->version++;
  }
  double start = context->profile ? fnn_clock() : 0.0;
  double arrays = 3.0 + 2.0 * job.count; /* w and states are written too */
  fnn_parallel(context, fnn_tensor_numel(w), GRAIN, piece, &job);
  fnn_profile_add(context, fnn_optim_rules[rule].name, "step", start, 0.0, arrays * 4.0 * (double)fnn_tensor_numel(w));
  w->storage->version++;
  return FNN_OK;
}

struct square_job {
  const struct fnn_reduce_kernels *kernels;
  const float *x;
  size_t n;
  double *partial;
};

static void square_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct square_job *job = user;
  job->partial[first / GRAIN] = job->kernels->sum_squares(last - first, job->x + first, 0.0f);
}

enum fnn_status fnn_sum_squares(struct fnn_tensor *tensor, double *out) {
  struct fnn_context *context = fnn_tensor_context(tensor);
  struct fnn_tensor *x;
  FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &x));
  size_t n = fnn_tensor_numel(x), pieces = (n + GRAIN - 1) / GRAIN;
  struct square_job job = {context->kernels->reduce, fnn_floats(x), n, fnn_alloc(context, pieces * sizeof(double))};
  if (job.partial) {
    fnn_parallel(context, n, GRAIN, square_piece, &job);
    *out = 0.0;
    for (size_t i = 0; i < pieces; i++) *out += job.partial[i];
  }
  enum fnn_status status = job.partial ? FNN_OK : FNN_NO_MEMORY;
  fnn_free(context, job.partial);
  fnn_tensor_release(x);
  return status;
}
