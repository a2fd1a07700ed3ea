/* Batch normalization (Ioffe and Szegedy 2015) of x (N,C) or (N,C,...), per channel C:
 *
 *   batch_norm_train(x, weight, bias, epsilon)             by the batch's own mean and variance; also returns these
 *   batch_norm_apply(x, mean, variance, weight, bias, epsilon)  by given ones
 *   batch_norm_relu_train, batch_norm_relu_apply           with an addend of x's shape after bias: relu(y + addend)
 *   batch_norm_max_pool_train(x, weight, bias, epsilon, relu)  x (N,C,H,W), and of y, or relu(y), the largest of each 2 x 2 pixels
 *
 * y = (x - mean) / sqrt(variance + epsilon) * weight + bias; the variance is the biased one (divides by n). weight and bias (C)
 * and the addend are optional. nn.functional.batch_norm makes one function of the five. */
#include <math.h>

#include "../base/scratch.h"
#include "sliding.h"

struct batch_norm {
  double epsilon;
  int relu; /* of batch_norm_max_pool_train */
};
static const struct batch_norm defaults = {.epsilon = 1e-3}; /* as Keras; PyTorch has 1e-5 */

#define TENSOR(name_) \
  { .name = name_, .kind = FNN_TENSOR }
#define OPTIONAL(name_) \
  { .name = name_, .kind = FNN_TENSOR, .flags = FNN_OPTIONAL }
#define EPSILON FNN_PARAM(batch_norm, epsilon, FNN_FLOAT, .flags = FNN_OPTIONAL)
static const struct fnn_arg train_args[] = {TENSOR("input"), OPTIONAL("weight"), OPTIONAL("bias"), EPSILON, {0}};
static const struct fnn_arg relu_train_args[] = {
    TENSOR("input"), OPTIONAL("weight"), OPTIONAL("bias"), OPTIONAL("addend"), EPSILON, {0}};
static const struct fnn_arg pool_train_args[] = {TENSOR("input"),
                                                 OPTIONAL("weight"),
                                                 OPTIONAL("bias"),
                                                 EPSILON,
                                                 FNN_PARAM(batch_norm, relu, FNN_BOOL, .flags = FNN_OPTIONAL),
                                                 {0}};
static const struct fnn_arg apply_args[] = {
    TENSOR("input"), TENSOR("mean"), TENSOR("variance"), OPTIONAL("weight"), OPTIONAL("bias"), EPSILON, {0}};
static const struct fnn_arg relu_apply_args[] = {TENSOR("input"),
                                                 TENSOR("mean"),
                                                 TENSOR("variance"),
                                                 OPTIONAL("weight"),
                                                 OPTIONAL("bias"),
                                                 OPTIONAL("addend"),
                                                 EPSILON,
                                                 {0}};

/* Where the addend is among the inputs. */
enum { TRAIN_ADDEND = 3, APPLY_ADDEND = 5 };

extern const struct fnn_op fnn_op_batch_norm_relu_train, fnn_op_batch_norm_relu_apply;
extern const struct fnn_op fnn_op_batch_norm_max_pool_train;

static int has_pool(const struct fnn_call *call) { return call->op == &fnn_op_batch_norm_max_pool_train; }

static int has_relu(const struct fnn_call *call) {
  return call->op == &fnn_op_batch_norm_relu_train || call->op == &fnn_op_batch_norm_relu_apply;
}

/* Images (or blocks of images in lanes), channels, pixels of an image, floats of one channel of one image (block). */
struct extent {
  size_t n, c, pixels, run;
  double count; /* pixels of a channel in all images */
};

static struct extent extent_of(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  size_t pixels = fnn_shape_product(x, 2, x->rank), lanes = call->lanes.count;
  return (struct extent){.n = lanes ? fnn_lane_blocks(x, lanes) : x->size[0],
                         .c = x->size[1],
                         .pixels = pixels,
                         .run = lanes ? pixels * lanes : pixels,
                         .count = (double)(x->size[0] * pixels)};
}

static enum fnn_status check(struct fnn_call *call, size_t addend) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  char text[FNN_SHAPE_TEXT], want[FNN_SHAPE_TEXT];
  if (has_pool(call)) FNN_TRY(fnn_check_image(call));
  if (x->rank < 2) return fnn_refuse(call, "input", "expected (images,channels,...), got %s", fnn_shape_text(x, text));
  for (size_t i = 1; i < call->inputs; i++) {
    const struct fnn_shape *given = fnn_in_shape(call, i), vector = {1, {x->size[1]}},
                           *shape = i == addend ? x : &vector;
    if (call->in[i] && !fnn_shape_equal(given, shape))
      return fnn_refuse(call, call->op->args[i].name, "expected %s, got %s", fnn_shape_text(shape, want),
                        fnn_shape_text(given, text));
  }
  FNN_TRY(fnn_check_epsilon(call, ((const struct batch_norm *)call->params)->epsilon));
  fnn_out(call, 0, FNN_FLOAT32, x);
  return FNN_OK;
}

struct job {
  const struct fnn_kernels *kernels;
  const struct fnn_lane_kernels *lanes; /* NULL where images are dense */
  const struct fnn_shape *shape;
  struct extent e;
  double epsilon;
  const float *x, *mean, *variance, *weight, *bias, *addend;
  float *y, *mean_out, *variance_out;
  int relu;
  struct pool {
    const struct fnn_pool_kernels *kernels; /* NULL without a pool */
    struct fnn_window window;
    int relu;
    size_t run; /* floats of one channel of one image (block) */
    uint8_t *winner;
    struct fnn_scratch y; /* one channel of one image (block) before it is pooled */
  } pool;
  /* in backward; relu's result is y, or NULL where it is made again of x */
  const float *g;
  float *below; /* the gradient below relu or pool; NULL where there is neither */
  float *dx, *d_weight, *d_bias, *d_mean, *d_variance;
  int fixed; /* the statistics do not depend on x */
};

static size_t at(const struct extent *e, size_t image, size_t channel) { return (image * e->c + channel) * e->run; }

/* ---- sums over the images of a channel; lanes without an image do not count ---- */

static double valid(const struct job *job, size_t block, const double *lane) {
  double total = 0.0;
  for (size_t l = 0, count = fnn_lane_images(job->shape, job->lanes->width, block); l < count; l++) total += lane[l];
  return total;
}

static double sum_of(const struct job *job, size_t i, const float *x) {
  double lane[FNN_LANES_MAX] = {0};
  if (!job->lanes) return job->kernels->reduce->sum(job->e.run, x);
  job->lanes->sum(job->e.pixels, x, lane);
  return valid(job, i, lane);
}

static void fill(float *lanes, float value) {
  for (int l = 0; l < FNN_LANES_MAX; l++) lanes[l] = value;
}

static double squares_of(const struct job *job, size_t i, const float *x, float mean) {
  double lane[FNN_LANES_MAX] = {0};
  float center[FNN_LANES_MAX];
  if (!job->lanes) return job->kernels->reduce->sum_squares(job->e.run, x, mean);
  fill(center, mean);
  job->lanes->sum_squares(job->e.pixels, x, center, lane);
  return valid(job, i, lane);
}

/* ---- channels ---- */

static struct fnn_affine affine_of(const struct job *job, size_t c, float mean, float variance) {
  float rstd = (float)(1.0 / sqrt(variance + job->epsilon));
  float scale = rstd * (job->weight ? job->weight[c] : 1.0f);
  return (struct fnn_affine){scale, (job->bias ? job->bias[c] : 0.0f) - mean * scale, mean};
}

static void pool_channel(const struct job *job, size_t c, struct fnn_affine to, float *y) {
  const struct pool *pool = &job->pool;
  for (size_t i = 0; i < job->e.n; i++) {
    size_t begin = (i * job->e.c + c) * pool->run;
    job->kernels->norm->affine(job->e.run, job->x + at(&job->e, i, c), to.scale, to.shift, y);
    pool->kernels->max_of_four(&pool->window, pool->relu, y, job->y + begin,
                               pool->winner ? pool->winner + begin : NULL);
  }
}

static void normalize_channel(const struct job *job, size_t c, float mean, float variance, int worker) {
  struct fnn_affine to = affine_of(job, c, mean, variance);
  if (job->pool.kernels) {
    pool_channel(job, c, to, fnn_scratch_of(&job->pool.y, worker));
    return;
  }
  for (size_t i = 0; i < job->e.n; i++) {
    size_t begin = at(&job->e, i, c);
    if (job->relu)
      job->kernels->norm->affine_relu(job->e.run, job->x + begin, to.scale, to.shift,
                                      job->addend ? job->addend + begin : NULL, job->y + begin);
    else
      job->kernels->norm->affine(job->e.run, job->x + begin, to.scale, to.shift, job->y + begin);
  }
}

static void train_channels(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  const struct extent *e = &job->e;
  double count = e->count;
  for (size_t c = first; c < last; c++) {
    double total = 0.0, squares = 0.0;
    for (size_t i = 0; i < e->n; i++) total += sum_of(job, i, job->x + at(e, i, c));
    float mean = count > 0.0 ? (float)(total / count) : 0.0f;
    for (size_t i = 0; i < e->n; i++) squares += squares_of(job, i, job->x + at(e, i, c), mean);
    float variance = count > 0.0 ? (float)(squares / count) : 0.0f;
    job->mean_out[c] = mean;
    job->variance_out[c] = variance;
    normalize_channel(job, c, mean, variance, worker);
  }
}

static void apply_channels(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  for (size_t c = first; c < last; c++) normalize_channel(job, c, job->mean[c], job->variance[c], worker);
}

/* The gradient of channel c of image (block) i below relu or pool, where there is one. Relu's result is made again of what is read
 * in any case, some floats at a time, or read where an addend had a part in it. */
static const float *gradient_of(const struct job *job, size_t image, size_t c, const struct fnn_affine *to) {
  enum { SOME = 1024 };
  float made[SOME];
  size_t begin = at(&job->e, image, c), pooled = (image * job->e.c + c) * job->pool.run;
  if (job->pool.kernels) {
    job->pool.kernels->back_to_winners(&job->pool.window, job->pool.winner + pooled, job->g + pooled,
                                       job->below + begin);
    return job->below + begin;
  }
  if (!job->relu) return job->g + begin;
  for (size_t i = 0, n; i < job->e.run; i += n) {
    n = job->e.run - i < SOME ? job->e.run - i : SOME;
    const float *y = job->y ? job->y + begin + i : made;
    if (!job->y) job->kernels->norm->affine_relu(n, job->x + begin + i, to->scale, to->shift, NULL, made);
    job->kernels->elementwise->unary_slope[FNN_UNARY_relu](n, y, job->g + begin + i, job->below + begin + i, NULL);
  }
  return job->below + begin;
}

/* Sums of that gradient, g, and of g (x - mean). With relu, images in lanes have both in one pass. */
static void add_dots(const struct job *job, size_t image, size_t c, const struct fnn_affine *to, double *sum_g,
                     double *sum_gx) {
  double lane_g[FNN_LANES_MAX] = {0}, lane_gx[FNN_LANES_MAX] = {0};
  float center[FNN_LANES_MAX];
  size_t begin = at(&job->e, image, c);
  const float *x = job->x + begin;
  if (!job->lanes) {
    const float *g = gradient_of(job, image, c, to);
    *sum_g += job->kernels->reduce->sum(job->e.run, g);
    *sum_gx += job->kernels->reduce->dot_centered(job->e.run, x, to->center, g);
    return;
  }
  if (job->relu) {
    job->lanes->relu_dot_centered(job->e.pixels, to, x, job->y ? job->y + begin : NULL, job->g + begin,
                                  job->below + begin, lane_g, lane_gx);
  } else {
    fill(center, to->center);
    job->lanes->dot_centered(job->e.pixels, x, center, gradient_of(job, image, c, to), lane_g, lane_gx);
  }
  *sum_g += valid(job, image, lane_g);
  *sum_gx += valid(job, image, lane_gx);
}

/* With h = (x - mean) rstd: dbias = sum g, dweight = sum g h, and in training
 * dx = weight rstd (g - dbias/n - h dweight/n); with fixed statistics dx = weight rstd g. */
static void back_channels(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct extent *e = &job->e;
  double count = e->count;
  for (size_t c = first; c < last; c++) {
    float mean = job->mean[c];
    double rstd = 1.0 / sqrt(job->variance[c] + job->epsilon), sum_g = 0.0, sum_gx = 0.0;
    double weight = job->weight ? job->weight[c] : 1.0;
    struct fnn_affine to = affine_of(job, c, mean, job->variance[c]);
    for (size_t i = 0; i < e->n; i++) add_dots(job, i, c, &to, &sum_g, &sum_gx);
    if (job->d_bias) job->d_bias[c] = (float)sum_g;
    if (job->d_weight) job->d_weight[c] = (float)(sum_gx * rstd);
    if (job->d_mean) job->d_mean[c] = (float)(-weight * rstd * sum_g);
    if (job->d_variance) job->d_variance[c] = (float)(-0.5 * weight * rstd * rstd * rstd * sum_gx);
    if (!job->dx) continue;
    double a = weight * rstd, b = job->fixed ? 0.0 : -a * rstd * rstd * sum_gx / count;
    double shift = job->fixed ? 0.0 : -a * sum_g / count - b * mean;
    for (size_t i = 0; i < e->n; i++)
      job->kernels->norm->affine_back(e->run, (job->below ? job->below : job->g) + at(e, i, c), job->x + at(e, i, c),
                                      (float)a, (float)b, (float)shift, job->dx + at(e, i, c));
  }
}

static const float *optional_floats(const struct fnn_tensor *tensor) { return tensor ? fnn_floats(tensor) : NULL; }

static struct job job_for(const struct fnn_call *call) {
  return (struct job){.kernels = call->context->kernels,
                      .lanes = call->lanes.count ? fnn_call_kernels(call) : NULL,
                      .shape = fnn_in_shape(call, 0),
                      .e = extent_of(call),
                      .epsilon = ((const struct batch_norm *)call->params)->epsilon,
                      .relu = has_relu(call),
                      .x = fnn_floats(call->in[0])};
}

/* Write where backward's gradient of input i goes, if anybody wants it. */
static enum fnn_status want(struct fnn_call *call, size_t i, float **to) {
  if (!fnn_wants(call, i)) return FNN_OK;
  FNN_TRY(fnn_new_grad(call, i));
  *to = fnn_floats(call->grad_in[i]);
  return FNN_OK;
}

/* What was not given has no shape. */
static int has_addend(const struct fnn_call *call, size_t addend) { return fnn_in_shape(call, addend)->rank > 0; }

/* The way back through the channels; what is below relu is the addend's gradient too. dx is written over the gradient that it is
 * made of where nobody else wants that, which then leaves the cache once. */
static enum fnn_status back(struct fnn_call *call, struct job *job, size_t addend) {
  struct fnn_tensor *own = NULL;
  int wants_input = fnn_wants(call, 0), shared = job->relu && fnn_wants(call, addend);
  enum fnn_status status = FNN_OK;
  job->g = fnn_floats(call->grad);
  if (job->relu || wants_input) FNN_TRY(fnn_own_grad(call, &own));
  if (job->relu) job->below = fnn_floats(own);
  if (job->relu && has_addend(call, addend)) job->y = fnn_floats(call->out[0]);
  if (shared) call->grad_in[addend] = fnn_tensor_retain(own);
  if (wants_input && shared) status = fnn_new_grad(call, 0);
  if (wants_input && !shared) call->grad_in[0] = fnn_tensor_retain(own);
  if (status == FNN_OK) {
    if (wants_input) job->dx = fnn_floats(call->grad_in[0]);
    fnn_parallel(call->context, job->e.c, 1, back_channels, job);
  }
  fnn_tensor_release(own);
  return status;
}

/* ---- by the batch's statistics ---- */

static enum fnn_status train_infer(struct fnn_call *call) {
  FNN_TRY(check(call, TRAIN_ADDEND));
  struct fnn_shape vector = {1, {fnn_in_shape(call, 0)->size[1]}};
  fnn_out(call, 1, FNN_FLOAT32, &vector);
  fnn_out(call, 2, FNN_FLOAT32, &vector);
  return FNN_OK;
}

static struct job train_job(const struct fnn_call *call) {
  struct job job = job_for(call);
  job.weight = optional_floats(call->in[1]);
  job.bias = optional_floats(call->in[2]);
  job.addend = job.relu ? optional_floats(call->in[TRAIN_ADDEND]) : NULL;
  job.y = fnn_floats(call->out[0]);
  job.mean_out = fnn_floats(call->out[1]);
  job.variance_out = fnn_floats(call->out[2]);
  return job;
}

static enum fnn_status train_forward(struct fnn_call *call) {
  struct job job = train_job(call);
  fnn_parallel(call->context, job.e.c, 1, train_channels, &job);
  return FNN_OK;
}

static struct job train_back_job(const struct fnn_call *call) {
  struct job job = job_for(call);
  job.weight = optional_floats(call->in[1]);
  job.bias = optional_floats(call->in[2]);
  job.mean = fnn_floats(call->out[1]);
  job.variance = fnn_floats(call->out[2]);
  return job;
}

static enum fnn_status train_backward(struct fnn_call *call) {
  struct job job = train_back_job(call);
  FNN_TRY(want(call, 1, &job.d_weight));
  FNN_TRY(want(call, 2, &job.d_bias));
  return back(call, &job, TRAIN_ADDEND);
}

/* ---- by the batch's statistics, with a pool ---- */

enum { WINNERS = 3 }; /* among the outputs */

static enum fnn_status pool_infer(struct fnn_call *call) {
  FNN_TRY(train_infer(call));
  return fnn_infer_pool(call, fnn_in_shape(call, 0), WINNERS);
}

static struct pool pool_of(const struct fnn_call *call) {
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  const struct fnn_window w = fnn_pool_window(x->size[2], x->size[3]);
  return (struct pool){.kernels = fnn_call_pool(call),
                       .window = w,
                       .relu = ((const struct batch_norm *)call->params)->relu,
                       .run = w.p * w.q * fnn_call_width(call),
                       .winner = fnn_shape_numel(&call->out[WINNERS]->shape) ? fnn_bytes(call->out[WINNERS]) : NULL};
}

static enum fnn_status pool_forward(struct fnn_call *call) {
  struct job job = train_job(call);
  job.pool = pool_of(call);
  FNN_TRY(fnn_scratch_take(call->context, job.e.run, &job.pool.y));
  fnn_parallel(call->context, job.e.c, 1, train_channels, &job);
  fnn_scratch_give(call->context, &job.pool.y);
  return FNN_OK;
}

/* The gradient of what is pooled becomes that of x where it lies. */
static enum fnn_status pool_backward(struct fnn_call *call) {
  struct fnn_tensor *below;
  struct job job = train_back_job(call);
  job.pool = pool_of(call);
  job.g = fnn_floats(call->grad);
  FNN_TRY(want(call, 1, &job.d_weight));
  FNN_TRY(want(call, 2, &job.d_bias));
  FNN_TRY(fnn_call_new(call, fnn_in_shape(call, 0), &below));
  job.below = fnn_floats(below);
  if (fnn_wants(call, 0)) job.dx = job.below, call->grad_in[0] = fnn_tensor_retain(below);
  fnn_parallel(call->context, job.e.c, 1, back_channels, &job);
  fnn_tensor_release(below);
  return FNN_OK;
}

#define TRAIN(name_, args_, saves_, images_)                                                   \
  const struct fnn_op fnn_op_##name_ = {                                                       \
      .name = #name_,                                                                          \
      .args = args_,                                                                           \
      .defaults = &defaults,                                                                   \
      .params_bytes = sizeof(struct batch_norm),                                               \
      .types = FNN_FLOATS,                                                                     \
      .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1) | FNN_SAVE_OUT(1) | FNN_SAVE_OUT(2) | (saves_), \
      .outputs = 3,                                                                            \
      .lanes = fnn_images_as_given,                                                            \
      .images = (images_),                                                                     \
      .infer = train_infer,                                                                    \
      .forward = train_forward,                                                                \
      .backward = train_backward,                                                              \
  };
TRAIN(batch_norm_train, train_args, 0, 1)
TRAIN(batch_norm_relu_train, relu_train_args, FNN_SAVE_IN(2) | FNN_SAVE_OUT(0), 1 | 1u << TRAIN_ADDEND)

const struct fnn_op fnn_op_batch_norm_max_pool_train = {
    .name = "batch_norm_max_pool_train",
    .args = pool_train_args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct batch_norm),
    .types = FNN_FLOATS,
    .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1) | FNN_SAVE_OUT(1) | FNN_SAVE_OUT(2) | FNN_SAVE_OUT(WINNERS),
    .outputs = 4,
    .hidden = 1,
    .lanes = fnn_images_as_given,
    .images = 1,
    .infer = pool_infer,
    .forward = pool_forward,
    .backward = pool_backward,
};

/* ---- by given statistics ---- */

static enum fnn_status apply_infer(struct fnn_call *call) { return check(call, APPLY_ADDEND); }

static enum fnn_status apply_forward(struct fnn_call *call) {
  struct job job = job_for(call);
  job.mean = fnn_floats(call->in[1]);
  job.variance = fnn_floats(call->in[2]);
  job.weight = optional_floats(call->in[3]);
  job.bias = optional_floats(call->in[4]);
  job.addend = job.relu ? optional_floats(call->in[APPLY_ADDEND]) : NULL;
  job.y = fnn_floats(call->out[0]);
  fnn_parallel(call->context, job.e.c, 1, apply_channels, &job);
  return FNN_OK;
}

static enum fnn_status apply_backward(struct fnn_call *call) {
  struct job job = job_for(call);
  job.fixed = 1;
  job.mean = fnn_floats(call->in[1]);
  job.variance = fnn_floats(call->in[2]);
  job.weight = optional_floats(call->in[3]);
  job.bias = optional_floats(call->in[4]);
  FNN_TRY(want(call, 1, &job.d_mean));
  FNN_TRY(want(call, 2, &job.d_variance));
  FNN_TRY(want(call, 3, &job.d_weight));
  FNN_TRY(want(call, 4, &job.d_bias));
  return back(call, &job, APPLY_ADDEND);
}

#define APPLY(name_, args_, saves_, images_)                                                 \
  const struct fnn_op fnn_op_##name_ = {                                                     \
      .name = #name_,                                                                        \
      .args = args_,                                                                         \
      .defaults = &defaults,                                                                 \
      .params_bytes = sizeof(struct batch_norm),                                             \
      .types = FNN_FLOATS,                                                                   \
      .saves = FNN_SAVE_IN(0) | FNN_SAVE_IN(1) | FNN_SAVE_IN(2) | FNN_SAVE_IN(3) | (saves_), \
      .outputs = 1,                                                                          \
      .lanes = fnn_images_as_given,                                                          \
      .images = (images_),                                                                   \
      .infer = apply_infer,                                                                  \
      .forward = apply_forward,                                                              \
      .backward = apply_backward,                                                            \
  };
APPLY(batch_norm_apply, apply_args, 0, 1)
APPLY(batch_norm_relu_apply, relu_apply_args, FNN_SAVE_IN(4) | FNN_SAVE_OUT(0), 1 | 1u << APPLY_ADDEND)
