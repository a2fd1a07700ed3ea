/* dropout(x, rate, {channels}): each element is 0 with probability `rate`, and the others are divided by 1 - rate
 * (Srivastava et al. 2014, "inverted"). With `channels`, whole channels of x (N,C,...) are dropped
 * (Tompson et al. 2015). The mask is never stored: number i of the generator's stream decides on element i, in backward again. */
#include "../kernels/kernels.h"
#include "op.h"

struct dropout {
  double rate;
  int channels;
};
static const struct dropout defaults = {.rate = 0.5};
static const struct fnn_arg args[] = {{.name = "input", .kind = FNN_TENSOR},
                                      FNN_PARAM(dropout, rate, FNN_FLOAT, .flags = FNN_OPTIONAL),
                                      FNN_PARAM(dropout, channels, FNN_BOOL, .flags = FNN_OPTIONAL),
                                      {0}};

enum { GRAIN = 16384, SEED = 0, FIRST = 1 }; /* the hidden output: which stream, from which counter */

static enum fnn_status infer(struct fnn_call *call) {
  const struct dropout *params = call->params;
  const struct fnn_shape *x = fnn_in_shape(call, 0);
  char text[FNN_SHAPE_TEXT];
  if (!(params->rate >= 0.0 && params->rate < 1.0))
    return fnn_refuse(call, "rate", "expected 0 <= rate < 1, got %g", params->rate);
  if (params->channels && x->rank < 2)
    return fnn_refuse(call, "input", "expected (images,channels,...), got %s", fnn_shape_text(x, text));
  fnn_out(call, 0, FNN_FLOAT32, x);
  fnn_out(call, 1, FNN_INT64, &(struct fnn_shape){1, {2}});
  return FNN_OK;
}

/* In lanes where four numbers of one counter are of one image. */
static struct fnn_lanes lanes(const struct fnn_call *call) {
  const struct dropout *params = call->params;
  struct fnn_lanes given = fnn_images_as_given(call);
  return !params->channels && given.count && fnn_image_size(&call->in[0]->shape) % 4 == 0 ? given
                                                                                          : (struct fnn_lanes){0};
}

struct lane_job {
  const struct fnn_lane_kernels *kernels;
  uint64_t seed, first;
  float drop, scale;
  size_t size, chunks; /* of an image */
  const float *x;
  float *y;
};

enum { CHUNK = 1024 };

static void lane_piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct lane_job *j = user;
  size_t width = j->kernels->width;
  for (size_t i = first; i < last; i++) {
    size_t block = i / j->chunks, start = i % j->chunks * CHUNK, at = (block * j->size + start) * width;
    size_t n = j->size - start < CHUNK ? j->size - start : CHUNK;
    j->kernels->dropout(n, j->seed, j->first, block * width * j->size + start, j->size, j->drop, j->scale, j->x + at,
                        j->y + at);
  }
}

struct job {
  const struct fnn_random_kernels *kernels;
  uint64_t seed, first;
  float drop, scale;
  size_t repeat; /* elements that share one number */
  const float *x;
  float *y;
};

static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  if (j->repeat == 1) {
    j->kernels->dropout(last - first, j->seed, j->first, first, j->drop, j->scale, j->x + first, j->y + first);
    return;
  }
  for (size_t i = first; i < last; i++) {
    float one = 1.0f, factor;
    j->kernels->dropout(1, j->seed, j->first, i, j->drop, j->scale, &one, &factor);
    for (size_t k = i * j->repeat; k < (i + 1) * j->repeat; k++) j->y[k] = factor == 0.0f ? 0.0f : j->x[k] * factor;
  }
}

/* y = x where the mask lets it through; the same for values and for gradients. */
static void mask(struct fnn_call *call, const int64_t *stream, const struct fnn_tensor *x, struct fnn_tensor *y) {
  const struct dropout *params = call->params;
  const struct fnn_shape *shape = &x->shape;
  size_t repeat = params->channels ? fnn_shape_product(shape, 2, shape->rank) : 1, count = fnn_shape_numel(shape);
  struct job job = {.kernels = call->context->kernels->random,
                    .seed = (uint64_t)stream[SEED],
                    .first = (uint64_t)stream[FIRST],
                    .drop = (float)params->rate,
                    .scale = (float)(1.0 / (1.0 - params->rate)),
                    .repeat = repeat,
                    .x = fnn_floats(x),
                    .y = fnn_floats(y)};
  if (call->lanes.count) {
    struct lane_job lane_job = {.kernels = fnn_call_kernels(call),
                                .seed = job.seed,
                                .first = job.first,
                                .drop = job.drop,
                                .scale = job.scale,
                                .size = fnn_image_size(shape),
                                .x = job.x,
                                .y = job.y};
    lane_job.chunks = (lane_job.size + CHUNK - 1) / CHUNK;
    fnn_parallel(call->context, fnn_lane_blocks(shape, call->lanes.count) * lane_job.chunks, 1, lane_piece, &lane_job);
    return;
  }
  if (repeat > 0) fnn_parallel(call->context, count / repeat, 1 + GRAIN / repeat, piece, &job);
}

static enum fnn_status forward(struct fnn_call *call) {
  struct fnn_generator *generator = &call->context->generator;
  int64_t *stream = fnn_ints(call->out[1]);
  stream[SEED] = (int64_t)generator->seed;
  stream[FIRST] = (int64_t)fnn_generator_take(generator, fnn_tensor_numel(call->in[0]));
  mask(call, stream, call->in[0], call->out[0]);
  return FNN_OK;
}

static enum fnn_status backward(struct fnn_call *call) {
  FNN_TRY(fnn_new_grad(call, 0));
  mask(call, fnn_ints(call->out[1]), call->grad, call->grad_in[0]);
  return FNN_OK;
}

const struct fnn_op fnn_op_dropout = {
    .name = "dropout",
    .args = args,
    .defaults = &defaults,
    .params_bytes = sizeof(struct dropout),
    .types = FNN_FLOATS,
    .flags = FNN_FUNCTIONAL,
    .saves = FNN_SAVE_OUT(1),
    .outputs = 2,
    .hidden = 1,
    .lanes = lanes,
    .images = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
