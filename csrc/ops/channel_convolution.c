/* A piece of work is a range of an image's output pixels for some vectors of filters. Where it is cut has no influence on the
 * sums, so that threads may be counted: each has its range of the pixels, in all layers about the same part of the image, and
 * reads few pixels that another has written. */
#include "channel_convolution.h"

#include <string.h>

#include "channel_winograd.h"

enum {
  LEAST_CHANNELS = 8, /* and filters */
  LEAST_PIXELS = 8,   /* of a piece */
};

int fnn_channels_convolve(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  return conv->groups == 1 && conv->c >= LEAST_CHANNELS && conv->k >= LEAST_CHANNELS && w->r <= FNN_MOST_TAPS &&
         w->s <= FNN_MOST_TAPS;
}

struct fnn_lanes fnn_channel_lanes(const struct fnn_context *context) {
  return (struct fnn_lanes){context->kernels->lanes->width, FNN_CHANNELS};
}

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_convolution *conv;
  size_t channel_blocks, filter_blocks; /* vectors of them */
  size_t parts;                         /* of an image */
  size_t groups, group;                 /* of vectors of filters; how many one has, the last perhaps fewer */
  const float *x, *weight;              /* weight: [vector of filters][tap][channel][filter] */
  const struct fnn_epilogue *epilogue;
  float *y;
};

/* Vectors of filters from number `block` on, all of as many filters. */
static void convolve_piece(const struct job *j, size_t image, size_t part, size_t block, size_t vectors) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, pixels = w->p * w->q;
  size_t to = (image * j->filter_blocks + block) * pixels * lanes;
  j->kernels->channel_correlate(&(struct fnn_channel_correlation){
      .window = w,
      .channels = j->conv->c,
      .vectors = vectors,
      .filters = fnn_channel_filters(j->kernels, j->conv, block),
      .first = part * pixels / j->parts,
      .last = (part + 1) * pixels / j->parts,
      .x = j->x + image * j->channel_blocks * w->h * w->w * lanes,
      .weight = j->weight + block * lanes * j->conv->c * w->r * w->s,
      .weight_vector = lanes * j->conv->c * w->r * w->s,
      .bias = j->epilogue->bias + block * lanes,
      .addend = j->epilogue->addend ? j->epilogue->addend + to : NULL,
      .relu = j->epilogue->relu,
      .y = j->y + to,
      .y_vector = pixels * lanes,
  });
}

static void convolve_pieces(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    size_t group = i % j->groups, part = i / j->groups % j->parts, image = i / j->groups / j->parts;
    size_t end = fnn_fewer((group + 1) * j->group, j->filter_blocks);
    for (size_t block = group * j->group, vectors; block < end; block += vectors) {
      vectors = fnn_channel_vectors(j->kernels, j->conv, block, end);
      convolve_piece(j, image, part, block, vectors);
    }
  }
}

/* Kept with the tensor; the last vector reaches over the end. */
static enum fnn_status take_weights(struct job *j, const struct fnn_tensor *weight) {
  size_t channels = j->conv->c, taps = j->conv->window.r * j->conv->window.s, lanes = j->kernels->width;
  size_t count = j->conv->k * channels * taps;
  const float *from = fnn_floats(weight);
  int known;
  void *memory;
  FNN_TRY(fnn_tensor_keep(weight, (count + lanes) * sizeof(float),
                          &(struct fnn_recipe){{FNN_CHANNEL_ORDER, taps, channels, j->conv->k}}, &memory, &known));
  float *to = memory;
  j->weight = to;
  if (known) return FNN_OK;
  for (size_t block = 0; block < j->filter_blocks; block++, from += lanes * channels * taps)
    for (size_t tap = 0; tap < taps; tap++)
      for (size_t c = 0; c < channels; c++)
        for (size_t k = 0; k < fnn_channel_filters(j->kernels, j->conv, block); k++)
          *to++ = from[(k * channels + c) * taps + tap];
  memset(to, 0, lanes * sizeof *to);
  return FNN_OK;
}

static enum fnn_status convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue, float *y) {
  struct job j = {.kernels = context->kernels->lanes, .conv = conv, .x = x, .epilogue = epilogue, .y = y};
  size_t threads = (size_t)context->threads.count, pixels = conv->window.p * conv->window.q;
  j.channel_blocks = fnn_ceil_div(conv->c, j.kernels->width), j.filter_blocks = fnn_ceil_div(conv->k, j.kernels->width);
  j.parts = fnn_fewer(fnn_ceil_div(threads, conv->n), fnn_ceil_div(pixels, LEAST_PIXELS));
  j.group = fnn_ceil_div(j.filter_blocks, fnn_ceil_div(threads, conv->n * j.parts));
  j.groups = fnn_ceil_div(j.filter_blocks, j.group);
  FNN_TRY(take_weights(&j, weight));
  fnn_parallel(context, conv->n * j.parts * j.groups, 1, convolve_pieces, &j);
  return FNN_OK;
}

enum fnn_status fnn_channel_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                     const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue, float *y) {
  const struct fnn_window *w = &conv->window;
  size_t lanes = context->kernels->lanes->width;
  struct fnn_epilogue whole = *epilogue;
  if (conv->n == 0 || w->p == 0 || w->q == 0) return FNN_OK;
  float *bias = fnn_alloc(context, (conv->k + lanes) * sizeof *bias);
  if (!bias) return FNN_NO_MEMORY;
  memset(bias, 0, (conv->k + lanes) * sizeof *bias);
  if (epilogue->bias) memcpy(bias, epilogue->bias, conv->k * sizeof *bias);
  whole.bias = bias;
  enum fnn_status status =
      (fnn_channel_winograd_pays(conv) ? fnn_channel_winograd : convolve)(context, conv, x, weight, &whole, y);
  fnn_free(context, bias);
  return status;
}
