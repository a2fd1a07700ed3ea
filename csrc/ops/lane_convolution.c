#include "lane_convolution.h"

#include <string.h>

enum { PIECES = 8 }; /* at least so many pieces of work where there are few images, so that all threads have some */

int fnn_lanes_convolve(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  return (w->stride[0] == 1 || w->dilation[0] == 1) && (w->stride[1] == 1 || w->dilation[1] == 1);
}

static size_t ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }
static size_t at_least_one(size_t a) { return a ? a : 1; }

/* ---- a row of pixels, with what lies left and right of the image ---- */

/* to[i] = the pixel number `first` + i of a row of `size` pixels, 0 outside of it, for i < count */
static void copy_row(size_t lanes, const float *row, size_t size, ptrdiff_t first, size_t count, float *to) {
  ptrdiff_t begin = first < 0 ? 0 : first, end = first + (ptrdiff_t)count;
  if (end > (ptrdiff_t)size) end = (ptrdiff_t)size;
  if (end < begin) begin = end = first < 0 ? 0 : first;
  size_t before = (size_t)(begin - first), inside = (size_t)(end - begin);
  if (before > count) before = count, inside = 0;
  memset(to, 0, before * lanes * sizeof *to);
  if (inside) memcpy(to + before * lanes, row + (size_t)begin * lanes, inside * lanes * sizeof *to);
  memset(to + (before + inside) * lanes, 0, (count - before - inside) * lanes * sizeof *to);
}

/* ---- correlation: forward, and the gradient of the input ----
 *
 * Rows of the image that need zeros beside them are copied once into a ring of as many rows as the kernel covers. */

struct correlation {
  const struct fnn_lane_kernels *kernels;
  size_t blocks, groups, chunks; /* a piece of work is a chunk of output rows of a group of a block */
  size_t channels, filters;      /* of a group */
  size_t h, w, r, s, p, q;       /* input, kernel, output */
  size_t stride[2], dilation[2];
  ptrdiff_t top, left;                                /* of the first output pixel's window, before the input */
  size_t y_origin, y_block, y_filter, y_row, y_pixel; /* where output pixels go, in floats */
  const float *x, *weight, *bias;                     /* weight: packed, group after group */
  int relu;
  float *y, *ring; /* a ring for each worker */
};

static size_t columns(const struct correlation *j) {
  return (j->q - 1) * j->stride[1] + (j->s - 1) * j->dilation[1] + 1;
}
static size_t ring_rows(const struct correlation *j) { return (j->r - 1) * j->dilation[0] + 1; }
static size_t ring_size(const struct correlation *j) {
  return ring_rows(j) * j->channels * columns(j) * j->kernels->width;
}

/* The image's own rows will do. */
static int needs_no_ring(const struct correlation *j) { return j->left <= 0 && (size_t)-j->left + columns(j) <= j->w; }

/* Rows `from` .. `to`-1 of the image into the ring, all channels. */
static void fill_ring(const struct correlation *j, const float *x, float *ring, ptrdiff_t from, ptrdiff_t to) {
  size_t lanes = j->kernels->width, count = columns(j), row_size = count * lanes;
  for (ptrdiff_t h = from < 0 ? 0 : from; h < to && h < (ptrdiff_t)j->h; h++) {
    float *slot = ring + (size_t)h % ring_rows(j) * j->channels * row_size;
    for (size_t c = 0; c < j->channels; c++)
      copy_row(lanes, x + (c * j->h + (size_t)h) * j->w * lanes, j->w, -j->left, count, slot + c * row_size);
  }
}

enum { MAX_ROWS = 64 };

/* Output rows first .. last-1 of one group of one block. */
static void correlate_rows(const struct correlation *j, size_t block, size_t group, size_t first, size_t last,
                           float *ring) {
  size_t lanes = j->kernels->width, direct = ring == NULL, row_size = direct ? j->w * lanes : columns(j) * lanes;
  const float *x = j->x + (block * j->groups + group) * j->channels * j->h * j->w * lanes;
  size_t taps = j->channels * j->r * j->s;
  ptrdiff_t filled = (ptrdiff_t)(first * j->stride[0]) - j->top;
  for (size_t p = first; p < last; p++) {
    const float *rows[MAX_ROWS];
    ptrdiff_t origin = (ptrdiff_t)(p * j->stride[0]) - j->top;
    size_t begin = 0, count = 0;
    ptrdiff_t end = origin + (ptrdiff_t)ring_rows(j);
    if (!direct) fill_ring(j, x, ring, filled > origin ? filled : origin, end);
    filled = end;
    for (size_t r = 0; r < j->r; r++) {
      ptrdiff_t h = origin + (ptrdiff_t)(r * j->dilation[0]);
      if (h < 0) begin = r + 1;
      if (h < 0 || h >= (ptrdiff_t)j->h) continue;
      rows[count++] = direct ? x + ((size_t)h * j->w + (size_t)-j->left) * lanes
                             : ring + (size_t)h % ring_rows(j) * j->channels * row_size;
    }
    j->kernels->correlate(&(struct fnn_lane_row){
        .filters = j->filters,
        .channels = j->channels,
        .q = j->q,
        .r = count,
        .s = j->s,
        .x = rows,
        .x_channel = direct ? j->h * row_size : row_size,
        .x_pixel = j->stride[1] * lanes,
        .x_tap = j->dilation[1] * lanes,
        .weight = j->weight + group * j->filters * taps,
        .w_rows = j->r,
        .w_first = begin,
        .bias = j->bias ? j->bias + group * j->filters : NULL,
        .relu = j->relu,
        .y = j->y + block * j->y_block + group * j->filters * j->y_filter + j->y_origin + p * j->y_row,
        .y_filter = j->y_filter,
        .y_pixel = j->y_pixel,
    });
  }
}

static void correlate_pieces(void *user, size_t first, size_t last, int worker) {
  const struct correlation *j = user;
  float *ring = j->ring ? j->ring + (size_t)worker * ring_size(j) : NULL;
  for (size_t i = first; i < last; i++) {
    size_t chunk = i % j->chunks, group = i / j->chunks % j->groups, block = i / j->chunks / j->groups;
    size_t rows = ceil_div(j->p, j->chunks), begin = chunk * rows, end = begin + rows < j->p ? begin + rows : j->p;
    if (begin < end) correlate_rows(j, block, group, begin, end, ring);
  }
}

static enum fnn_status correlate(struct fnn_context *context, struct correlation *j) {
  if (j->p == 0 || j->q == 0 || j->blocks == 0) return FNN_OK;
  j->chunks = ceil_div(PIECES, at_least_one(j->blocks * j->groups));
  if (j->chunks > j->p) j->chunks = j->p;
  j->ring = NULL;
  if (!needs_no_ring(j)) {
    j->ring = fnn_alloc(context, (size_t)context->threads.count * ring_size(j) * sizeof *j->ring);
    if (!j->ring) return FNN_NO_MEMORY;
  }
  fnn_parallel(context, j->blocks * j->groups * j->chunks, 1, correlate_pieces, j);
  fnn_free(context, j->ring);
  return FNN_OK;
}

static struct correlation correlation_of(struct fnn_context *context, size_t lanes,
                                         const struct fnn_convolution *conv) {
  return (struct correlation){
      .kernels = fnn_lane_kernels_for(context->isa, lanes), .blocks = ceil_div(conv->n, lanes), .groups = conv->groups};
}

enum fnn_status fnn_lane_convolve(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                  const float *x, const float *weight, const float *bias, int relu, float *y) {
  const struct fnn_window *w = &conv->window;
  struct correlation j = correlation_of(context, lanes, conv);
  size_t pixels = w->p * w->q * lanes, taps;
  j.channels = conv->c / conv->groups, j.filters = conv->k / conv->groups;
  j.h = w->h, j.w = w->w, j.r = w->r, j.s = w->s, j.p = w->p, j.q = w->q;
  memcpy(j.stride, w->stride, sizeof j.stride);
  memcpy(j.dilation, w->dilation, sizeof j.dilation);
  j.top = (ptrdiff_t)w->top, j.left = (ptrdiff_t)w->left;
  j.y_block = conv->k * pixels, j.y_filter = pixels, j.y_row = w->q * lanes, j.y_pixel = lanes;
  j.x = x, j.bias = bias, j.relu = relu, j.y = y;
  taps = j.channels * w->r * w->s;
  float *packed = fnn_alloc(context, conv->k * taps * sizeof *packed);
  if (!packed) return FNN_NO_MEMORY;
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
  enum fnn_status status = correlate(context, &j);
  fnn_free(context, packed);
  return status;
}

/* Pixels i, i + stride, ... of one axis of x: which taps reach them, from which pixels of g. Pixel
 * h = stride m + phase - before (m >= first) gets g[m - i] w[phase + stride i]: a correlation of stride 1 with the taps
 * in reverse. */
struct phase {
  size_t taps, count, begin; /* of the kernel; pixels of x, and the first of them */
  ptrdiff_t before;          /* of the correlation's first window */
};

static struct phase phase_of(size_t phase, size_t stride, size_t taps, size_t dilation, size_t before, size_t size) {
  struct phase f = {.taps = phase < taps ? ceil_div(taps - phase, stride) : 0};
  size_t first = before > phase ? ceil_div(before - phase, stride) : 0;
  f.begin = stride * first + phase - before;
  f.count = f.begin < size ? ceil_div(size - f.begin, stride) : 0;
  f.before = (ptrdiff_t)(f.taps ? (f.taps - 1) * dilation : 0) - (ptrdiff_t)first;
  return f;
}

static enum fnn_status back_phase(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                  size_t row_phase, size_t column_phase, const float *g, const float *weight,
                                  float *packed, float *dx) {
  const struct fnn_window *w = &conv->window;
  struct phase rows = phase_of(row_phase, w->stride[0], w->r, w->dilation[0], w->top, w->h);
  struct phase columns = phase_of(column_phase, w->stride[1], w->s, w->dilation[1], w->left, w->w);
  struct correlation j = correlation_of(context, lanes, conv);
  size_t pixels = w->h * w->w * lanes, taps = w->r * w->s, group_filters = conv->k / conv->groups;
  if (rows.taps == 0 || columns.taps == 0) return FNN_OK;
  j.channels = group_filters, j.filters = conv->c / conv->groups;
  j.h = w->p, j.w = w->q, j.r = rows.taps, j.s = columns.taps, j.p = rows.count, j.q = columns.count;
  j.stride[0] = j.stride[1] = 1;
  memcpy(j.dilation, w->dilation, sizeof j.dilation);
  j.top = rows.before, j.left = columns.before;
  j.y_block = conv->c * pixels, j.y_filter = pixels;
  j.y_origin = (rows.begin * w->w + columns.begin) * lanes;
  j.y_row = w->stride[0] * w->w * lanes, j.y_pixel = w->stride[1] * lanes;
  j.x = g, j.y = dx, j.weight = packed;
  size_t last_row = row_phase + (rows.taps - 1) * w->stride[0];
  size_t last_column = column_phase + (columns.taps - 1) * w->stride[1];
  for (size_t group = 0; group < conv->groups; group++)
    j.kernels->pack_weights(&(struct fnn_lane_weights){.filters = j.filters,
                                                       .channels = j.channels,
                                                       .r = rows.taps,
                                                       .s = columns.taps,
                                                       .from = weight + group * group_filters * j.filters * taps +
                                                               last_row * w->s + last_column,
                                                       .filter = (ptrdiff_t)taps,
                                                       .channel = (ptrdiff_t)(j.filters * taps),
                                                       .row = -(ptrdiff_t)(w->stride[0] * w->s),
                                                       .column = -(ptrdiff_t)w->stride[1]},
                            packed + group * j.filters * j.channels * rows.taps * columns.taps);
  return correlate(context, &j);
}

enum fnn_status fnn_lane_convolve_back_input(struct fnn_context *context, size_t lanes,
                                             const struct fnn_convolution *conv, const float *g, const float *weight,
                                             float *dx) {
  const struct fnn_window *w = &conv->window;
  size_t stored = ceil_div(conv->n, lanes) * lanes * conv->c * w->h * w->w;
  float *packed = fnn_alloc(context, conv->k * (conv->c / conv->groups) * w->r * w->s * sizeof *packed);
  enum fnn_status status = packed ? FNN_OK : FNN_NO_MEMORY;
  /* without pixels of g, or between the strides of a small kernel, nothing is written */
  if (status == FNN_OK && (w->stride[0] > w->r || w->stride[1] > w->s || w->p == 0 || w->q == 0 || conv->k == 0))
    memset(dx, 0, stored * sizeof *dx);
  for (size_t row = 0; row < w->stride[0] && row < w->r; row++)
    for (size_t column = 0; column < w->stride[1] && column < w->s; column++)
      if (status == FNN_OK && w->p > 0 && w->q > 0)
        status = back_phase(context, lanes, conv, row, column, g, weight, packed, dx);
  fnn_free(context, packed);
  return status;
}

/* ---- the gradient of the weight ----
 *
 * A piece of work is a part of the batch and of the filters of a group. Where windows reach over the edge of the image, some
 * channels at a time are copied with zeros around them. */

struct gradient {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_convolution *conv;
  size_t blocks, part, parts, splits; /* blocks in a part; parts of the batch, of a group's filters */
  size_t channels, filters;           /* of a group */
  size_t h, w;                        /* of an image with zeros around it */
  size_t some;                        /* channels that are copied at a time */
  size_t rows;                        /* of output pixels that are gone through at a time */
  const float *x, *g;
  float *dw, *copies; /* a gradient for each part; copies for each worker, NULL where none are needed */
  size_t *taps;       /* offset of each tap of each channel */
};

/* floats that are copied, and gone through, at a time: in the order of a cache's size; pixels that are worth a spill of sums */
enum { COPIES = 1 << 16, CACHE = 3 << 16, LEAST_PIXELS = 64 };

static void copy_channels(const struct gradient *j, const float *x, size_t channels, size_t blocks, float *to) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, row_size = j->w * lanes;
  for (size_t b = 0; b < blocks; b++)
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < j->h; i++) {
        float *row = to + ((b * j->some + c) * j->h + i) * row_size;
        ptrdiff_t h = (ptrdiff_t)i - (ptrdiff_t)w->top;
        if (h < 0 || h >= (ptrdiff_t)w->h)
          memset(row, 0, row_size * sizeof *row);
        else
          copy_row(lanes, x + ((b * j->conv->c + c) * w->h + (size_t)h) * w->w * lanes, w->w, -(ptrdiff_t)w->left, j->w,
                   row);
      }
}

/* Rows first .. last-1 of the output: few enough that what the filters and channels read of them stays in a cache. */
static void gradient_rows(const struct gradient *j, struct fnn_lane_gradient task, size_t first, size_t last) {
  task.p = last - first;
  task.g += first * task.g_row;
  task.x += first * task.x_row;
  j->kernels->weight_gradient(&task);
}

static void gradient_piece(const struct gradient *j, size_t part, size_t group, size_t split, float *copies) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t lanes = j->kernels->width, taps = w->r * w->s, pixels = w->p * w->q * lanes;
  size_t each = ceil_div(j->filters, j->splits), k = split * each;
  size_t begin = part * j->part, blocks = begin + j->part < j->blocks ? j->part : j->blocks - begin;
  if (k >= j->filters) return;
  size_t filters = k + each < j->filters ? each : j->filters - k, filter = group * j->filters + k;
  for (size_t c = 0; c < j->channels; c += j->some) {
    size_t some = c + j->some < j->channels ? j->some : j->channels - c;
    const float *x = j->x + (begin * conv->c + group * j->channels + c) * w->h * w->w * lanes;
    if (copies) copy_channels(j, x, some, blocks, copies);
    struct fnn_lane_gradient task = {
        .filters = filters,
        .taps = some * taps,
        .blocks = blocks,
        .q = w->q,
        .g = j->g + (begin * conv->k + filter) * pixels,
        .g_block = conv->k * pixels,
        .g_filter = pixels,
        .g_row = w->q * lanes,
        .x = copies ? copies : x,
        .x_block = (copies ? j->some : conv->c) * j->h * j->w * lanes,
        .x_row = w->stride[0] * j->w * lanes,
        .x_pixel = w->stride[1] * lanes,
        .tap = j->taps,
        .dw = j->dw + ((part * conv->k + filter) * j->channels + c) * taps,
        .dw_filter = j->channels * taps,
    };
    for (size_t p = 0; p < w->p; p += j->rows) gradient_rows(j, task, p, p + j->rows < w->p ? p + j->rows : w->p);
  }
}

static void gradient_pieces(void *user, size_t first, size_t last, int worker) {
  const struct gradient *j = user;
  size_t size = j->part * j->some * j->h * j->w * j->kernels->width;
  float *copies = j->copies ? j->copies + (size_t)worker * size : NULL;
  for (size_t i = first; i < last; i++)
    gradient_piece(j, i / j->splits / j->conv->groups, i / j->splits % j->conv->groups, i % j->splits, copies);
}

/* Few sums in registers are spilled often where images are small: then a part has several blocks. */
static void cut(struct gradient *j) {
  enum { PIXELS = 512, PARTS = 16 };
  size_t pixels = at_least_one(j->conv->window.p * j->conv->window.q);
  j->part = ceil_div(PIXELS, pixels);
  if (j->part < ceil_div(j->blocks, PARTS)) j->part = ceil_div(j->blocks, PARTS);
  if (j->part > j->blocks) j->part = at_least_one(j->blocks);
  j->parts = ceil_div(j->blocks, j->part);
  j->splits = ceil_div(PIECES, at_least_one(j->parts * j->conv->groups));
  if (j->splits > ceil_div(j->filters, 4)) j->splits = at_least_one(ceil_div(j->filters, 4));
}

static int needs_copies(const struct gradient *j) {
  const struct fnn_window *w = &j->conv->window;
  return w->top > 0 || w->left > 0 || j->h > w->h || j->w > w->w;
}

static enum fnn_status take_memory(struct fnn_context *context, struct gradient *j, int copied) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, plane = j->h * j->w * lanes, weights = j->conv->k * j->channels * w->r * w->s;
  j->dw = fnn_alloc(context, j->parts * weights * sizeof *j->dw);
  j->taps = j->dw ? fnn_alloc(context, j->some * w->r * w->s * sizeof *j->taps) : NULL;
  if (!j->taps) return FNN_NO_MEMORY;
  memset(j->dw, 0, j->parts * weights * sizeof *j->dw);
  for (size_t c = 0, t = 0; c < j->some; c++)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, t++)
        j->taps[t] = c * plane + (r * w->dilation[0] * j->w + s * w->dilation[1]) * lanes;
  if (!copied) return FNN_OK;
  j->copies = fnn_alloc(context, (size_t)context->threads.count * j->part * j->some * plane * sizeof *j->copies);
  return j->copies ? FNN_OK : FNN_NO_MEMORY;
}

enum fnn_status fnn_lane_convolve_back_weight(struct fnn_context *context, size_t lanes,
                                              const struct fnn_convolution *conv, const float *g, const float *x,
                                              float *dw) {
  const struct fnn_window *w = &conv->window;
  struct gradient j = {.kernels = fnn_lane_kernels_for(context->isa, lanes),
                       .conv = conv,
                       .blocks = ceil_div(conv->n, lanes),
                       .channels = conv->c / conv->groups,
                       .filters = conv->k / conv->groups,
                       .h = w->p ? (w->p - 1) * w->stride[0] + (w->r - 1) * w->dilation[0] + 1 : 0,
                       .w = w->q ? (w->q - 1) * w->stride[1] + (w->s - 1) * w->dilation[1] + 1 : 0,
                       .x = x,
                       .g = g};
  size_t count = conv->k * j.channels * w->r * w->s;
  int copied = needs_copies(&j);
  cut(&j);
  j.some = j.channels;
  if (copied) {
    size_t most = at_least_one(COPIES / at_least_one(j.part * j.h * j.w * lanes));
    if (j.some > most) j.some = most;
  } else {
    j.h = w->h, j.w = w->w;
  }
  j.rows = CACHE / at_least_one((j.filters / j.splits + j.some) * j.part * w->q * lanes);
  if (j.rows * j.part * w->q < LEAST_PIXELS) j.rows = ceil_div(LEAST_PIXELS, at_least_one(j.part * w->q));
  enum fnn_status status = take_memory(context, &j, copied);
  if (status == FNN_OK) {
    fnn_parallel(context, j.parts * conv->groups * j.splits, 1, gradient_pieces, &j);
    memcpy(dw, j.dw, count * sizeof *dw);
    for (size_t part = 1; part < j.parts; part++)
      context->kernels->elementwise->accumulate(count, j.dw + part * count, dw);
  }
  fnn_free(context, j.copies);
  fnn_free(context, j.taps);
  fnn_free(context, j.dw);
  return status;
}
