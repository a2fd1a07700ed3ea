#include "optim.h"

#include <math.h>
#include <string.h>

#include "../base/denormals.h"
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
    [FNN_RULE_LION] = {"lion", 1, 6},
    [FNN_RULE_LAMB] = {"lamb", 2, 10, .directs = 1},
    [FNN_RULE_AVERAGE] = {"average", 0, 4},
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
  return fnn_fail(context, FNN_INVALID, "optimizer: %s: expected float32 of shape %s, dense, got %s of shape %s%s",
                  what, fnn_shape_text(&w->shape, a), fnn_dtype_name(other->dtype), fnn_shape_text(&other->shape, b),
                  fnn_tensor_is_contiguous(other) ? "" : ", not dense");
}

struct square_job {
  const struct fnn_reduce_kernels *kernels;
  const float *x;
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
  struct square_job job = {context->kernels->reduce, fnn_floats(x), fnn_alloc(context, pieces * sizeof(double))};
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

/* One pass of a rule over a parameter, whose tensors have been checked. */
static void run(enum fnn_rule rule, struct fnn_tensor *w, const struct fnn_tensor *grad,
                struct fnn_tensor *const *states, int count, const float *h) {
  struct fnn_context *context = fnn_tensor_context(w);
  struct job job = {context->kernels->update->rule[rule], .w = fnn_floats(w), .grad = fnn_floats(grad), .h = h};
  for (; job.count < count; job.count++) {
    job.states[job.count] = fnn_floats(states[job.count]);
    states[job.count]->storage->version++;
  }
  double start = context->profile ? fnn_clock() : 0.0;
  double arrays = 3.0 + 2.0 * count; /* w and states are written too */
  fnn_float_mode before = fnn_flush_denormals();
  fnn_parallel(context, fnn_tensor_numel(w), GRAIN, piece, &job);
  fnn_float_mode_set(before);
  fnn_profile_add(context, fnn_optim_rules[rule].name, "step", start, 0.0, arrays * 4.0 * (double)fnn_tensor_numel(w));
  w->storage->version++;
}

/* w -= lr |w| / |d| d for the direction d (You et al. 2019, algorithm 2, with the identity for phi); the ratio of norms is
 * 1 where one of them is 0. */
static enum fnn_status follow(struct fnn_tensor *w, struct fnn_tensor *direction, float lr) {
  double squares_w, squares_d;
  FNN_TRY(fnn_sum_squares(w, &squares_w));
  FNN_TRY(fnn_sum_squares(direction, &squares_d));
  double ratio = squares_w > 0.0 && squares_d > 0.0 ? sqrt(squares_w / squares_d) : 1.0;
  run(FNN_RULE_SGD, w, direction, NULL, 0, (const float[]){1.0f, INFINITY, (float)(lr * ratio), 0.0f});
  return FNN_OK;
}

enum fnn_status fnn_optim_step(enum fnn_rule rule, struct fnn_tensor *w, struct fnn_tensor *grad,
                               struct fnn_tensor *const *states, const float *h) {
  int count = fnn_optim_rules[rule].states;
  FNN_TRY(fnn_tensor_settle(grad));
  FNN_TRY(check(w, w, "parameter"));
  FNN_TRY(check(w, grad, "gradient"));
  for (int i = 0; i < count; i++) FNN_TRY(check(w, states[i], "state"));
  if (!fnn_optim_rules[rule].directs) {
    run(rule, w, grad, states, count, h);
    return FNN_OK;
  }
  struct fnn_tensor *with_direction[FNN_OPTIM_STATES], *direction;
  FNN_TRY(fnn_tensor_new(fnn_tensor_context(w), FNN_FLOAT32, &w->shape, &direction));
  for (int i = 0; i < count; i++) with_direction[i] = states[i];
  with_direction[count] = direction;
  run(rule, w, grad, with_direction, count + 1, h);
  enum fnn_status status = follow(w, direction, h[2]);
  fnn_tensor_release(direction);
  return status;
}

enum fnn_status fnn_optim_average(struct fnn_tensor *average, struct fnn_tensor *tensor, double weight) {
  struct fnn_tensor *dense;
  FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &dense));
  enum fnn_status status = check(average, average, "average");
  if (status == FNN_OK) status = check(average, dense, "tensor to average");
  if (status == FNN_OK)
    run(FNN_RULE_AVERAGE, average, dense, NULL, 0, (const float[]){1.0f, INFINITY, (float)weight, 0.0f});
  fnn_tensor_release(dense);
  return status;
}
