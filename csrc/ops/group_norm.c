/* Normalization of each example by itself:
 *
 *   layer_norm(x, weight, bias, {axes, epsilon})   over the last `axes` axes; weight and bias have their shape (Ba et al. 2016)
 *   group_norm(x, groups, weight, bias, {epsilon})  of x (N,C,...) over each group of channels; weight and bias (C)
 *                                                   (Wu and He 2018)
 *
 * y = (x - mean) / sqrt(variance + epsilon) * weight + bias, with the biased variance. Both are the same sums over rows of
 * x; they differ in how a row finds its weights. */
#include <math.h>
#include <string.h>

#include "../kernels/kernels.h"
#include "op.h"

struct norm {
  size_t axes, groups;
  double epsilon;
};
static const struct norm layer_defaults = {.axes = 1, .groups = 1, .epsilon = 1e-3};
static const struct norm group_defaults = {.epsilon = 1e-3};

#define WEIGHT \
  { .name = "weight", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL }
#define BIAS \
  { .name = "bias", .kind = FNN_TENSOR, .flags = FNN_OPTIONAL }
#define EPSILON FNN_PARAM(norm, epsilon, FNN_FLOAT, .flags = FNN_OPTIONAL)
static const struct fnn_arg layer_args[] = {{.name = "input", .kind = FNN_TENSOR},
                                            WEIGHT,
                                            BIAS,
                                            FNN_PARAM(norm, axes, FNN_SIZE, .flags = FNN_OPTIONAL, .least = 1),
                                            EPSILON,
                                            {0}};
static const struct fnn_arg group_args[] = {
    {.name = "input", .kind = FNN_TENSOR}, FNN_PARAM(norm, groups, FNN_SIZE, .least = 1), WEIGHT, BIAS, EPSILON, {0}};

/* Row r of `length` values; its value i has weight number (r % groups) * (length / repeat) + i / repeat. */
struct extent {
  size_t rows, length, groups, repeat, weights;
};

static struct extent layer_extent(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  int first = x->rank - (int)((const struct norm *)call->params)->axes;
  size_t length = fnn_shape_product(x, first, x->rank);
  return (struct extent){fnn_shape_product(x, 0, first), length, 1, 1, length};
}

static struct extent group_extent(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t groups = ((const struct norm *)call->params)->groups, pixels = fnn_shape_product(x, 2, x->rank);
  return (struct extent){x->size[0] * groups, x->size[1] / groups * pixels, groups, pixels, x->size[1]};
}

static enum fnn_status check_vector(const struct fnn_call *call, size_t i, const char *name,
                                    const struct fnn_shape *expected) {
  char a[FNN_SHAPE_TEXT], b[FNN_SHAPE_TEXT];
  if (!call->in[i] || fnn_shape_equal(fnn_in_shape(call, i), expected)) return FNN_OK;
  return fnn_refuse(call, name, "expected %s, got %s", fnn_shape_text(expected, a),
                    fnn_shape_text(fnn_in_shape(call, i), b));
}

static enum fnn_status layer_infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t axes = ((const struct norm *)call->params)->axes;
  if (axes > (size_t)x->rank)
    return fnn_refuse(call, "axes", "expected at most %d, the axes of the input, got %zu", x->rank, axes);
  struct fnn_shape expected = fnn_shape_of((int)axes, x->size + x->rank - axes);
  FNN_TRY(check_vector(call, 1, "weight", &expected));
  FNN_TRY(check_vector(call, 2, "bias", &expected));
  fnn_out(call, 0, FNN_FLOAT32, x);
  return FNN_OK;
}

static enum fnn_status group_infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t groups = ((const struct norm *)call->params)->groups;
  char text[FNN_SHAPE_TEXT];
  if (x->rank < 2) return fnn_refuse(call, "input", "expected (images,channels,...), got %s", fnn_shape_text(x, text));
  if (x->size[1] % groups != 0)
    return fnn_refuse(call, "groups", "expected a divisor of the %zu channels, got %zu", x->size[1], groups);
  struct fnn_shape expected = {1, {x->size[1]}};
  FNN_TRY(check_vector(call, 1, "weight", &expected));
  FNN_TRY(check_vector(call, 2, "bias", &expected));
  fnn_out(call, 0, FNN_FLOAT32, x);
  return FNN_OK;
}

struct job {
  const struct fnn_kernels *kernels;
  struct extent e;
  double epsilon;
  const float *x, *g, *weight, *bias;
  float *y;
};

struct moments {
  float mean, rstd;
};

static struct moments moments_of(const struct job *job, const float *x) {
  double count = (double)job->e.length;
  float mean = (float)(job->kernels->reduce->sum(job->e.length, x) / count);
  double variance = job->kernels->reduce->sum_squares(job->e.length, x, mean) / count;
  return (struct moments){mean, (float)(1.0 / sqrt(variance + job->epsilon))};
}

static size_t first_weight(const struct extent *e, size_t row) { return row % e->groups * (e->length / e->repeat); }

static void forward_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct extent *e = &job->e;
  for (size_t row = first; row < last; row++) {
    const float *x = job->x + row * e->length;
    float *y = job->y + row * e->length;
    struct moments m = moments_of(job, x);
    size_t w = first_weight(e, row);
    for (size_t i = 0, left = e->length; left > 0; i++, left -= e->repeat) {
      float scale = m.rstd * (job->weight ? job->weight[w + i] : 1.0f);
      float shift = (job->bias ? job->bias[w + i] : 0.0f) - m.mean * scale;
      job->kernels->norm->affine(e->repeat, x + i * e->repeat, scale, shift, y + i * e->repeat);
    }
  }
}

/* With h = (x - mean) rstd and v = g weight: dx = rstd (v - mean(v) - h mean(v h)). */
static void back_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct extent *e = &job->e;
  for (size_t row = first; row < last; row++) {
    const float *x = job->x + row * e->length, *g = job->g + row * e->length;
    float *d = job->y + row * e->length;
    struct moments m = moments_of(job, x);
    size_t w = first_weight(e, row);
    double sum_v = 0.0, sum_vh = 0.0;
    for (size_t i = 0; i < e->length / e->repeat; i++) {
      double weight = job->weight ? job->weight[w + i] : 1.0;
      sum_v += weight * job->kernels->reduce->sum(e->repeat, g + i * e->repeat);
      sum_vh +=
          weight * m.rstd * job->kernels->reduce->dot_centered(e->repeat, x + i * e->repeat, m.mean, g + i * e->repeat);
    }
    double mean_v = sum_v / (double)e->length, b = -m.rstd * m.rstd * sum_vh / (double)e->length;
    for (size_t i = 0; i < e->length / e->repeat; i++) {
      float weight = job->weight ? job->weight[w + i] : 1.0f;
      job->kernels->norm->affine_back(e->repeat, g + i * e->repeat, x + i * e->repeat, m.rstd * weight, (float)b,
                                      (float)(-m.rstd * mean_v - b * m.mean), d + i * e->repeat);
    }
  }
}

static struct job job_for(const struct fnn_call *call, struct extent e) {
  return (struct job){.kernels = call->context->kernels,
                      .e = e,
                      .epsilon = ((const struct norm *)call->params)->epsilon,
                      .x = fnn_floats(call->in[0]),
                      .weight = call->in[1] ? fnn_floats(call->in[1]) : NULL};
}

static size_t grain(const struct extent *e) { return 1 + 8192 / (e->length ? e->length : 1); }

static enum fnn_status forward(struct fnn_call *call, struct extent e) {
  struct job job = job_for(call, e);
  job.bias = call->in[2] ? fnn_floats(call->in[2]) : NULL;
  job.y = fnn_floats(call->out[0]);
  if (e.length > 0) fnn_parallel(call->context, e.rows, grain(&e), forward_rows, &job);
  return FNN_OK;
}

/* dweight = sum g h and dbias = sum g, over the rows in order. */
static enum fnn_status affine_gradients(struct fnn_call *call, const struct job *job) {
  const struct extent *e = &job->e;
  double *total = fnn_alloc(call->context, (2 * e->weights + 1) * sizeof *total);
  if (!total) return FNN_NO_MEMORY;
  memset(total, 0, 2 * e->weights * sizeof *total);
  for (size_t row = 0; row < e->rows && e->length > 0; row++) {
    const float *x = job->x + row * e->length, *g = job->g + row * e->length;
    struct moments m = moments_of(job, x);
    size_t w = first_weight(e, row);
    for (size_t i = 0; i < e->length / e->repeat; i++) {
      total[w + i] +=
          m.rstd * job->kernels->reduce->dot_centered(e->repeat, x + i * e->repeat, m.mean, g + i * e->repeat);
      total[e->weights + w + i] += job->kernels->reduce->sum(e->repeat, g + i * e->repeat);
    }
  }
  for (size_t i = 0; i < e->weights; i++) {
    if (fnn_wants(call, 1)) fnn_floats(call->grad_in[1])[i] = (float)total[i];
    if (fnn_wants(call, 2)) fnn_floats(call->grad_in[2])[i] = (float)total[e->weights + i];
  }
  fnn_free(call->context, total);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, struct extent e) {
  struct job job = job_for(call, e);
  job.g = fnn_floats(call->grad);
  for (size_t i = 0; i < 3; i++)
    if (fnn_wants(call, i)) FNN_TRY(fnn_new_grad(call, i));
  if (fnn_wants(call, 0) && e.length > 0) {
    job.y = fnn_floats(call->grad_in[0]);
    fnn_parallel(call->context, e.rows, grain(&e), back_rows, &job);
  }
  return fnn_wants(call, 1) || fnn_wants(call, 2) ? affine_gradients(call, &job) : FNN_OK;
}

static enum fnn_status layer_forward(struct fnn_call *call) { return forward(call, layer_extent(call)); }
static enum fnn_status layer_backward(struct fnn_call *call) { return backward(call, layer_extent(call)); }
static enum fnn_status group_forward(struct fnn_call *call) { return forward(call, group_extent(call)); }
static enum fnn_status group_backward(struct fnn_call *call) { return backward(call, group_extent(call)); }

const struct fnn_op fnn_op_layer_norm = {
    .name = "layer_norm",
    .args = layer_args,
    .defaults = &layer_defaults,
    .params_bytes = sizeof(struct norm),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = layer_infer,
    .forward = layer_forward,
    .backward = layer_backward,
};

const struct fnn_op fnn_op_group_norm = {
    .name = "group_norm",
    .args = group_args,
    .defaults = &group_defaults,
    .params_bytes = sizeof(struct norm),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1),
    .outputs = 1,
    .infer = group_infer,
    .forward = group_forward,
    .backward = group_backward,
};
