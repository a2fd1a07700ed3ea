#include "flat_convolution.h"

#include <string.h>

enum {
  PIECES = 8,       /* pieces of work for one image, at least, where they do not become too small: */
  FEW_VECTORS = 4,  /* vectors of pixels */
  FEW_FILTERS = 10, /* filters */
  MOST_STRIDE = 4
};

int fnn_flat_convolves(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  if (w->stride[0] == 1 && w->stride[1] == 1) return 1;
  return w->stride[0] <= MOST_STRIDE && w->stride[1] <= MOST_STRIDE && w->r * w->s <= FNN_MOST_TAPS;
}

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_convolution *conv;
  size_t channels, filters; /* of a group */
  size_t parts, part;       /* of a group's filters; how many filters each has, the last perhaps fewer */
  /* a channel with zeros around it: how many phases (places modulo stride) the kernel looks at, the pixels of one, the
   * floats of all */
  size_t phases[2], rows, columns, plane;
  size_t chunk, chunks, count;  /* output rows in a piece; pieces of an image; floats that one computes */
  size_t tap_rows, tap_columns; /* the kernel as the loop sees it: of stride 1, or as one column of single taps */
  size_t tap[FNN_MOST_TAPS];    /* where each of its rows begins in a channel */
  const float *x, *weight;      /* weight: packed, part after part */
  const struct fnn_epilogue *epilogue;
  const struct fnn_norm_kernels *norm;
  float *padded, *y;          /* padded: all channels of all images */
  struct fnn_scratch scratch; /* a chunk */
};

/* ---- zeros around the images ---- */

/* Every stride-th pixel of a row, to each phase that the kernel looks at. */
static void pad_row(const struct job *j, const float *from, float *to) {
  const struct fnn_window *w = &j->conv->window;
  size_t stride = w->stride[1], left = w->left;
  if (stride == 1) {
    memcpy(to + left, from, (w->w < j->columns - left ? w->w : j->columns - left) * sizeof *to);
    return;
  }
  for (size_t phase = 0; phase < j->phases[1]; phase++, to += j->rows * j->columns) {
    size_t first = left > phase ? fnn_ceil_div(left - phase, stride) : 0, skipped = first * stride + phase - left;
    size_t last = skipped < w->w ? first + fnn_ceil_div(w->w - skipped, stride) : first;
    if (last > j->columns) last = j->columns;
    for (size_t i = first; i < last; i++) to[i] = from[skipped + (i - first) * stride];
  }
}

/* Channels first .. last-1 of all images. */
static void pad_channels(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  const struct fnn_window *w = &j->conv->window;
  size_t stride = w->stride[0];
  for (size_t i = first; i < last; i++) {
    float *to = j->padded + i * j->plane;
    memset(to, 0, j->plane * sizeof *to);
    for (size_t h = 0; h < w->h && h + w->top < j->rows * stride; h++) {
      size_t phase = (h + w->top) % stride, row = phase * j->phases[1] * j->rows + (h + w->top) / stride;
      if (phase < j->phases[0]) pad_row(j, j->x + (i * w->h + h) * w->w, to + row * j->columns);
    }
  }
}

/* ---- the product ---- */

/* Rows begin .. end-1 of some filters from the chunk to their place, `first` floats from the result's begin. */
static void write_rows(const struct job *j, size_t filters, size_t begin, size_t end, const float *scratch,
                       size_t first) {
  const struct fnn_window *w = &j->conv->window;
  for (size_t k = 0; k < filters; k++)
    for (size_t p = begin; p < end; p++) {
      const float *from = scratch + k * j->count + (p - begin) * j->columns;
      size_t to = first + (k * w->p + p) * w->q;
      if (j->epilogue->addend)
        j->norm->affine_relu(w->q, from, 1.0f, 0.0f, j->epilogue->addend + to, j->y + to);
      else
        memcpy(j->y + to, from, w->q * sizeof *j->y);
    }
}

/* One part of a group's filters over one chunk of an image. */
static void convolve_piece(const struct job *j, size_t image, size_t group, size_t part, size_t chunk, float *scratch) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t begin = chunk * j->chunk, end = begin + j->chunk < w->p ? begin + j->chunk : w->p, width = j->kernels->width;
  size_t filter = part * j->part, filters = filter + j->part < j->filters ? j->part : j->filters - filter;
  size_t count = (end - begin - 1) * j->columns + w->q;
  const float *x = j->padded + (image * conv->c + group * j->channels) * j->plane + begin * j->columns;
  const float *rows[FNN_MOST_TAPS];
  for (size_t i = 0; i < j->tap_rows; i++) rows[i] = x + j->tap[i];
  filter += group * j->filters;
  j->kernels->correlate(&(struct fnn_lane_row){
      .filters = filters,
      .channels = j->channels,
      .q = (count + width - 1) / width,
      .r = j->tap_rows,
      .s = j->tap_columns,
      .x = rows,
      .x_channel = j->plane,
      .x_pixel = width,
      .x_tap = w->dilation[1],
      .weight = j->weight + filter * j->channels * w->r * w->s,
      .w_rows = j->tap_rows,
      .w_columns = j->tap_columns,
      .bias = j->epilogue->bias ? j->epilogue->bias + filter : NULL,
      .relu = j->epilogue->relu && !j->epilogue->addend,
      .y = scratch,
      .y_filter = j->count,
      .y_pixel = width,
  });
  write_rows(j, filters, begin, end, scratch, (image * conv->k + filter) * w->p * w->q);
}

static void convolve_pieces(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *scratch = fnn_scratch_of(&j->scratch, worker);
  for (size_t i = first; i < last; i++) {
    size_t part = i % j->parts, chunk = i / j->parts % j->chunks, group = i / j->parts / j->chunks;
    convolve_piece(j, group / j->conv->groups, group % j->conv->groups, part, chunk, scratch);
  }
}

/* ---- cutting the work ---- */

static void lay_out_taps(struct job *j) {
  const struct fnn_window *w = &j->conv->window;
  size_t phase = j->rows * j->columns, simple = w->stride[0] == 1 && w->stride[1] == 1;
  j->tap_rows = simple ? w->r : w->r * w->s;
  j->tap_columns = simple ? w->s : 1;
  for (size_t i = 0; i < j->tap_rows; i++) {
    size_t h = (simple ? i : i / w->s) * w->dilation[0], v = simple ? 0 : i % w->s * w->dilation[1];
    j->tap[i] =
        (h % w->stride[0] * j->phases[1] + v % w->stride[1]) * phase + h / w->stride[0] * j->columns + v / w->stride[1];
  }
}

static void cut(struct job *j) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t width = j->kernels->width;
  size_t reach[] = {(w->r - 1) * w->dilation[0], (w->s - 1) * w->dilation[1]};
  for (int i = 0; i < 2; i++) j->phases[i] = reach[i] < w->stride[i] ? reach[i] + 1 : w->stride[i];
  j->rows = w->p + reach[0] / w->stride[0];
  j->columns = w->q + reach[1] / w->stride[1];
  size_t least = fnn_ceil_div(FEW_VECTORS * width, j->columns), chunk = fnn_ceil_div(w->p, PIECES);
  if (chunk < least) chunk = least;
  j->chunk = chunk < w->p ? chunk : w->p;
  j->chunks = fnn_ceil_div(w->p, j->chunk);
  j->count = fnn_ceil_div((j->chunk - 1) * j->columns + w->q, width) * width;
  j->plane = fnn_ceil_div(j->phases[0] * j->phases[1] * j->rows * j->columns + j->count, width) * width;
  size_t parts = fnn_ceil_div(PIECES, j->chunks), most = fnn_ceil_div(j->filters, FEW_FILTERS);
  j->part = fnn_ceil_div(j->filters, parts < most ? parts : most);
  j->parts = fnn_ceil_div(j->filters, j->part);
  lay_out_taps(j);
}

/* The weights, part after part as the kernel wants them; kept with the tensor. */
static enum fnn_status pack(struct job *j, const struct fnn_tensor *weight) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t taps = j->channels * w->r * w->s;
  int known;
  void *memory;
  FNN_TRY(fnn_tensor_keep(weight, conv->k * taps * sizeof(float),
                          &(struct fnn_recipe){{FNN_FLAT_ORDER, conv->groups, j->part, taps}}, &memory, &known));
  float *packed = memory;
  j->weight = packed;
  if (known) return FNN_OK;
  for (size_t filter = 0; filter < conv->k;) {
    size_t left = j->filters - filter % j->filters, filters = j->part < left ? j->part : left;
    j->kernels->pack_weights(&(struct fnn_lane_weights){.filters = filters,
                                                        .channels = j->channels,
                                                        .r = w->r,
                                                        .s = w->s,
                                                        .from = fnn_floats(weight) + filter * taps,
                                                        .filter = (ptrdiff_t)taps,
                                                        .channel = (ptrdiff_t)(w->r * w->s),
                                                        .row = (ptrdiff_t)w->s,
                                                        .column = 1},
                             packed + filter * taps);
    filter += filters;
  }
  return FNN_OK;
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *j) {
  const struct fnn_convolution *conv = j->conv;
  j->padded = fnn_alloc(context, conv->n * conv->c * j->plane * sizeof *j->padded);
  return j->padded ? fnn_scratch_take(context, j->part * j->count, &j->scratch) : FNN_NO_MEMORY;
}

enum fnn_status fnn_flat_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                  const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue, float *y) {
  struct job j = {.kernels = context->kernels->lanes,
                  .norm = context->kernels->norm,
                  .conv = conv,
                  .channels = conv->c / conv->groups,
                  .filters = conv->k / conv->groups,
                  .x = x,
                  .epilogue = epilogue,
                  .y = y};
  if (conv->n == 0 || conv->k == 0 || conv->window.p == 0 || conv->window.q == 0) return FNN_OK;
  cut(&j);
  FNN_TRY(pack(&j, weight));
  enum fnn_status status = take_memory(context, &j);
  if (status == FNN_OK) {
    fnn_parallel(context, conv->n * conv->c, 8, pad_channels, &j);
    fnn_parallel(context, conv->n * conv->groups * j.chunks * j.parts, 1, convolve_pieces, &j);
  }
  fnn_scratch_give(context, &j.scratch);
  fnn_free(context, j.padded);
  return status;
}
