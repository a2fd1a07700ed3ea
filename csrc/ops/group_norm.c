/* Normalization of each example by itself (images in lanes: lane_norm.c):
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
#include "lane_norm.h"

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
  FNN_TRY(fnn_check_epsilon(call, ((const struct norm *)call->params)->epsilon));
  fnn_out(call, 0, FNN_FLOAT32, x);
  return FNN_OK;
}

static enum fnn_status group_infer(struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t groups = ((const struct norm *)call->params)->groups;
  char text[FNN_SHAPE_TEXT];
  if (x->rank < 2) return fnn_refuse(call, "input", "expected (images,channels,...), got %s", fnn_shape_text(x, text));
  FNN_TRY(fnn_check_groups(call, groups, x->size[1], "channels"));
  struct fnn_shape expected = {1, {x->size[1]}};
  FNN_TRY(check_vector(call, 1, "weight", &expected));
  FNN_TRY(check_vector(call, 2, "bias", &expected));
  FNN_TRY(fnn_check_epsilon(call, ((const struct norm *)call->params)->epsilon));
  fnn_out(call, 0, FNN_FLOAT32, x);
  return FNN_OK;
}

struct job {
  const struct fnn_kernels *kernels;
  struct extent e;
  double epsilon;
  const float *x, *g, *weight, *bias;
  float *y, *d, *d_weight, *d_bias; /* those of backward where they are wanted, else NULL */
  size_t part, parts;               /* rows in a part; parts of the rows */
  double *sums;                     /* for each part: the gradients of weight, then of bias */
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

static size_t weights_of_row(const struct extent *e) { return e->length / e->repeat; }
static size_t first_weight(const struct extent *e, size_t row) { return row % e->groups * weights_of_row(e); }

/* Where a row's part of the vector begins, or NULL. */
static const float *from(const float *vector, size_t first) { return vector ? vector + first : NULL; }

static void forward_row(const struct job *job, const float *x, const float *weight, const float *bias, float *y) {
  const struct extent *e = &job->e;
  const struct fnn_norm_kernels *kernels = job->kernels->norm;
  struct moments m = moments_of(job, x);
  if (e->repeat == 1) {
    kernels->normalize(e->length, x, m.mean, m.rstd, weight, bias, y);
    return;
  }
  for (size_t i = 0; i < weights_of_row(e); i++, x += e->repeat, y += e->repeat) {
    float scale = m.rstd * (weight ? weight[i] : 1.0f);
    kernels->affine(e->repeat, x, scale, (bias ? bias[i] : 0.0f) - m.mean * scale, y);
  }
}

static void forward_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t row = first; row < last; row++) {
    size_t w = first_weight(&job->e, row), at = row * job->e.length;
    forward_row(job, job->x + at, from(job->weight, w), from(job->bias, w), job->y + at);
  }
}

/* ---- backward ----
 *
 * With h = (x - mean) rstd and v = g weight: dx = rstd (v - mean(v) - h mean(v h)), and over the rows dweight = sum g h and
 * dbias = sum g. A piece of work is a part of the rows, which adds up these sums in order; then the parts are added up. */

enum { MAX_PARTS = 16 };

/* The sums of v and v (x - mean) over a row. */
struct row_sums {
  double v, vx;
};

static struct row_sums sums_of(const struct job *job, const float *g, const float *x, float mean, const float *weight) {
  const struct extent *e = &job->e;
  const struct fnn_reduce_kernels *kernels = job->kernels->reduce;
  struct row_sums sums = {0};
  if (!weight) return (struct row_sums){kernels->sum(e->length, g), kernels->dot_centered(e->length, x, mean, g)};
  if (e->repeat == 1)
    return (struct row_sums){kernels->dot(e->length, g, weight), kernels->dot_weighted(e->length, x, mean, g, weight)};
  for (size_t i = 0; i < weights_of_row(e); i++, x += e->repeat, g += e->repeat) {
    sums.v += weight[i] * kernels->sum(e->repeat, g);
    sums.vx += weight[i] * kernels->dot_centered(e->repeat, x, mean, g);
  }
  return sums;
}

static void back_row(const struct job *job, struct moments m, const float *g, const float *x, const float *weight,
                     float *d) {
  const struct extent *e = &job->e;
  const struct fnn_norm_kernels *kernels = job->kernels->norm;
  struct row_sums sums = sums_of(job, g, x, m.mean, weight);
  double rstd = m.rstd, count = (double)e->length, b = -rstd * rstd * rstd * sums.vx / count;
  float factor = (float)b, constant = (float)(-rstd * sums.v / count - b * m.mean);
  if (!weight) {
    kernels->affine_back(e->length, g, x, m.rstd, factor, constant, d);
  } else if (e->repeat == 1) {
    kernels->normalize_back(e->length, g, x, weight, m.rstd, factor, constant, d);
  } else {
    for (size_t i = 0; i < weights_of_row(e); i++, g += e->repeat, x += e->repeat, d += e->repeat)
      kernels->affine_back(e->repeat, g, x, m.rstd * weight[i], factor, constant, d);
  }
}

static void add_row(const struct job *job, struct moments m, const float *g, const float *x, double *d_weight,
                    double *d_bias) {
  const struct extent *e = &job->e;
  if (e->repeat == 1) {
    job->kernels->norm->normalize_sums(e->length, g, x, m.mean, m.rstd, d_weight, d_bias);
    return;
  }
  for (size_t i = 0; i < weights_of_row(e); i++, x += e->repeat, g += e->repeat) {
    d_weight[i] += m.rstd * job->kernels->reduce->dot_centered(e->repeat, x, m.mean, g);
    d_bias[i] += job->kernels->reduce->sum(e->repeat, g);
  }
}

static void back_parts(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct extent *e = &job->e;
  for (size_t part = first; part < last; part++) {
    double *sums = job->sums ? job->sums + part * 2 * e->weights : NULL;
    for (size_t row = part * job->part; row < e->rows && row < (part + 1) * job->part; row++) {
      const float *x = job->x + row * e->length, *g = job->g + row * e->length;
      struct moments m = moments_of(job, x);
      size_t w = first_weight(e, row);
      if (job->d) back_row(job, m, g, x, from(job->weight, w), job->d + row * e->length);
      if (sums) add_row(job, m, g, x, sums + w, sums + e->weights + w);
    }
  }
}

static void add_parts(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  for (size_t i = first; i < last; i++) {
    double weight = 0.0, bias = 0.0;
    for (size_t part = 0; part < job->parts; part++) {
      weight += job->sums[part * 2 * job->e.weights + i];
      bias += job->sums[(part * 2 + 1) * job->e.weights + i];
    }
    if (job->d_weight) job->d_weight[i] = (float)weight;
    if (job->d_bias) job->d_bias[i] = (float)bias;
  }
}

static struct job job_for(const struct fnn_call *call, struct extent e) {
  return (struct job){.kernels = call->context->kernels,
                      .e = e,
                      .epsilon = ((const struct norm *)call->params)->epsilon,
                      .x = fnn_floats(call->in[0]),
                      .weight = call->in[1] ? fnn_floats(call->in[1]) : NULL};
}

static enum fnn_status forward(struct fnn_call *call, struct extent e) {
  struct job job = job_for(call, e);
  job.bias = call->in[2] ? fnn_floats(call->in[2]) : NULL;
  job.y = fnn_floats(call->out[0]);
  if (e.length > 0) fnn_parallel(call->context, e.rows, fnn_grain(e.length), forward_rows, &job);
  return FNN_OK;
}

static enum fnn_status want(struct fnn_call *call, size_t i, float **gradient) {
  if (!fnn_wants(call, i)) return FNN_OK;
  FNN_TRY(fnn_new_grad(call, i));
  *gradient = fnn_floats(call->grad_in[i]);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call, struct extent e) {
  struct job job = job_for(call, e);
  size_t least = fnn_grain(e.length), even = (e.rows + MAX_PARTS - 1) / MAX_PARTS;
  job.part = least > even ? least : even;
  job.parts = (e.rows + job.part - 1) / job.part;
  job.g = fnn_floats(call->grad);
  FNN_TRY(want(call, 0, &job.d));
  FNN_TRY(want(call, 1, &job.d_weight));
  FNN_TRY(want(call, 2, &job.d_bias));
  if (job.d_weight || job.d_bias) {
    size_t bytes = job.parts * 2 * e.weights * sizeof *job.sums;
    job.sums = fnn_alloc(call->context, bytes);
    if (!job.sums) return FNN_NO_MEMORY;
    memset(job.sums, 0, bytes);
  }
  if (e.length > 0) fnn_parallel(call->context, job.parts, 1, back_parts, &job);
  if (job.sums) fnn_parallel(call->context, e.weights, 4096, add_parts, &job);
  fnn_free(call->context, job.sums);
  return FNN_OK;
}

static enum fnn_status layer_forward(struct fnn_call *call) { return forward(call, layer_extent(call)); }
static enum fnn_status layer_backward(struct fnn_call *call) { return backward(call, layer_extent(call)); }

static enum fnn_status group_forward(struct fnn_call *call) {
  const struct norm *norm = call->params;
  return call->lanes.count ? fnn_lane_norm(call, norm->groups, norm->epsilon) : forward(call, group_extent(call));
}

static enum fnn_status group_backward(struct fnn_call *call) {
  const struct norm *norm = call->params;
  return call->lanes.count ? fnn_lane_norm_back(call, norm->groups, norm->epsilon) : backward(call, group_extent(call));
}

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
    .lanes = fnn_images_as_given,
    .images = 1,
    .infer = group_infer,
    .forward = group_forward,
    .backward = group_backward,
};
