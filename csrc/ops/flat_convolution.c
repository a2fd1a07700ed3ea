#include "flat_convolution.h"

#include <string.h>

enum { PIECES = 8 }; /* pieces of work for one image, at least */

int fnn_flat_convolves(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  return w->stride[0] == 1 && w->stride[1] == 1 && w->r <= FNN_MOST_TAPS;
}

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_convolution *conv;
  size_t channels, filters;       /* of a group */
  size_t rows, columns, plane;    /* of a channel with zeros around it: floats, of which the last are never used */
  size_t chunk, chunks, count;    /* output rows in a piece; pieces of an image; floats that one computes */
  const float *x, *weight, *bias; /* weight: packed, group after group */
  int relu;
  float *padded, *scratch, *y; /* all channels of all images; a chunk for each worker */
};

/* Channels first .. last-1 of all images get zeros around them. */
static void pad_channels(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  const struct fnn_window *w = &j->conv->window;
  size_t wide = w->w < j->columns - w->left ? w->w : j->columns - w->left;
  for (size_t i = first; i < last; i++) {
    float *to = j->padded + i * j->plane;
    memset(to, 0, j->plane * sizeof *to);
    for (size_t h = 0; h < w->h && h + w->top < j->rows; h++)
      memcpy(to + (h + w->top) * j->columns + w->left, j->x + (i * w->h + h) * w->w, wide * sizeof *to);
  }
}

static void convolve_chunk(const struct job *j, size_t image, size_t group, size_t chunk, float *scratch) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t begin = chunk * j->chunk, end = begin + j->chunk < w->p ? begin + j->chunk : w->p, width = j->kernels->width;
  if (begin >= end) return;
  size_t count = (end - begin - 1) * j->columns + w->q;
  const float *x = j->padded + (image * conv->c + group * j->channels) * j->plane + begin * j->columns,
              *rows[FNN_MOST_TAPS];
  for (size_t r = 0; r < w->r; r++) rows[r] = x + r * w->dilation[0] * j->columns;
  j->kernels->correlate(&(struct fnn_lane_row){
      .filters = j->filters,
      .channels = j->channels,
      .q = (count + width - 1) / width,
      .r = w->r,
      .s = w->s,
      .x = rows,
      .x_channel = j->plane,
      .x_pixel = width,
      .x_tap = w->dilation[1],
      .weight = j->weight + group * j->filters * j->channels * w->r * w->s,
      .w_rows = w->r,
      .bias = j->bias ? j->bias + group * j->filters : NULL,
      .relu = j->relu,
      .y = scratch,
      .y_filter = j->count,
      .y_pixel = width,
  });
  float *y = j->y + (image * conv->k + group * j->filters) * w->p * w->q;
  for (size_t k = 0; k < j->filters; k++)
    for (size_t p = begin; p < end; p++)
      memcpy(y + (k * w->p + p) * w->q, scratch + k * j->count + (p - begin) * j->columns, w->q * sizeof *y);
}

static void convolve_pieces(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *scratch = j->scratch + (size_t)worker * j->filters * j->count;
  for (size_t i = first; i < last; i++)
    convolve_chunk(j, i / j->chunks / j->conv->groups, i / j->chunks % j->conv->groups, i % j->chunks, scratch);
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *j, float **packed) {
  const struct fnn_convolution *conv = j->conv;
  size_t threads = (size_t)context->threads.count;
  *packed = fnn_alloc(context, conv->k * j->channels * conv->window.r * conv->window.s * sizeof **packed);
  if (!*packed) return FNN_NO_MEMORY;
  j->padded = fnn_alloc(context, conv->n * conv->c * j->plane * sizeof *j->padded);
  if (!j->padded) return FNN_NO_MEMORY;
  j->scratch = fnn_alloc(context, threads * j->filters * j->count * sizeof *j->scratch);
  return j->scratch ? FNN_OK : FNN_NO_MEMORY;
}

enum fnn_status fnn_flat_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                  const float *weight, const float *bias, int relu, float *y) {
  const struct fnn_window *w = &conv->window;
  struct job j = {.kernels = context->kernels->lanes,
                  .conv = conv,
                  .channels = conv->c / conv->groups,
                  .filters = conv->k / conv->groups,
                  .x = x,
                  .bias = bias,
                  .relu = relu,
                  .y = y};
  if (conv->n == 0 || conv->k == 0 || w->p == 0 || w->q == 0) return FNN_OK;
  size_t width = j.kernels->width, reach, taps = j.channels * w->r * w->s;
  j.rows = w->p + (w->r - 1) * w->dilation[0];
  j.columns = w->q + (w->s - 1) * w->dilation[1];
  j.chunk = (w->p + PIECES - 1) / PIECES;
  j.chunks = (w->p + j.chunk - 1) / j.chunk;
  j.count = ((j.chunk - 1) * j.columns + w->q + width - 1) / width * width;
  reach = (w->p - 1) * j.columns + j.count + (w->r - 1) * w->dilation[0] * j.columns + (w->s - 1) * w->dilation[1];
  j.plane = (reach + width - 1) / width * width;
  float *packed = NULL;
  enum fnn_status status = take_memory(context, &j, &packed);
  if (status == FNN_OK) {
    for (size_t group = 0; group < conv->groups; group++)
      j.kernels->pack_weights(&(struct fnn_lane_weights){.filters = j.filters,
                                                         .channels = j.channels,
                                                         .r = w->r,
                                                         .s = w->s,
                                                         .from = weight + group * j.filters * taps,
                                                         .filter = (ptrdiff_t)taps,
                                                         .channel = (ptrdiff_t)(w->r * w->s),
                                                         .row = (ptrdiff_t)w->s,
                                                         .column = 1},
                              packed + group * j.filters * taps);
    j.weight = packed;
    fnn_parallel(context, conv->n * conv->c, 8, pad_channels, &j);
    fnn_parallel(context, conv->n * conv->groups * j.chunks, 1, convolve_pieces, &j);
  }
  fnn_free(context, j.scratch);
  fnn_free(context, j.padded);
  fnn_free(context, packed);
  return status;
}
