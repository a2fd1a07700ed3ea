/* A piece of work is a group of channels of a block of images. What is added up over images, the gradients of weight and bias, is
 * kept for each block and then added in order. */
#include "lane_norm.h"

#include <math.h>
#include <string.h>

#include "../kernels/kernels.h"

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_shape *shape;
  size_t channels, groups, pixels, blocks;
  double epsilon;
  const float *x, *g, *weight, *bias; /* weight and bias: may be NULL */
  float *y, *d;                       /* d: NULL where nobody wants it */
  double *sums;                       /* of each block: the gradients of weight, then of bias; NULL likewise */
};

/* Of each lane. */
struct moments {
  float mean[FNN_LANES_MAX], rstd[FNN_LANES_MAX];
};

static size_t channels_of_group(const struct job *j) { return j->channels / j->groups; }
static size_t plane(const struct job *j) { return j->pixels * j->kernels->width; }
static float weight_of(const struct job *j, size_t channel) { return j->weight ? j->weight[channel] : 1.0f; }

static struct moments moments_of(const struct job *j, const float *x) {
  size_t n = channels_of_group(j) * j->pixels;
  double sum[FNN_LANES_MAX] = {0}, squares[FNN_LANES_MAX] = {0};
  struct moments m;
  j->kernels->sum(n, x, sum);
  for (size_t l = 0; l < j->kernels->width; l++) m.mean[l] = (float)(sum[l] / (double)n);
  j->kernels->sum_squares(n, x, m.mean, squares);
  for (size_t l = 0; l < j->kernels->width; l++) m.rstd[l] = (float)(1.0 / sqrt(squares[l] / (double)n + j->epsilon));
  return m;
}

static void forward_groups(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    size_t channel = i % j->groups * channels_of_group(j), at = i * channels_of_group(j) * plane(j);
    struct moments m = moments_of(j, j->x + at);
    for (size_t c = channel; c < channel + channels_of_group(j); c++, at += plane(j)) {
      float scale[FNN_LANES_MAX], shift[FNN_LANES_MAX];
      for (size_t l = 0; l < j->kernels->width; l++) {
        scale[l] = m.rstd[l] * weight_of(j, c);
        shift[l] = (j->bias ? j->bias[c] : 0.0f) - m.mean[l] * scale[l];
      }
      j->kernels->affine(j->pixels, j->x + at, scale, shift, j->y + at);
    }
  }
}

/* With h = (x - mean) rstd and v = g weight: the sums over a group of v and v (x - mean), and over each channel's images there
 * are of g h and g. */
static void add_group(const struct job *j, const struct moments *m, size_t block, size_t channel, size_t at, double *v,
                      double *vx) {
  size_t images = fnn_lane_images(j->shape, j->kernels->width, block);
  for (size_t c = channel; c < channel + channels_of_group(j); c++, at += plane(j)) {
    double sum_g[FNN_LANES_MAX] = {0}, sum_gx[FNN_LANES_MAX] = {0};
    j->kernels->dot_centered(j->pixels, j->x + at, m->mean, j->g + at, sum_g, sum_gx);
    for (size_t l = 0; l < images; l++) {
      v[l] += weight_of(j, c) * sum_g[l];
      vx[l] += weight_of(j, c) * sum_gx[l];
      if (!j->sums) continue;
      j->sums[2 * block * j->channels + c] += m->rstd[l] * sum_gx[l];
      j->sums[(2 * block + 1) * j->channels + c] += sum_g[l];
    }
  }
}

/* dx = rstd (v - mean(v) - h mean(v h)) = a g + b x + constant */
static void back_group(const struct job *j, const struct moments *m, size_t channel, size_t at, const double *v,
                       const double *vx) {
  double n = (double)(channels_of_group(j) * j->pixels);
  float a[FNN_LANES_MAX], b[FNN_LANES_MAX], constant[FNN_LANES_MAX];
  for (size_t l = 0; l < j->kernels->width; l++) {
    double rstd = m->rstd[l], slope = -rstd * rstd * rstd * vx[l] / n;
    b[l] = (float)slope;
    constant[l] = (float)(-rstd * v[l] / n - slope * m->mean[l]);
  }
  for (size_t c = channel; c < channel + channels_of_group(j); c++, at += plane(j)) {
    for (size_t l = 0; l < j->kernels->width; l++) a[l] = m->rstd[l] * weight_of(j, c);
    j->kernels->affine_back(j->pixels, j->g + at, j->x + at, a, b, constant, j->d + at);
  }
}

static void backward_groups(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    size_t channel = i % j->groups * channels_of_group(j), at = i * channels_of_group(j) * plane(j);
    double v[FNN_LANES_MAX] = {0}, vx[FNN_LANES_MAX] = {0};
    struct moments m = moments_of(j, j->x + at);
    add_group(j, &m, i / j->groups, channel, at, v, vx);
    if (j->d) back_group(j, &m, channel, at, v, vx);
  }
}

static struct job job_for(const struct fnn_call *call, size_t groups, double epsilon) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  return (struct job){.kernels = fnn_call_kernels(call),
                      .shape = x,
                      .channels = x->size[1],
                      .groups = groups,
                      .pixels = fnn_shape_product(x, 2, x->rank),
                      .blocks = fnn_lane_blocks(x, call->lanes.count),
                      .epsilon = epsilon,
                      .x = fnn_floats(call->in[0]),
                      .weight = call->in[1] ? fnn_floats(call->in[1]) : NULL};
}

enum fnn_status fnn_lane_norm(struct fnn_call *call, size_t groups, double epsilon) {
  struct job job = job_for(call, groups, epsilon);
  job.bias = call->in[2] ? fnn_floats(call->in[2]) : NULL;
  job.y = fnn_floats(call->out[0]);
  if (job.channels * job.pixels > 0)
    fnn_parallel(call->context, job.blocks * groups, fnn_grain(channels_of_group(&job) * plane(&job)), forward_groups,
                 &job);
  return FNN_OK;
}

/* The gradient of weight (input 1) or bias (2): `sums` of all blocks. */
static enum fnn_status add_blocks(struct fnn_call *call, const struct job *job, size_t i) {
  if (!fnn_wants(call, i)) return FNN_OK;
  FNN_TRY(fnn_new_grad(call, i));
  for (size_t c = 0; c < job->channels; c++) {
    double total = 0.0;
    for (size_t block = 0; block < job->blocks; block++) total += job->sums[(2 * block + i - 1) * job->channels + c];
    fnn_floats(call->grad_in[i])[c] = (float)total;
  }
  return FNN_OK;
}

enum fnn_status fnn_lane_norm_back(struct fnn_call *call, size_t groups, double epsilon) {
  struct job job = job_for(call, groups, epsilon);
  size_t bytes = job.blocks * 2 * job.channels * sizeof *job.sums;
  job.g = fnn_floats(call->grad);
  if (fnn_wants(call, 0)) {
    FNN_TRY(fnn_new_grad(call, 0));
    job.d = fnn_floats(call->grad_in[0]);
  }
  if (fnn_wants(call, 1) || fnn_wants(call, 2)) {
    job.sums = fnn_alloc(call->context, bytes);
    if (!job.sums) return FNN_NO_MEMORY;
    memset(job.sums, 0, bytes);
  }
  if (job.channels * job.pixels > 0)
    fnn_parallel(call->context, job.blocks * groups, fnn_grain(channels_of_group(&job) * plane(&job)), backward_groups,
                 &job);
  enum fnn_status status = job.sums ? add_blocks(call, &job, 1) : FNN_OK;
  if (status == FNN_OK && job.sums) status = add_blocks(call, &job, 2);
  fnn_free(call->context, job.sums);
  return status;
}
