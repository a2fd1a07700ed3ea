#include "convolution.h"

#include <string.h>

#include "../kernels/gemm.h"

enum { MAX_PARTS = 8 }; /* a weight gradient is summed in at most so many parts of the batch */

/* Sizes of one group of one image. */
struct extent {
  size_t channels, filters; /* in a group */
  size_t taps;              /* channels * R * S: the rows of the column matrix */
  size_t pixels;            /* P * Q: its columns */
  size_t x_group, y_group;  /* floats of a group in one image */
  size_t w_group;           /* floats of a group's weights */
  int direct;               /* 1 x 1, stride 1, no padding: the image is its own column matrix */
};

static struct extent extent_of(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  struct extent e = {.channels = conv->c / conv->groups, .filters = conv->k / conv->groups, .pixels = w->p * w->q};
  e.taps = e.channels * w->r * w->s;
  e.x_group = e.channels * w->h * w->w;
  e.y_group = e.filters * e.pixels;
  e.w_group = e.filters * e.taps;
  e.direct = w->r == 1 && w->s == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->top == 0 && w->left == 0 &&
             w->p == w->h && w->q == w->w;
  return e;
}

int fnn_is_ordinary(const size_t kernel[2], const size_t stride[2], const size_t dilation[2],
                    const struct fnn_padding *p) {
  enum { MOST = 1024 };
  for (int i = 0; i < 2; i++)
    if (kernel[i] > FNN_MOST_TAPS || dilation[i] > MOST / FNN_MOST_TAPS || stride[i] > MOST) return 0;
  return p->top <= MOST && p->bottom <= MOST && p->left <= MOST && p->right <= MOST;
}

enum fnn_status fnn_check_convolution(const struct fnn_call *call, const struct fnn_convolution *conv) {
  struct extent e = extent_of(conv);
  if (!fnn_multiply(conv->window.p, conv->window.q, &e.pixels)) e.pixels = SIZE_MAX;
  return fnn_check_product(call, e.filters, e.pixels, e.taps);
}

struct job {
  const struct fnn_convolution *conv;
  const struct fnn_window_kernels *kernels;
  struct extent e;
  const float *x, *weight, *bias, *g;
  float *out;
  struct fnn_scratch columns; /* a matrix of them */
  size_t part;                /* images in one part of the weight gradient */
};

static struct job job_for(struct fnn_context *context, const struct fnn_convolution *conv) {
  return (struct job){.conv = conv, .kernels = context->kernels->window, .e = extent_of(conv)};
}

static enum fnn_status take_columns(struct fnn_context *context, struct job *job) {
  size_t count;
  if (job->e.direct) return FNN_OK;
  if (!fnn_multiply(job->e.taps, job->e.pixels, &count))
    return fnn_fail(context, FNN_NO_MEMORY, "out of memory: the columns of a convolution are too large to address");
  return fnn_scratch_take(context, count, &job->columns);
}

static void forward_images(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  const struct extent *e = &job->e;
  float *columns = fnn_scratch_of(&job->columns, worker);
  for (size_t i = first * job->conv->groups; i < last * job->conv->groups; i++) { /* each group of each image */
    size_t group = i % job->conv->groups;
    const float *x = job->x + i * e->x_group;
    float *y = job->out + i * e->y_group;
    if (!e->direct) job->kernels->im2col(&job->conv->window, e->channels, x, columns);
    if (job->bias)
      for (size_t k = 0; k < e->filters; k++)
        for (size_t p = 0; p < e->pixels; p++) y[k * e->pixels + p] = job->bias[group * e->filters + k];
    fnn_gemm_serial(e->filters, e->pixels, e->taps, (struct fnn_matrix){job->weight + group * e->w_group, e->taps, 1},
                    (struct fnn_matrix){e->direct ? x : columns, e->pixels, 1}, job->bias ? 1.0f : 0.0f, y, e->pixels);
  }
}

enum fnn_status fnn_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                             const float *weight, const float *bias, float *y) {
  struct job job = job_for(context, conv);
  job.x = x, job.weight = weight, job.bias = bias, job.out = y;
  FNN_TRY(take_columns(context, &job));
  fnn_parallel(context, conv->n, 1, forward_images, &job);
  fnn_scratch_give(context, &job.columns);
  return FNN_OK;
}

static void back_input_images(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  const struct extent *e = &job->e;
  float *columns = fnn_scratch_of(&job->columns, worker);
  for (size_t i = first * job->conv->groups; i < last * job->conv->groups; i++) {
    size_t group = i % job->conv->groups;
    float *dx = job->out + i * e->x_group;
    fnn_gemm_serial(e->taps, e->pixels, e->filters, (struct fnn_matrix){job->weight + group * e->w_group, 1, e->taps},
                    (struct fnn_matrix){job->g + i * e->y_group, e->pixels, 1}, 0.0f, e->direct ? dx : columns,
                    e->pixels);
    if (e->direct) continue;
    memset(dx, 0, e->x_group * sizeof *dx);
    job->kernels->col2im(&job->conv->window, e->channels, columns, dx);
  }
}

enum fnn_status fnn_convolve_back_input(struct fnn_context *context, const struct fnn_convolution *conv, const float *g,
                                        const float *weight, float *dx) {
  struct job job = job_for(context, conv);
  job.g = g, job.weight = weight, job.out = dx;
  FNN_TRY(take_columns(context, &job));
  fnn_parallel(context, conv->n, 1, back_input_images, &job);
  fnn_scratch_give(context, &job.columns);
  return FNN_OK;
}

static void back_weight_parts(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  const struct extent *e = &job->e;
  size_t groups = job->conv->groups;
  float *columns = fnn_scratch_of(&job->columns, worker);
  for (size_t part = first; part < last; part++) {
    float *dw = job->out + part * groups * e->w_group;
    size_t start = part * job->part, end = start + job->part < job->conv->n ? start + job->part : job->conv->n;
    memset(dw, 0, groups * e->w_group * sizeof *dw);
    for (size_t i = start * groups; i < end * groups; i++) {
      const float *x = job->x + i * e->x_group;
      if (!e->direct) job->kernels->im2col(&job->conv->window, e->channels, x, columns);
      fnn_gemm_serial(e->filters, e->taps, e->pixels, (struct fnn_matrix){job->g + i * e->y_group, e->pixels, 1},
                      (struct fnn_matrix){e->direct ? x : columns, 1, e->pixels}, 1.0f, dw + i % groups * e->w_group,
                      e->taps);
    }
  }
}

enum fnn_status fnn_convolve_back_weight(struct fnn_context *context, const struct fnn_convolution *conv,
                                         const float *g, const float *x, float *dw) {
  struct job job = job_for(context, conv);
  size_t count = conv->groups * job.e.w_group, n = conv->n ? conv->n : 1;
  job.part = (n + MAX_PARTS - 1) / MAX_PARTS;
  size_t parts = (n + job.part - 1) / job.part;
  job.g = g, job.x = x;
  FNN_TRY(take_columns(context, &job));
  job.out = fnn_alloc(context, parts * count * sizeof *job.out);
  if (job.out) {
    fnn_parallel(context, parts, 1, back_weight_parts, &job);
    fnn_add_up(context, parts, count, job.out, dw);
  }
  enum fnn_status status = job.out ? FNN_OK : FNN_NO_MEMORY;
  fnn_free(context, job.out);
  fnn_scratch_give(context, &job.columns);
  return status;
}

struct sum_job {
  const struct fnn_elementwise_kernels *kernels;
  size_t parts, count;
  const float *from;
  float *to;
};

static void add_up(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct sum_job *j = user;
  if (j->to != j->from) memcpy(j->to + first, j->from + first, (last - first) * sizeof *j->to);
  for (size_t part = 1; part < j->parts; part++)
    j->kernels->accumulate(last - first, j->from + part * j->count + first, j->to + first);
}

void fnn_add_up(struct fnn_context *context, size_t parts, size_t count, const float *from, float *to) {
  struct sum_job job = {context->kernels->elementwise, parts, count, from, to};
  if (parts == 1 && to == from) return;
  fnn_parallel(context, count, 4096, add_up, &job);
}

struct channels_job {
  const struct fnn_reduce_kernels *kernels;
  size_t images, channels, pixels;
  const float *x;
  float *sum;
};

static void sum_channels(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct channels_job *j = user;
  for (size_t c = first; c < last; c++) {
    double total = 0.0;
    for (size_t i = 0; i < j->images; i++)
      total += j->kernels->sum(j->pixels, j->x + (i * j->channels + c) * j->pixels);
    j->sum[c] = (float)total;
  }
}

void fnn_sum_channels(struct fnn_context *context, size_t images, size_t channels, size_t pixels, const float *x,
                      float *sum) {
  struct channels_job job = {context->kernels->reduce, images, channels, pixels, x, sum};
  fnn_parallel(context, channels, 1, sum_channels, &job);
}
