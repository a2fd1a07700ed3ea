/* Winograd's way to a correlation with 3 x 3 or 5 x 5 taps, for images in lanes: of 3 x 3, 4 x 4 output pixels from 36
 * products instead of 144 or 2 x 2 from 16 instead of 36, of 5 x 5, 2 x 2 from 36 instead of 100, for each pair of a filter
 * and a channel (kernels/winograd.c). With a stride of 2, 3 x 3 taps give 2 x 2 pixels from 25 products instead of 36: every
 * second pixel of the input meets two taps of a row, those between one. The gradient of such an input ("transposed") is 4 x 4
 * pixels from as many.
 *
 * A piece of work is a strip: some tiles, of whatever images, as many as a cache holds transformed. Its input is transformed,
 * then for some filters at a time the places of the tile are multiplied by the transformed weights, one matrix
 * product each, which are correlations of 1 x 1, and transformed back. In mixed precision what is transformed becomes pairs
 * of channels, of tiles of 4 x 4 alone: those of 6 x 6 make the errors of rounding too large. */
#include "winograd.h"

#include <string.h>

enum {
  CACHE = 200 * 1024, /* floats */
  LEAST_VECTORS = 2,  /* of tiles at a time */
  MOST_VECTORS = 10,
  MOST_TOGETHER = 4,       /* tiles in a vector */
  FAR = 1 << 20,           /* floats of results: more than the second caches */
  LEAST_DEPTH_OF_FAR = 32, /* or fetching lines takes longer than it saves */
};

struct job {
  const struct fnn_correlation *correlation;
  size_t size, places; /* of a tile: 4, 5 or 6 pixels a side, and their square */
  struct fnn_winograd_grid grid;
  size_t tiles, all;          /* of a strip; of all images */
  int far;                    /* results go to lines that are in no near cache */
  float *weights, *own;       /* transformed, place by place, as correlate wants them; own: where nobody keeps them */
  float *plain;               /* before they are brought into that order */
  struct fnn_scratch scratch; /* transformed input, then some filters' products */
};

/* So many filters are multiplied at a time: whole tiles of sums, and their products have room in the cache beside the input. */
static size_t some_filters(const struct fnn_correlation *j) { return j->wide->width == 16 ? 20 : 64; }

static size_t place_step(const struct fnn_correlation *j, size_t rows, size_t tiles) {
  return fnn_winograd_step(rows * tiles * j->kernels->width);
}

/* How many wide vectors of tiles of `size` fit into the cache beside some filters' products, at least one: whole tiles of
 * sums where it can be. */
static size_t vectors_at_a_time(const struct fnn_correlation *j, size_t size) {
  size_t rows = fnn_depth(j) + fnn_fewer(j->filters, some_filters(j)), sums = j->wide->row_pixels;
  size_t fit = fnn_fewer(MOST_VECTORS, CACHE / (size * size * rows * j->wide->width));
  return fit >= sums ? fit - fit % sums : fit > 1 ? fit : 1;
}

/* The places a side of a tile that gives so many pixels. */
static size_t size_of_tile(const struct fnn_correlation *j, size_t pixels) {
  return j->stride[0] == 2 ? 5 : pixels + j->r - 1;
}

/* The products for each pair of a filter and a channel, with tiles that give so many pixels a side. */
static size_t products(const struct fnn_correlation *j, size_t pixels) {
  size_t size = size_of_tile(j, pixels);
  return size * size * fnn_winograd_tiles(j->p, j->q, j->dilation, pixels).count;
}

/* How many pixels a side a tile gives. */
static size_t pixels_of_tile(const struct fnn_correlation *j) {
  if (j->stride[0] == 2) return j->transposed ? 4 : 2;
  int large = j->r == 3 && !j->pairs && vectors_at_a_time(j, 6) >= LEAST_VECTORS && products(j, 4) < products(j, 2);
  return large ? 4 : 2;
}

/* The products of the direct way, which leaves out the rows of taps outside of the image. */
static size_t direct_products(const struct fnn_correlation *j) {
  size_t rows = 0;
  if (j->transposed) return j->h * j->w * j->r * j->s;
  for (size_t p = 0; p < j->p; p++)
    for (size_t r = 0; r < j->r; r++) {
      ptrdiff_t h = (ptrdiff_t)(p * j->stride[0] + r * j->dilation[0]) - j->top;
      rows += h >= 0 && h < (ptrdiff_t)j->h;
    }
  return rows * j->q * j->s;
}

/* With few channels and filters, transforming takes longer than what it saves. */
static int saves(const struct fnn_correlation *j) {
  size_t pixels = pixels_of_tile(j), ours = products(j, pixels), direct = direct_products(j);
  size_t pairs = j->channels * j->filters, both = j->channels + j->filters;
  /* transforming takes as long as so many products for each pixel of a tile, of a channel or a filter */
  size_t transform = j->r == 5 ? 10 : j->transposed ? 4 : 6;
  if (j->r == 5 || j->stride[0] == 2) return ours * (pairs + transform * both) < direct * pairs;
  if (ours >= direct) return 0;
  if (pixels == 4) return j->channels >= 8 && j->filters >= 8;
  return j->channels >= 16 && j->filters >= 16 && pairs >= 512;
}

/* Whether there are tiles for it; products of matrices take less time than transforms. */
static int suits(const struct fnn_correlation *j) {
  if (fnn_has_matrices(j)) return 0;
  if (j->epilogue.pool && (j->dilation[0] > 1 || j->dilation[1] > 1)) return 0; /* neighbours are in other tiles */
  struct fnn_window w = {.h = j->h, .w = j->w, .r = j->r, .s = j->s, .p = j->p, .q = j->q};
  memcpy(w.stride, j->stride, sizeof w.stride);
  memcpy(w.dilation, j->dilation, sizeof w.dilation);
  if (j->stride[0] == 1) return fnn_winograd_suits(&w) && !(j->r == 5 && j->pairs);
  return j->stride[0] == 2 && j->stride[1] == 2 && j->dilation[0] == 1 && j->dilation[1] == 1 && j->r == 3 &&
         j->s == 3 && j->h > 0 && j->w > 0 && j->p > 0 && j->q > 0 && !j->pairs;
}

int fnn_winograd_pays(const struct fnn_correlation *j) {
  return suits(j) && saves(j) && vectors_at_a_time(j, size_of_tile(j, pixels_of_tile(j))) >= LEAST_VECTORS;
}

/* Tile number i of all images: where its pixels lie in a channel of the input, and go in a channel of the output. */
static void place_tile(const struct job *job, size_t number, struct fnn_winograd_tile *tile) {
  const struct fnn_correlation *j = job->correlation;
  const struct fnn_winograd_grid *grid = &job->grid;
  size_t lanes = j->kernels->width, block = number / grid->count, row, column;
  size_t image = block * j->groups * j->channels * j->h * j->w * lanes;
  fnn_winograd_corner(grid, number % grid->count, &row, &column);
  ptrdiff_t top = (ptrdiff_t)(row * j->stride[0]) - j->top, left = (ptrdiff_t)(column * j->stride[1]) - j->left;
  if (j->transposed) top = (ptrdiff_t)row + j->top, left = (ptrdiff_t)column + j->left;
  fnn_winograd_place(lanes, job->size, grid->step, j->transposed, top, left, j->h, j->w, image, tile);
  size_t side = j->epilogue.pool ? 2 : 1, to = row / side * j->y_row + column / side * j->y_pixel;
  fnn_winograd_results(grid, row, column, j->p, j->q, block * j->y_block + to, tile);
}

/* Has lines fetched to which results will go: tiles number first .. last-1 of all filters, from `to` on. */
static void fetch_results(const struct job *job, const struct fnn_winograd_tile *tile, size_t count, size_t first,
                          size_t last, const float *to) {
  const struct fnn_correlation *j = job->correlation;
  size_t side = j->epilogue.pool ? 2 : 1, row = j->dilation[0] * j->y_row, pixel = j->dilation[1] * j->y_pixel;
  for (size_t i = first; i < last; i++) {
    const struct fnn_winograd_tile *at = &tile[i % count];
    const float *from = to + i / count * j->y_filter + at->to;
    for (size_t p = 0; p < at->p / side; p++)
      for (size_t q = 0; q < at->q / side; q++) __builtin_prefetch(from + p * row + q * pixel, 0, 2);
  }
}

/* m[place][filter][tile] = the sum over channels of weights[place][filter][channel] v[place][channel][tile]. Where a wide
 * vector has several tiles, the last may have some that are none: what is made of them is not looked at. Meanwhile the lines are
 * fetched to which the results will go, from `to` on. */
static void multiply(const struct job *job, const struct fnn_winograd_tile *tile, size_t group, size_t filter,
                     size_t filters, size_t count, const float *v, float *m, const float *to) {
  const struct fnn_correlation *j = job->correlation;
  const struct fnn_lane_kernels *kernels = j->pairs ? j->pairs : j->wide;
  size_t line = job->tiles * j->kernels->width, wide = kernels->width;
  for (size_t place = 0; place < job->places; place++) {
    const float *x = v + place * place_step(j, fnn_depth(j), job->tiles);
    size_t results = job->far ? filters * count : 0;
    fetch_results(job, tile, count, results * place / job->places, results * (place + 1) / job->places, to);
    kernels->correlate(&(struct fnn_lane_row){
        .filters = filters,
        .channels = fnn_depth(j),
        .q = fnn_ceil_div(count * j->kernels->width, wide),
        .r = 1,
        .s = 1,
        .x = &x,
        .x_channel = line,
        .x_pixel = wide,
        .weight = job->weights + ((group * job->places + place) * j->filters + filter) * fnn_depth(j),
        .w_rows = 1,
        .w_columns = 1,
        .y = m + place * place_step(j, some_filters(j), job->tiles),
        .y_filter = line,
        .y_pixel = wide,
    });
  }
}

/* The tiles of all channels of a group, transformed. */
static void transform(const struct job *job, const struct fnn_winograd_tile *tile, size_t tiles, const float *x,
                      float *v) {
  const struct fnn_correlation *j = job->correlation;
  const struct fnn_lane_kernels *kernels = j->pairs ? j->pairs : j->kernels;
  kernels->winograd_input(&(struct fnn_winograd_input){.size = job->size,
                                                       .channels = j->channels,
                                                       .tiles = tiles,
                                                       .tile = tile,
                                                       .x = x,
                                                       .x_channel = j->h * j->w * j->kernels->width,
                                                       .v = v,
                                                       .v_place = place_step(j, fnn_depth(j), job->tiles),
                                                       .v_channel = job->tiles * j->kernels->width});
}

static void do_strip(const struct job *job, size_t group, size_t first, float *scratch) {
  const struct fnn_correlation *j = job->correlation;
  struct fnn_winograd_tile tile[MOST_TOGETHER * MOST_VECTORS];
  size_t count = fnn_fewer(job->tiles, job->all - first);
  const float *x = j->x + group * j->channels * j->h * j->w * j->kernels->width;
  float *products = scratch + job->places * place_step(j, fnn_depth(j), job->tiles);
  const struct fnn_epilogue *e = &j->epilogue;
  for (size_t t = 0; t < count; t++) place_tile(job, first + t, &tile[t]);
  transform(job, tile, count, x, scratch);
  for (size_t k = 0; k < j->filters; k += some_filters(j)) {
    size_t filters = fnn_fewer(some_filters(j), j->filters - k), filter = group * j->filters + k;
    size_t to = filter * j->y_filter + j->y_origin;
    multiply(job, tile, group, k, filters, count, scratch, products, j->y + to);
    j->kernels->winograd_output(&(struct fnn_winograd_output){.size = job->size,
                                                              .pixels = job->grid.pixels,
                                                              .swapped = {j->top % 2 != 0, j->left % 2 != 0},
                                                              .filters = filters,
                                                              .tiles = count,
                                                              .tile = tile,
                                                              .m = products,
                                                              .m_place = place_step(j, some_filters(j), job->tiles),
                                                              .m_filter = job->tiles * j->kernels->width,
                                                              .bias = e->bias ? e->bias + filter : NULL,
                                                              .relu = e->relu,
                                                              .addend = e->addend ? e->addend + to : NULL,
                                                              .pool = e->pool,
                                                              .y = j->y + to,
                                                              .winner = e->winner ? e->winner + to : NULL,
                                                              .y_filter = j->y_filter,
                                                              .y_row = j->y_row * j->dilation[0],
                                                              .y_pixel = j->y_pixel * j->dilation[1]});
  }
}

static size_t scratch_size(const struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  return job->places * (place_step(j, fnn_depth(j), job->tiles) + place_step(j, some_filters(j), job->tiles));
}

static void do_strips(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  float *scratch = fnn_scratch_of(&job->scratch, worker);
  size_t strips = fnn_ceil_div(job->all, job->tiles);
  for (size_t i = first; i < last; i++) do_strip(job, i / strips, i % strips * job->tiles, scratch);
}

/* ---- weights ---- */

/* From a place's matrix to the next one's: a line farther, as in fnn_winograd_step. */
static size_t plain_step(const struct fnn_correlation *j) { return j->filters * j->channels + 16; }

static void transform_weights(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct fnn_correlation *j = job->correlation;
  for (size_t i = first; i < last; i++) { /* each filter of each group */
    size_t group = i / j->filters, k = i % j->filters;
    struct fnn_lane_weights weights = j->weights;
    weights.from += (ptrdiff_t)group * j->weights_group;
    size_t step = plain_step(j);
    j->kernels->winograd_weights(&weights, job->size, k, k + 1, job->plain + group * job->places * step, step);
  }
}

static void pack_places(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct fnn_correlation *j = job->correlation;
  const struct fnn_lane_kernels *kernels = j->pairs ? j->pairs : j->wide;
  for (size_t i = first; i < last; i++) /* each place of each group */
    for (size_t k = 0; k < j->filters; k += some_filters(j)) {
      kernels->pack_weights(&(struct fnn_lane_weights){.filters = fnn_fewer(some_filters(j), j->filters - k),
                                                       .channels = j->channels,
                                                       .r = 1,
                                                       .s = 1,
                                                       .from = job->plain + i * plain_step(j) + k * j->channels,
                                                       .filter = (ptrdiff_t)j->channels,
                                                       .channel = 1},
                            job->weights + (i * j->filters + k) * fnn_depth(j));
    }
}

/* What is kept counts as known from then on, so nothing may fail between that and its being filled. */
static enum fnn_status take_weights(struct fnn_context *context, struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  size_t rows = j->groups * job->places * j->filters, order = j->pairs ? FNN_PAIRS_TILE_ORDER : FNN_TILE_ORDER;
  int known;
  job->plain = fnn_alloc(context, j->groups * job->places * plain_step(j) * sizeof *job->plain);
  if (!job->plain) return FNN_NO_MEMORY;
  FNN_TRY(fnn_take_weights(context, j, rows * fnn_depth(j),
                           &(struct fnn_recipe){{order, job->size, j->r, j->channels, j->filters}}, &job->weights,
                           &job->own, &known));
  if (known) return FNN_OK;
  fnn_parallel(context, j->groups * j->filters, 4, transform_weights, job);
  fnn_parallel(context, j->groups * job->places, 2, pack_places, job);
  return FNN_OK;
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *job) {
  FNN_TRY(take_weights(context, job));
  return fnn_scratch_take(context, scratch_size(job), &job->scratch);
}

static struct job job_for(const struct fnn_correlation *j) {
  size_t pixels = pixels_of_tile(j), size = size_of_tile(j, pixels), together = j->wide->width / j->kernels->width;
  struct job job = {.correlation = j,
                    .size = size,
                    .places = size * size,
                    .grid = fnn_winograd_tiles(j->p, j->q, j->dilation, pixels)};
  job.all = j->blocks * job.grid.count;
  job.far = j->blocks * j->y_block >= FAR && fnn_depth(j) >= LEAST_DEPTH_OF_FAR;
  size_t strips = fnn_ceil_div(job.all, vectors_at_a_time(j, size) * together);
  job.tiles = fnn_ceil_div(fnn_ceil_div(job.all, strips), together) * together; /* strips of nearly equal size */
  return job;
}

enum fnn_status fnn_winograd(struct fnn_context *context, const struct fnn_correlation *j) {
  struct job job = job_for(j);
  enum fnn_status status = take_memory(context, &job);
  if (status == FNN_OK) fnn_parallel(context, j->groups * fnn_ceil_div(job.all, job.tiles), 1, do_strips, &job);
  fnn_scratch_give(context, &job.scratch);
  fnn_free(context, job.plain);
  fnn_free(context, job.own);
  return status;
}
