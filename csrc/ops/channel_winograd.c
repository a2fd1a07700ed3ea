/* A piece of work is a range of the tiles of all images, for some vectors of filters. Some tiles at a time are transformed,
 * vector of channels by vector of channels; then, vector of filters by vector of filters, their places are multiplied by the
 * transformed weights and transformed back. Where tiles are too few for all threads, several transform the same ones, each for
 * filters of its own: that is shorter than to wait for each other. Where it is cut has no influence on the sums, so that
 * threads may be counted. */
#include "channel_winograd.h"

#include <string.h>

#include "channel_convolution.h"
#include "winograd.h"

enum {
  MOST_TILES = 13, /* at a time */
  LEAST_PIECE = 4, /* tiles, where there are as many */
  /* Small layers have one piece for each thread: one that is taken from another thread's share has its pixels in that
   * one's caches, and so will the next layer, whose pieces are late for that and taken in their turn. */
  MOST_PIECE = 4 * MOST_TILES,
};

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_convolution *conv;
  size_t channel_blocks, filter_blocks; /* vectors of them */
  size_t size, places;                  /* of a tile: pixels a side, and their square */
  struct fnn_winograd_grid grid;        /* of an image's tiles */
  size_t all, parts;                    /* tiles of all images; parts of them, of nearly equal size */
  size_t groups, group;                 /* of vectors of filters; how many one has, the last perhaps fewer */
  const float *x, *u;                   /* u: the transformed weights, [vector of filters][place][channel][filter] */
  const struct fnn_epilogue *epilogue;
  size_t v_place, m_place;
  struct fnn_scratch scratch; /* the transformed tiles [place][vector of channels][tile], and their products */
  float *y;
};

int fnn_channel_winograd_pays(const struct fnn_convolution *conv) { return fnn_winograd_suits(&conv->window); }

/* Tile number `number` of all images: where its pixels lie in the first channels, and go in the first filters. */
static void place_tile(const struct job *j, size_t number, struct fnn_winograd_tile *tile) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, image = number / j->grid.count, row, column;
  fnn_winograd_corner(&j->grid, number % j->grid.count, &row, &column);
  fnn_winograd_place(lanes, j->size, j->grid.step, 0, (ptrdiff_t)row - (ptrdiff_t)w->top,
                     (ptrdiff_t)column - (ptrdiff_t)w->left, w->h, w->w,
                     image * j->channel_blocks * w->h * w->w * lanes, tile);
  size_t to = (image * j->filter_blocks * w->p * w->q + row * w->q + column) * lanes;
  fnn_winograd_results(&j->grid, row, column, w->p, w->q, to, tile);
}

/* Vectors of filters from number `block` on, all of as many filters. */
static void multiply(const struct job *j, size_t tiles, size_t block, size_t vectors, const float *v, float *m) {
  size_t lanes = j->kernels->width, filters = fnn_channel_filters(j->kernels, j->conv, block), channels = j->conv->c;
  j->kernels->channel_product(&(struct fnn_channel_product){
      .places = j->places,
      .tiles = tiles,
      .channels = channels,
      .vectors = vectors,
      .filters = filters,
      .v = v,
      .v_place = j->v_place,
      .v_block = MOST_TILES * lanes,
      .u = j->u + block * lanes * j->places * channels,
      .u_place = filters * channels,
      .u_vector = lanes * j->places * channels,
      .m = m,
      .m_place = j->m_place,
      .m_vector = MOST_TILES * lanes,
  });
}

/* A vector of filters. */
static void transform_back(const struct job *j, const struct fnn_winograd_tile *tile, size_t tiles, size_t block,
                           const float *m) {
  const struct fnn_window *w = &j->conv->window;
  const struct fnn_epilogue *e = j->epilogue;
  size_t lanes = j->kernels->width, plane = w->p * w->q * lanes;
  j->kernels->winograd_output(&(struct fnn_winograd_output){
      .size = j->size,
      .pixels = j->grid.pixels,
      .filters = 1,
      .tiles = tiles,
      .tile = tile,
      .m = m,
      .m_place = j->m_place,
      .biases = e->bias + block * lanes,
      .relu = e->relu,
      .addend = e->addend ? e->addend + block * plane : NULL,
      .y = j->y + block * plane,
      .y_row = w->q * lanes * w->dilation[0],
      .y_pixel = lanes * w->dilation[1],
  });
}

/* Tiles from number `first` on, at most MOST_TILES. */
static void convolve_tiles(const struct job *j, size_t first, size_t tiles, size_t group, float *v) {
  const struct fnn_window *w = &j->conv->window;
  struct fnn_winograd_tile tile[MOST_TILES];
  size_t lanes = j->kernels->width;
  for (size_t t = 0; t < tiles; t++) place_tile(j, first + t, &tile[t]);
  for (size_t block = 0; block < j->channel_blocks; block++) /* one by one: nobody shall fetch what another writes */
    j->kernels->winograd_input(&(struct fnn_winograd_input){.size = j->size,
                                                            .channels = 1,
                                                            .tiles = tiles,
                                                            .tile = tile,
                                                            .x = j->x + block * w->h * w->w * lanes,
                                                            .v = v + block * MOST_TILES * lanes,
                                                            .v_place = j->v_place});
  float *m = v + j->places * j->v_place;
  size_t last = fnn_fewer((group + 1) * j->group, j->filter_blocks);
  for (size_t block = group * j->group, vectors; block < last; block += vectors) {
    vectors = fnn_channel_vectors(j->kernels, j->conv, block, last);
    multiply(j, tiles, block, vectors, v, m);
    for (size_t i = 0; i < vectors; i++) transform_back(j, tile, tiles, block + i, m + i * MOST_TILES * lanes);
  }
}

static void convolve_piece(const struct job *j, size_t part, size_t group, float *v) {
  size_t first = part * j->all / j->parts, last = (part + 1) * j->all / j->parts;
  size_t strips = fnn_ceil_div(last - first, MOST_TILES);
  for (size_t i = 0; i < strips; i++) { /* of nearly equal size */
    size_t begin = first + i * (last - first) / strips, end = first + (i + 1) * (last - first) / strips;
    convolve_tiles(j, begin, end - begin, group, v);
  }
}

static size_t scratch_size(const struct job *j) { return j->places * (j->v_place + j->m_place); }

static void convolve_pieces(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *scratch = fnn_scratch_of(&j->scratch, worker);
  for (size_t i = first; i < last; i++) convolve_piece(j, i / j->groups, i % j->groups, scratch);
}

/* ---- the weights ---- */

struct weights_job {
  const struct job *job;
  const float *weight;
  float *u;
};

/* Channels of vectors of filters. Filters and channels are in each other's place, so that filters are neighbours. */
static void transform_weights(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct weights_job *w = user;
  const struct job *j = w->job;
  size_t channels = j->conv->c, r = j->conv->window.r, lanes = j->kernels->width;
  for (size_t i = first; i < last; i++) {
    size_t block = i / channels, c = i % channels;
    struct fnn_lane_weights weights = {.filters = channels,
                                       .channels = fnn_channel_filters(j->kernels, j->conv, block),
                                       .r = r,
                                       .s = r,
                                       .from = w->weight + block * lanes * channels * r * r,
                                       .filter = (ptrdiff_t)(r * r),
                                       .channel = (ptrdiff_t)(channels * r * r),
                                       .row = (ptrdiff_t)r,
                                       .column = 1};
    j->kernels->winograd_weights(&weights, j->size, c, c + 1, w->u + block * lanes * j->places * channels,
                                 channels * weights.channels);
  }
}

/* Kept with the tensor. */
static enum fnn_status take_weights(struct fnn_context *context, struct job *j, const struct fnn_tensor *weight) {
  const struct fnn_convolution *conv = j->conv;
  size_t count = j->places * conv->c * conv->k, lanes = j->kernels->width;
  int known;
  void *memory;
  FNN_TRY(fnn_tensor_keep(weight, (count + lanes) * sizeof(float),
                          &(struct fnn_recipe){{FNN_CHANNEL_TILE_ORDER, j->size, conv->window.r, conv->c, conv->k}},
                          &memory, &known));
  float *u = memory;
  j->u = u;
  if (known) return FNN_OK;
  memset(u + count, 0, lanes * sizeof *u); /* the last vector reaches as far */
  struct weights_job job = {j, fnn_floats(weight), u};
  fnn_parallel(context, j->filter_blocks * conv->c, 8, transform_weights, &job);
  return FNN_OK;
}

/* ---- cutting the work ---- */

static void cut(struct job *j, size_t threads) {
  const struct fnn_convolution *conv = j->conv;
  const struct fnn_window *w = &conv->window;
  size_t lanes = j->kernels->width;
  j->channel_blocks = fnn_ceil_div(conv->c, lanes), j->filter_blocks = fnn_ceil_div(conv->k, lanes);
  struct fnn_winograd_grid small = fnn_winograd_tiles(w->p, w->q, w->dilation, 2);
  struct fnn_winograd_grid large = fnn_winograd_tiles(w->p, w->q, w->dilation, 4);
  j->grid = w->r == 3 && 36 * large.count < 16 * small.count ? large : small; /* by the number of products */
  j->size = j->grid.pixels + w->r - 1;
  j->places = j->size * j->size;
  j->all = conv->n * j->grid.count;
  j->parts = fnn_ceil_div(fnn_ceil_div(j->all, MOST_PIECE), threads) * threads;
  j->parts = fnn_fewer(j->parts, fnn_ceil_div(j->all, LEAST_PIECE));
  j->group = fnn_ceil_div(j->filter_blocks, fnn_ceil_div(threads, j->parts));
  j->groups = fnn_ceil_div(j->filter_blocks, j->group);
  j->v_place = fnn_winograd_step(j->channel_blocks * MOST_TILES * lanes);
  j->m_place = fnn_winograd_step(j->kernels->product_vectors * MOST_TILES * lanes);
}

enum fnn_status fnn_channel_winograd(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                     const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue, float *y) {
  struct job j = {.kernels = context->kernels->lanes, .conv = conv, .x = x, .epilogue = epilogue, .y = y};
  cut(&j, (size_t)context->threads.count);
  FNN_TRY(take_weights(context, &j, weight));
  FNN_TRY(fnn_scratch_take(context, scratch_size(&j), &j.scratch));
  fnn_parallel(context, j.parts * j.groups, 1, convolve_pieces, &j);
  fnn_scratch_give(context, &j.scratch);
  return FNN_OK;
}
