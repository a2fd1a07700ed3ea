/* The gradient of a convolution's weight over images in lanes, directly: sums stay in registers while pixels go by.
 *
 * A piece of work is a part of the batch and of the filters of a group. Where windows reach over the edge of the image, some
 * channels at a time are copied with zeros around them. For products of matrices x, with these zeros, and g become pairs of
 * blocks before; a pair then is what a block is otherwise. Where relu or a pool came after, some rows of the gradient below them are
 * made at a time. */
#include <string.h>

#include "correlation.h"
#include "lane_convolution.h"
#include "sliding.h"
#include "turned_gradient.h"
#include "winograd.h"

static size_t at_least_one(size_t a) { return a ? a : 1; }

struct gradient {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_lane_kernels *wide; /* for vectors of several neighbouring pixels, or the same */
  const struct fnn_convolution *conv;
  size_t blocks, part, parts, splits; /* blocks in a part; parts of the batch, of a group's filters */
  size_t channels, filters;           /* of a group; or matrices of them */
  size_t side;                        /* channels of a matrix, at most FNN_AMX_SIDE; 0 where there are none */
  size_t h, w;                        /* of an image with zeros around it */
  size_t plane;                       /* floats from a channel to the next in x */
  size_t some;                        /* channels that are copied at a time */
  size_t rows;                        /* of output pixels that are gone through at a time */
  int copied;
  const float *x, *g;
  const float *y;                    /* where g is the gradient of relu's results, these */
  const uint8_t *winner;             /* where it is that of pooled ones, their winners */
  float *x_pairs, *g_pairs;          /* for matrices */
  float *dw, *to;                    /* a gradient for each part, and the whole */
  double *d_bias;                    /* with y or winners: the bias's for each part */
  struct fnn_scratch copies, masked; /* no memory where none are needed */
  size_t *taps;                      /* offset of each tap of each channel, or matrix of them */
};

/* floats that are copied, and vectors that are gone through, at a time: in the order of a cache's size, which is mostly larger where
 * vectors are wider; pixels that are worth a spill of sums */
enum { COPIES = 1 << 16, CACHE = 12 << 10, LEAST_PIXELS = 64 };

/* Row i of an image with zeros around it, of which those of x have `row`; NULL for a row of zeros. */
static const float *row_of(const struct gradient *j, const float *channel, size_t i) {
  const struct fnn_window *w = &j->conv->window;
  return i < w->top || i - w->top >= w->h ? NULL : channel + (i - w->top) * w->w * j->kernels->width;
}

/* Rows are fetched some before they are copied. */
static void copy_channels(const struct gradient *j, const float *x, size_t channels, size_t blocks, float *to) {
  enum { ROWS_AHEAD = 4 };
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, row_size = j->w * lanes;
  for (size_t b = 0; b < blocks; b++)
    for (size_t c = 0; c < channels; c++)
      for (size_t i = 0; i < j->h; i++) {
        float *row = to + ((b * j->some + c) * j->h + i) * row_size;
        const float *from = row_of(j, x + (b * j->conv->c + c) * j->plane, i);
        if (from) {
          fnn_fetch(from + ROWS_AHEAD * w->w * lanes, w->w * lanes);
          fnn_copy_pixels(lanes, from, w->w, -(ptrdiff_t)w->left, j->w, row);
        } else {
          memset(row, 0, row_size * sizeof *row);
        }
      }
}

/* How many rows and columns the output has, as far as they have a gradient. */
static size_t rows_of(const struct gradient *j) { return j->winner ? j->conv->window.p / 2 * 2 : j->conv->window.p; }
static size_t columns_of(const struct gradient *j) { return j->winner ? j->conv->window.q / 2 * 2 : j->conv->window.q; }

/* The gradient of rows first .. last-1 of the sums, for as many filters and blocks as the task has, to
 * [block][filter][row][column]. */
static void mask_rows(const struct gradient *j, const struct fnn_lane_gradient *task, size_t part, size_t filter,
                      size_t first, size_t last, float *to) {
  size_t all = j->conv->groups * j->filters, columns = columns_of(j), side = j->winner ? 2 : 1;
  size_t row = columns / side * j->kernels->width, plane = rows_of(j) / side * row, pixels = (last - first) * columns;
  const struct fnn_window w = fnn_pool_window(last - first, columns);
  for (size_t b = 0; b < task->blocks; b++)
    for (size_t k = filter; k < filter + task->filters; k++, to += pixels * j->kernels->width) {
      size_t at = ((part * j->part + b) * all + k) * plane + first / side * row;
      j->d_bias[part * all + k] += j->winner ? j->kernels->pool.back_to_winners(&w, j->winner + at, j->g + at, to)
                                             : j->kernels->relu_back(pixels, j->y + at, j->g + at, to);
    }
}

/* Rows first .. last-1 of the output: few enough that what the filters and channels read of them stays in a cache. */
static void gradient_rows(const struct gradient *j, struct fnn_lane_gradient task, size_t first, size_t last) {
  size_t together = j->conv->window.stride[1] == 1 ? j->wide->width / j->kernels->width : 1;
  size_t q = task.q, left = q % together;
  task.p = last - first;
  task.x += first * task.x_row;
  if (together > 1 && q > left) {
    task.q = q / together;
    task.x_pixel = j->wide->width;
    j->wide->weight_gradient(&task);
    task.g += (q - left) * j->kernels->width;
    task.x += (q - left) * j->kernels->width;
    task.x_pixel = j->kernels->width;
    task.q = left;
  }
  if (task.q > 0) j->kernels->weight_gradient(&task);
}

/* Floats of a pixel of a filter's gradient, and of what is added up of a filter and a tap of a channel; or of matrices of them. */
static size_t g_pixel(const struct gradient *j) { return j->side ? FNN_AMX_MATRIX : j->kernels->width; }
static size_t sums_size(const struct gradient *j) { return j->side ? FNN_AMX_MATRIX : 1; }

static void gradient_piece(const struct gradient *j, size_t part, size_t group, size_t split, float *copies,
                           float *masked) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t lanes = j->kernels->width, taps = w->r * w->s, pixel = g_pixel(j), pixels = w->p * w->q * pixel;
  size_t each = fnn_ceil_div(j->filters, j->splits), k = split * each, all = conv->groups * j->filters;
  size_t begin = part * j->part, blocks = begin + j->part < j->blocks ? j->part : j->blocks - begin;
  if (k >= j->filters) return;
  size_t filters = k + each < j->filters ? each : j->filters - k, filter = group * j->filters + k;
  size_t sums = j->channels * taps * sums_size(j);
  memset(j->dw + (part * all + filter) * sums, 0, filters * sums * sizeof *j->dw);
  for (size_t c = 0; c < j->channels; c += j->some) {
    size_t some = c + j->some < j->channels ? j->some : j->channels - c;
    const float *x = j->x + (begin * conv->c + group * (conv->c / conv->groups) + c) * j->plane;
    if (copies) copy_channels(j, x, some, blocks, copies);
    struct fnn_lane_gradient task = {
        .filters = filters,
        .taps = some * taps,
        .blocks = blocks,
        .q = columns_of(j),
        .rows = j->side,
        .x_channel = j->plane,
        .g = masked ? masked : j->g + (begin * all + filter) * pixels,
        .g_block = all * pixels,
        .g_filter = pixels,
        .g_row = columns_of(j) * pixel,
        .x = copies ? copies : x,
        .x_block = copies ? j->some * j->h * j->w * lanes : conv->c * j->plane,
        .x_row = w->stride[0] * j->w * lanes,
        .x_pixel = w->stride[1] * lanes,
        .tap = j->taps,
        .dw = j->dw + (part * all + filter) * sums + c * taps * sums_size(j),
        .dw_filter = sums,
    };
    for (size_t p = 0; p < rows_of(j); p += j->rows) {
      size_t end = fnn_fewer(p + j->rows, rows_of(j));
      if (masked) {
        mask_rows(j, &task, part, filter, p, end, masked);
        task.g_filter = (end - p) * task.g_row, task.g_block = filters * task.g_filter;
      }
      gradient_rows(j, task, p, end);
      if (!masked) task.g += (end - p) * task.g_row;
    }
  }
}

static void gradient_pieces(void *user, size_t first, size_t last, int worker) {
  const struct gradient *j = user;
  float *copies = fnn_scratch_of(&j->copies, worker), *masked = fnn_scratch_of(&j->masked, worker);
  for (size_t i = first; i < last; i++)
    gradient_piece(j, i / j->splits / j->conv->groups, i / j->splits % j->conv->groups, i % j->splits, copies, masked);
}

static void cut(struct gradient *j) {
  enum { PIXELS = 128 };
  size_t least = j->side ? 1 : 4; /* filters */
  j->part = fnn_blocks_of_part(j->blocks, at_least_one(j->conv->window.p * j->conv->window.q), PIXELS);
  j->parts = fnn_ceil_div(j->blocks, j->part);
  j->splits = fnn_ceil_div(FNN_LANE_PIECES, at_least_one(j->parts * j->conv->groups));
  if (j->splits > fnn_ceil_div(j->filters, least)) j->splits = at_least_one(fnn_ceil_div(j->filters, least));
}

static int needs_copies(const struct gradient *j) {
  const struct fnn_window *w = &j->conv->window;
  return w->top > 0 || w->left > 0 || j->h > w->h || j->w > w->w;
}

/* Floats that are added up in each part. */
static size_t part_size(const struct gradient *j) {
  return j->conv->groups * j->filters * j->channels * j->conv->window.r * j->conv->window.s * sums_size(j);
}

static enum fnn_status take_sums(struct fnn_context *context, struct gradient *j) {
  size_t bytes = j->parts * part_size(j) * sizeof *j->dw;
  j->dw = fnn_alloc(context, bytes);
  return j->dw ? FNN_OK : FNN_NO_MEMORY;
}

static enum fnn_status take_memory(struct fnn_context *context, struct gradient *j) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, plane = j->h * j->w * lanes, step = j->side ? j->side * j->plane : plane;
  FNN_TRY(take_sums(context, j));
  j->taps = fnn_alloc(context, j->some * w->r * w->s * sizeof *j->taps);
  if (!j->taps) return FNN_NO_MEMORY;
  for (size_t c = 0, t = 0; c < j->some; c++)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, t++)
        j->taps[t] = c * step + (r * w->dilation[0] * j->w + s * w->dilation[1]) * lanes;
  if (j->copied) FNN_TRY(fnn_scratch_take(context, j->part * j->some * plane, &j->copies));
  if (!j->y && !j->winner) return FNN_OK;
  size_t filters = j->conv->groups * j->filters, each = fnn_ceil_div(j->filters, j->splits);
  j->d_bias = fnn_alloc(context, j->parts * filters * sizeof *j->d_bias);
  if (!j->d_bias) return FNN_NO_MEMORY;
  for (size_t i = 0; i < j->parts * filters; i++) j->d_bias[i] = 0.0;
  return fnn_scratch_take(context, j->part * each * j->rows * columns_of(j) * lanes, &j->masked);
}

/* From a channel of pairs to the next. The rows of a matrix should not all fall into one set of the first cache. */
static size_t pairs_plane(const struct gradient *j) { return (j->h * j->w | 1) * j->kernels->width; }

static void start(struct gradient *j, size_t lanes) {
  const struct fnn_window *w = &j->conv->window;
  int copied = needs_copies(j) && !j->side;
  cut(j);
  j->some = j->channels;
  j->plane = j->side ? pairs_plane(j) : (copied ? w->h * w->w : j->h * j->w) * lanes;
  if (copied) {
    size_t most = at_least_one(COPIES / at_least_one(j->part * j->h * j->w * lanes));
    if (j->some > most) j->some = most;
  }
  j->copied = copied;
  size_t vectors = (j->filters / j->splits + j->some) * (j->side ? FNN_AMX_SIDE : 1);
  j->rows = CACHE / at_least_one(vectors * j->part * w->q);
  if (j->rows * j->part * w->q < LEAST_PIXELS) j->rows = fnn_ceil_div(LEAST_PIXELS, at_least_one(j->part * w->q));
  if (j->winner) j->rows += j->rows % 2;
}

/* ---- pairs of blocks, in matrices ---- */

/* Channels of pairs of blocks of x, with zeros around the images, and of g. */
static void pair_x(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient *j = user;
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, image = w->h * w->w * lanes, row_size = j->w * lanes;
  for (size_t i = first; i < last; i++) {
    size_t block = i / j->conv->c * 2, c = i % j->conv->c;
    const float *a = j->x + (block * j->conv->c + c) * image, *b = a + j->conv->c * image;
    for (size_t h = 0; h < j->h; h++) {
      float *to = j->x_pairs + i * pairs_plane(j) + h * row_size;
      const float *row = row_of(j, a, h), *other = block + 1 < j->blocks ? row_of(j, b, h) : NULL;
      if (row)
        fnn_copy_pairs(j->kernels, row, other, w->w, -(ptrdiff_t)w->left, j->w, to, j->kernels->width);
      else
        memset(to, 0, row_size * sizeof *to);
    }
  }
}

/* Matrices of filters. */
static void pair_g(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient *j = user;
  size_t pixels = j->conv->window.p * j->conv->window.q, plane = pixels * j->kernels->width, k = j->conv->k;
  size_t matrices = j->conv->groups * j->filters, group = k / j->conv->groups;
  for (size_t i = first; i < last; i++) {
    size_t block = i / matrices * 2, filter = i % j->filters * FNN_AMX_SIDE;
    const float *a = j->g + (block * k + i % matrices / j->filters * group + filter) * plane;
    const float *b = block + 1 < j->blocks ? a + k * plane : NULL;
    j->kernels->pack_columns(pixels, fnn_fewer(group - filter, FNN_AMX_SIDE), a, b, plane,
                             j->g_pairs + i * pixels * FNN_AMX_MATRIX);
  }
}

static enum fnn_status make_pairs(struct fnn_context *context, struct gradient *j) {
  const struct fnn_convolution *conv = j->conv;
  size_t pairs = fnn_ceil_div(j->blocks, 2), pixels = conv->window.p * conv->window.q;
  size_t filters = conv->groups * j->filters, beyond = j->side; /* the last matrix reaches over the last channels */
  j->x_pairs = fnn_alloc(context, (pairs * conv->c + beyond) * pairs_plane(j) * sizeof *j->x_pairs);
  if (!j->x_pairs) return FNN_NO_MEMORY;
  j->g_pairs = fnn_alloc(context, pairs * filters * pixels * g_pixel(j) * sizeof *j->g_pairs);
  if (!j->g_pairs) return FNN_NO_MEMORY;
  fnn_parallel(context, pairs * conv->c, 1, pair_x, j);
  fnn_parallel(context, pairs * filters, 1, pair_g, j);
  j->x = j->x_pairs, j->g = j->g_pairs, j->blocks = pairs;
  return FNN_OK;
}

/* What was added up in matrices of channels x filters. */
static void spread_matrices(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient *j = user;
  size_t taps = j->conv->window.r * j->conv->window.s, channels = j->conv->c / j->conv->groups;
  size_t filters = j->conv->k / j->conv->groups;
  for (size_t k = first; k < last; k++) {
    size_t filter = k % filters, matrix = k / filters * j->filters + filter / FNN_AMX_SIDE;
    for (size_t c = 0; c < channels; c++) {
      const float *from = j->dw + (matrix * j->channels + c / j->side) * taps * FNN_AMX_MATRIX +
                          c % j->side * FNN_AMX_SIDE + filter % FNN_AMX_SIDE;
      for (size_t t = 0; t < taps; t++) j->to[(k * channels + c) * taps + t] = from[t * FNN_AMX_MATRIX];
    }
  }
}

/* ---- depthwise, 3 x 3: in float32 always ---- */

static int slides(const struct gradient *j) {
  const struct fnn_window *w = &j->conv->window;
  return j->channels == 1 && j->filters == 1 && w->r == FNN_SLIDING_TAPS && w->s == FNN_SLIDING_TAPS &&
         w->stride[0] == 1 && w->stride[1] == 1 && w->dilation[0] == 1 && w->dilation[1] == 1 && w->h > 0 && w->w > 0 &&
         j->wide->width == j->kernels->width;
}

/* A part of the batch, of one group. */
static void slide_piece(const struct gradient *j, size_t part, size_t group) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t begin = part * j->part, image = w->h * w->w * j->kernels->width, pixels = w->p * w->q * j->kernels->width;
  float *dw = j->dw + (part * conv->k + group) * FNN_SLIDING_TAPS * FNN_SLIDING_TAPS;
  memset(dw, 0, sizeof *dw * FNN_SLIDING_TAPS * FNN_SLIDING_TAPS);
  j->kernels->sliding_gradient(&(struct fnn_sliding_gradient){
      .blocks = fnn_fewer(j->part, j->blocks - begin),
      .h = w->h,
      .w = w->w,
      .p = w->p,
      .q = w->q,
      .top = w->top,
      .left = w->left,
      .x = j->x + (begin * conv->c + group) * image,
      .g = j->g + (begin * conv->k + group) * pixels,
      .x_block = conv->c * image,
      .g_block = conv->k * pixels,
      .dw = dw,
  });
}

static void slide_pieces(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient *j = user;
  for (size_t i = first; i < last; i++) slide_piece(j, i / j->conv->groups, i % j->conv->groups);
}

static enum fnn_status slide(struct fnn_context *context, struct gradient *j, float *dw) {
  cut(j);
  FNN_TRY(take_sums(context, j));
  fnn_parallel(context, j->parts * j->conv->groups, 1, slide_pieces, j);
  fnn_add_up(context, j->parts, part_size(j), j->dw, dw);
  fnn_free(context, j->dw);
  return FNN_OK;
}

/* ---- all ---- */

static struct gradient gradient_of(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                   const float *x, float *dw) {
  const struct fnn_window *w = &conv->window;
  return (struct gradient){.kernels = fnn_lane_kernels_for(context->isa, lanes),
                           .wide = context->kernels->lanes,
                           .conv = conv,
                           .blocks = fnn_ceil_div(conv->n, lanes),
                           .channels = conv->c / conv->groups,
                           .filters = conv->k / conv->groups,
                           .h = w->p ? (w->p - 1) * w->stride[0] + (w->r - 1) * w->dilation[0] + 1 : 0,
                           .w = w->q ? (w->q - 1) * w->stride[1] + (w->s - 1) * w->dilation[1] + 1 : 0,
                           .x = x,
                           .to = dw};
}

static enum fnn_status make_gradient(struct fnn_context *context, size_t lanes, struct gradient *j) {
  if (!j->side && !needs_copies(j)) j->h = j->conv->window.h, j->w = j->conv->window.w;
  start(j, lanes);
  FNN_TRY(take_memory(context, j));
  fnn_parallel(context, j->parts * j->conv->groups * j->splits, 1, gradient_pieces, j);
  fnn_add_up(context, j->parts, part_size(j), j->dw, j->side ? j->dw : j->to);
  if (j->side) fnn_parallel(context, j->conv->k, 1, spread_matrices, j);
  return FNN_OK;
}

static void give_memory(struct fnn_context *context, struct gradient *j) {
  fnn_scratch_give(context, &j->copies);
  fnn_scratch_give(context, &j->masked);
  fnn_free(context, j->taps);
  fnn_free(context, j->dw);
  fnn_free(context, j->d_bias);
  fnn_free(context, j->g_pairs);
  fnn_free(context, j->x_pairs);
}

/* The kernels of mixed precision: those for matrices, or where they turn gradients. */
static const struct fnn_lane_kernels *pairs_for(struct fnn_context *context, size_t lanes,
                                                const struct fnn_convolution *conv) {
  const struct fnn_lane_kernels *pairs = fnn_lane_pairs_for(context, lanes, conv, conv->n);
  return pairs && (pairs->matrices || fnn_winograd_gradient_pays(context, lanes, pairs, conv) ||
                   fnn_turned_gradient_pays(context, lanes, pairs, conv))
             ? pairs
             : NULL;
}

enum fnn_status fnn_lane_convolve_back_weight(struct fnn_context *context, size_t lanes,
                                              const struct fnn_convolution *conv, const float *g, const float *x,
                                              float *dw) {
  const struct fnn_lane_kernels *pairs = pairs_for(context, lanes, conv);
  if (fnn_winograd_gradient_pays(context, lanes, pairs, conv))
    return fnn_winograd_gradient(context, lanes, pairs, conv, g, x, dw);
  if (fnn_turned_gradient_pays(context, lanes, pairs, conv)) return fnn_turned_gradient(context, pairs, conv, g, x, dw);
  struct gradient j = gradient_of(context, lanes, conv, x, dw);
  enum fnn_status status = FNN_OK;
  j.g = g;
  if (slides(&j)) return slide(context, &j, dw);
  if (pairs) {
    j.side = fnn_amx_size(j.channels);
    j.channels = fnn_amx_count(j.channels), j.filters = fnn_amx_count(j.filters);
    j.kernels = j.wide = pairs;
    status = make_pairs(context, &j);
  }
  if (status == FNN_OK) status = make_gradient(context, lanes, &j);
  give_memory(context, &j);
  return status;
}

/* ---- below relu or a pool ---- */

int fnn_lane_masks_rows(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv) {
  const struct fnn_lane_kernels *pairs = pairs_for(context, lanes, conv);
  struct gradient j = gradient_of(context, lanes, conv, NULL, NULL);
  if (pairs || slides(&j) || fnn_winograd_gradient_pays(context, lanes, pairs, conv) ||
      fnn_turned_gradient_pays(context, lanes, pairs, conv))
    return 0;
  start(&j, lanes);
  return j.some == j.channels; /* or they would be made more than once */
}

enum fnn_status fnn_lane_convolve_back_masked(struct fnn_context *context, size_t lanes,
                                              const struct fnn_convolution *conv,
                                              const struct fnn_masked_gradient *masked, const float *x, float *dw,
                                              float *d_bias) {
  struct gradient j = gradient_of(context, lanes, conv, x, dw);
  j.g = masked->g, j.y = masked->y, j.winner = masked->winner;
  enum fnn_status status = make_gradient(context, lanes, &j);
  for (size_t k = 0; d_bias && status == FNN_OK && k < conv->k; k++) {
    double total = 0.0;
    for (size_t part = 0; part < j.parts; part++) total += j.d_bias[part * conv->k + k];
    d_bias[k] = (float)total;
  }
  give_memory(context, &j);
  return status;
}
