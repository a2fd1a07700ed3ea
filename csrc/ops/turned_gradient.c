/* A piece of work is a part of the batch and of the vectors of filters of a group. Some rows of the output's gradient at a time are
 * turned, and then meet tap by tap the pixels that lie under them: those beside the image are left out.
 *
 * Turning takes as long as the products of a dozen channels with one tap. A kernel of a single tap that meets every pixel once knows
 * no difference between the input and the output's gradient: the one with fewer channels is turned, as if it were the other.
 *
 * In mixed precision what is turned becomes pairs of two images, and so do the rows of the input that it meets. */
#include "turned_gradient.h"

#include <string.h>

#include "../kernels/window.h"
#include "correlation.h"
#include "lane_convolution.h"

struct job {
  const struct fnn_lane_kernels *kernels; /* those of pairs for mixed precision */
  struct fnn_convolution conv;
  int swapped;
  size_t channels, filters, vectors; /* of a group */
  size_t blocks, part, parts;        /* blocks in a part; parts of the batch */
  size_t splits, split;              /* of the vectors; how many one has, the last perhaps fewer */
  size_t rows;                       /* at a time */
  size_t numbers;                    /* of a pixel of a block: images, or pairs of them */
  size_t plane;                      /* floats from a channel of the input to the next, where it is read */
  const float *x, *g;
  float *sums; /* for each part and group: [tap][channel][filter] */
  struct fnn_scratch turned, halves;
  float *dw;
};

static size_t filled(const struct job *j) { return j->vectors * j->kernels->width; }
static size_t taps_of(const struct job *j) { return j->conv.window.r * j->conv.window.s; }
static size_t group_size(const struct job *j) { return taps_of(j) * j->channels * filled(j); }

/* How many rows of the input `rows` of the output meet, with those beside the image. */
static size_t rows_met(const struct fnn_window *w, size_t rows) {
  return (rows - 1) * w->stride[0] + (w->r - 1) * w->dilation[0] + 1;
}

struct piece {
  size_t begin, blocks, group, vector, vectors; /* from where on, and how many */
  float *turned, *halves;                       /* halves: rows of the input as pairs, or NULL */
  float *sums;
  const float *x; /* row number x_first of the input */
  size_t x_first, x_block;
};

/* Rows first .. last-1, under one tap. */
static void add_tap(const struct job *j, const struct piece *piece, size_t first, size_t last, size_t r, size_t s) {
  const struct fnn_window *w = &j->conv.window;
  size_t lanes = j->kernels->width, pixel = lanes * j->numbers, x_row = w->w * j->numbers;
  struct fnn_range p = fnn_rows_under(w, r), q = fnn_columns_under(w, s);
  if (p.first < first) p.first = first;
  if (p.last > last) p.last = last;
  if (p.first >= p.last || q.first >= q.last) return;
  size_t row = p.first * w->stride[0] + r * w->dilation[0] - w->top - piece->x_first;
  size_t column = q.first * w->stride[1] + s * w->dilation[1] - w->left;
  size_t g_row = w->q * pixel, g_block = (last - first) * g_row;
  j->kernels->turned_gradient(&(struct fnn_turned_gradient){
      .vectors = piece->vectors,
      .channels = j->channels,
      .blocks = piece->blocks,
      .p = p.last - p.first,
      .q = q.last - q.first,
      .g = piece->turned + (p.first - first) * g_row + q.first * pixel,
      .g_vector = piece->blocks * g_block,
      .g_block = g_block,
      .g_row = g_row,
      .x = piece->x + row * x_row + column * j->numbers,
      .x_channel = j->plane,
      .x_block = piece->x_block,
      .x_row = w->stride[0] * x_row,
      .x_pixel = w->stride[1] * j->numbers,
      .dw = piece->sums + (r * w->s + s) * j->channels * filled(j) + piece->vector * lanes,
      .dw_channel = filled(j),
  });
}

static void turn(const struct job *j, const struct piece *piece, size_t first, size_t last) {
  const struct fnn_window *w = &j->conv.window;
  size_t lanes = j->kernels->width, plane = w->p * w->q * lanes, some = (last - first) * w->q * lanes;
  for (size_t v = 0; v < piece->vectors; v++)
    for (size_t b = 0; b < piece->blocks; b++) {
      size_t k = (piece->vector + v) * lanes, filter = (piece->begin + b) * j->conv.k + piece->group * j->filters + k;
      j->kernels->turn(fnn_fewer(lanes, j->filters - k), some, j->g + filter * plane + first * w->q * lanes, plane,
                       piece->turned + (v * piece->blocks + b) * some * j->numbers);
    }
}

/* Rows of the input that rows first .. last-1 of the output meet: where they are, or as pairs. */
static void find_rows(const struct job *j, struct piece *piece, size_t first, size_t last) {
  const struct fnn_window *w = &j->conv.window;
  size_t lanes = j->kernels->width, plane = w->h * w->w * lanes;
  const float *x = j->x + (piece->begin * j->conv.c + piece->group * j->channels) * plane;
  piece->x = x, piece->x_first = 0, piece->x_block = j->conv.c * plane;
  if (!piece->halves) return;
  size_t begin = first * w->stride[0], end = begin + rows_met(w, last - first);
  begin = begin > w->top ? begin - w->top : 0, end = fnn_fewer(end > w->top ? end - w->top : 0, w->h);
  for (size_t b = 0; b < piece->blocks && begin < end; b++)
    for (size_t c = 0; c < j->channels; c++)
      j->kernels->pack_halves((end - begin) * w->w, x + (b * j->conv.c + c) * plane + begin * w->w * lanes,
                              piece->halves + (b * j->channels + c) * j->plane);
  piece->x = piece->halves, piece->x_first = begin, piece->x_block = j->channels * j->plane;
}

static void add_up_piece(const struct job *j, size_t part, size_t group, size_t split, int worker) {
  const struct fnn_window *w = &j->conv.window;
  struct piece piece = {
      .begin = part * j->part,
      .blocks = fnn_fewer(j->part, j->blocks - part * j->part),
      .group = group,
      .vector = split * j->split,
      .vectors = fnn_fewer(j->split, j->vectors - split * j->split),
      .turned = fnn_scratch_of(&j->turned, worker),
      .halves = fnn_scratch_of(&j->halves, worker),
      .sums = j->sums + (part * j->conv.groups + group) * group_size(j),
  };
  for (size_t i = 0; i < taps_of(j) * j->channels; i++)
    memset(piece.sums + i * filled(j) + piece.vector * j->kernels->width, 0,
           piece.vectors * j->kernels->width * sizeof *piece.sums);
  for (size_t first = 0; first < w->p; first += j->rows) {
    size_t last = fnn_fewer(first + j->rows, w->p);
    turn(j, &piece, first, last);
    find_rows(j, &piece, first, last);
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++) add_tap(j, &piece, first, last, r, s);
  }
}

static void add_up(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  size_t groups = j->conv.groups;
  for (size_t i = first; i < last; i++)
    add_up_piece(j, i / j->splits / groups, i / j->splits % groups, i % j->splits, worker);
}

/* The gradients of filters first .. last-1 of all groups, of a single tap of channels that were turned. */
static void spread_swapped(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++)
    memcpy(j->dw + i * j->filters, j->sums + i / j->channels * group_size(j) + i % j->channels * filled(j),
           j->filters * sizeof *j->dw);
}

/* The gradients of filters first .. last-1 of all groups. */
static void spread(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  size_t taps = taps_of(j);
  for (size_t i = first; i < last; i++) {
    const float *sums = j->sums + i / j->filters * group_size(j) + i % j->filters;
    float *dw = j->dw + i * j->channels * taps;
    for (size_t c = 0; c < j->channels; c++)
      for (size_t t = 0; t < taps; t++) *dw++ = sums[(t * j->channels + c) * filled(j)];
  }
}

static int fills_vectors(size_t count, size_t lanes) { return 3 * count >= 2 * fnn_ceil_div(count, lanes) * lanes; }

/* Whether the input is turned instead. */
static int swaps(const struct fnn_convolution *conv, size_t lanes) {
  const struct fnn_window *w = &conv->window;
  int same = w->r == 1 && w->s == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->p == w->h && w->q == w->w;
  return same && conv->c < conv->k && fills_vectors(conv->c / conv->groups, lanes);
}

/* These decide in which order what is added up, and know nothing of threads. */
static struct job job_for(const struct fnn_context *context, const struct fnn_lane_kernels *pairs,
                          const struct fnn_convolution *conv) {
  enum { CACHE = 96 * 1024, LINE = 16, PIXELS = 64 }; /* floats; least of a part */
  const struct fnn_window *w = &conv->window;
  struct job j = {.kernels = pairs ? pairs : context->kernels->lanes, .conv = *conv};
  size_t lanes = j.kernels->width;
  j.swapped = swaps(conv, lanes);
  if (j.swapped) j.conv.c = conv->k, j.conv.k = conv->c;
  j.channels = j.conv.c / conv->groups;
  j.filters = j.conv.k / conv->groups;
  j.vectors = fnn_ceil_div(j.filters, lanes);
  j.numbers = pairs ? lanes / 2 : lanes;
  j.blocks = fnn_ceil_div(conv->n, lanes);
  j.part = fnn_blocks_of_part(j.blocks, w->p * w->q, PIXELS);
  j.parts = fnn_ceil_div(j.blocks, j.part);
  for (j.splits = 1; j.splits * j.parts * conv->groups < FNN_LANE_PIECES && j.splits < j.vectors;) j.splits++;
  j.split = fnn_ceil_div(j.vectors, j.splits);
  j.splits = fnn_ceil_div(j.vectors, j.split);
  size_t row = j.part * j.numbers * (j.split * lanes * w->q + j.channels * w->stride[0] * w->w);
  j.rows = CACHE / row ? fnn_fewer(CACHE / row, w->p) : 1;
  j.plane = pairs ? rows_met(w, j.rows) * w->w * j.numbers + LINE : w->h * w->w * lanes;
  return j;
}

int fnn_turned_gradient_pays(const struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                             const struct fnn_convolution *conv) {
  size_t channels = conv->c / conv->groups, filters = conv->k / conv->groups;
  return fnn_can_turn(context, lanes, pairs, channels) && (fills_vectors(filters, lanes) || swaps(conv, lanes)) &&
         conv->n > 0 && conv->window.p > 0 && conv->window.q > 0;
}

size_t fnn_turned_gradient_products(const struct fnn_window *w) {
  size_t rows = 0, columns = 0;
  for (size_t r = 0; r < w->r; r++) rows += fnn_rows_under(w, r).last - fnn_rows_under(w, r).first;
  for (size_t s = 0; s < w->s; s++) columns += fnn_columns_under(w, s).last - fnn_columns_under(w, s).first;
  return rows * columns;
}

enum fnn_status fnn_turned_gradient(struct fnn_context *context, const struct fnn_lane_kernels *pairs,
                                    const struct fnn_convolution *conv, const float *g, const float *x, float *dw) {
  struct job j = job_for(context, pairs, conv);
  size_t size = j.parts * conv->groups * group_size(&j), lanes = j.kernels->width;
  j.x = j.swapped ? g : x, j.g = j.swapped ? x : g, j.dw = dw;
  j.sums = fnn_alloc(context, size * sizeof *j.sums);
  if (!j.sums) return FNN_NO_MEMORY;
  size_t pixels = j.rows * conv->window.q * lanes * j.numbers;
  enum fnn_status status = fnn_scratch_take(context, j.split * j.part * pixels, &j.turned);
  if (pairs && status == FNN_OK) status = fnn_scratch_take(context, j.part * j.channels * j.plane, &j.halves);
  if (status == FNN_OK) {
    fnn_parallel(context, j.parts * conv->groups * j.splits, 1, add_up, &j);
    fnn_add_up(context, j.parts, conv->groups * group_size(&j), j.sums, j.sums);
    fnn_parallel(context, conv->k, 4, j.swapped ? spread_swapped : spread, &j);
  }
  fnn_scratch_give(context, &j.turned);
  fnn_scratch_give(context, &j.halves);
  fnn_free(context, j.sums);
  return status;
}
