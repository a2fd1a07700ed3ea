/* Winograd's way to a correlation with 3 x 3 or 5 x 5 taps, for images in lanes: 2 x 2 output pixels from 16 products
 * instead of 36, or from 36 instead of 100, for each pair of a filter and a channel (kernels/winograd.c).
 *
 * A piece of work is a strip: some tiles of a block of images, as many as a cache holds transformed. Its input is transformed,
 * then for some filters at a time the places of the tile are multiplied by the transformed weights, one matrix
 * product each, which are correlations of 1 x 1, and transformed back. */
#include <string.h>

#include "correlation.h"

enum { CACHE = 200 * 1024, SOME_FILTERS = 20, MOST_TILES = 40 }; /* floats; filters, tiles at a time */

struct job {
  const struct fnn_correlation *correlation;
  size_t size, places;    /* of a tile: 4 or 6 pixels a side, and their square */
  size_t rows, columns;   /* of tiles */
  size_t tiles, strips;   /* of a strip; of an image */
  float *plain, *weights; /* transformed: place by place, and as correlate wants them */
  float *scratch;         /* for each worker: transformed input, then some filters' products */
};

/* Floats from one place's matrix to the next one's: a line beyond a multiple of a page, or all places of a tile would fall
 * into one set of the first cache. */
static size_t place_step(const struct fnn_correlation *j, size_t rows, size_t tiles) {
  enum { PAGE = 1024, LINE = 16 };
  return fnn_ceil_div(rows * tiles * j->kernels->width, PAGE) * PAGE + LINE;
}

static size_t tile_size(const struct fnn_correlation *j) { return j->r == 3 ? 4 : 6; }
static size_t fewer(size_t a, size_t b) { return a < b ? a : b; }

/* The tiles that fit into the cache beside some filters' products, in wide vectors of several; 0 where too few do. */
static size_t tiles_at_a_time(const struct fnn_correlation *j) {
  size_t size = tile_size(j), together = j->wide->width / j->kernels->width;
  size_t fit = CACHE / (size * size * (j->channels + fewer(j->filters, SOME_FILTERS)) * j->wide->width);
  size_t vectors = fit >= 10 ? 10 : fit >= 5 ? 5 : fit == 4 ? 4 : 0; /* what correlate's tiles divide well */
  return vectors * together;
}

int fnn_winograd_pays(const struct fnn_correlation *j) {
  int three_or_five = j->r == j->s && (j->r == 3 || j->r == 5);
  int plain = j->stride[0] == 1 && j->stride[1] == 1 && j->dilation[0] == 1 && j->dilation[1] == 1;
  size_t least = j->r == 3 ? 24 : 16; /* below, transforming takes longer than what it saves */
  return three_or_five && plain && j->channels >= least && j->filters >= least && j->p >= 4 && j->q >= 4 &&
         tiles_at_a_time(j) > 0;
}

/* Tile (row, column): where its pixels lie in a channel of the input, and go in a channel of the output. */
static void place_tile(const struct job *job, size_t row, size_t column, struct fnn_winograd_tile *tile) {
  const struct fnn_correlation *j = job->correlation;
  tile->whole = 1;
  for (size_t i = 0; i < job->places; i++) {
    ptrdiff_t h = (ptrdiff_t)(2 * row + i / job->size) - j->top, w = (ptrdiff_t)(2 * column + i % job->size) - j->left;
    int inside = h >= 0 && h < (ptrdiff_t)j->h && w >= 0 && w < (ptrdiff_t)j->w;
    tile->inside[i] = inside ? -1 : 0;
    tile->offset[i] = inside ? ((size_t)h * j->w + (size_t)w) * j->kernels->width : 0;
    tile->whole &= inside;
  }
  tile->to = 2 * row * j->y_row + 2 * column * j->y_pixel;
  tile->p = fewer(2, j->p - 2 * row), tile->q = fewer(2, j->q - 2 * column);
}

/* m[place][filter][tile] = the sum over channels of weights[place][filter][channel] v[place][channel][tile]. Where a wide
 * vector has several tiles, the last may have some that are none: what is made of them is not looked at. */
static void multiply(const struct job *job, size_t group, size_t filter, size_t filters, size_t count, const float *v,
                     float *m) {
  const struct fnn_correlation *j = job->correlation;
  size_t line = job->tiles * j->kernels->width, wide = j->wide->width;
  for (size_t place = 0; place < job->places; place++) {
    const float *x = v + place * place_step(j, j->channels, job->tiles);
    j->wide->correlate(&(struct fnn_lane_row){
        .filters = filters,
        .channels = j->channels,
        .q = fnn_ceil_div(count * j->kernels->width, wide),
        .r = 1,
        .s = 1,
        .x = &x,
        .x_channel = line,
        .x_pixel = wide,
        .weight = job->weights + ((group * job->places + place) * j->filters + filter) * j->channels,
        .w_rows = 1,
        .y = m + place * place_step(j, SOME_FILTERS, job->tiles),
        .y_filter = line,
        .y_pixel = wide,
    });
  }
}

static void do_strip(const struct job *job, size_t block, size_t group, size_t strip, float *scratch) {
  const struct fnn_correlation *j = job->correlation;
  struct fnn_winograd_tile tile[MOST_TILES];
  size_t first = strip * job->tiles, count = fewer(job->tiles, job->rows * job->columns - first);
  size_t channel = j->h * j->w * j->kernels->width, v_place = place_step(j, j->channels, job->tiles);
  float *products = scratch + job->places * v_place;
  for (size_t t = 0; t < count; t++) place_tile(job, (first + t) / job->columns, (first + t) % job->columns, &tile[t]);
  j->kernels->winograd_input(
      &(struct fnn_winograd_input){.size = job->size,
                                   .channels = j->channels,
                                   .tiles = count,
                                   .tile = tile,
                                   .x = j->x + (block * j->groups + group) * j->channels * channel,
                                   .x_channel = channel,
                                   .v = scratch,
                                   .v_place = v_place,
                                   .v_channel = job->tiles * j->kernels->width});
  for (size_t k = 0; k < j->filters; k += SOME_FILTERS) {
    size_t filters = fewer(SOME_FILTERS, j->filters - k), filter = group * j->filters + k;
    multiply(job, group, k, filters, count, scratch, products);
    j->kernels->winograd_output(
        &(struct fnn_winograd_output){.size = job->size,
                                      .filters = filters,
                                      .tiles = count,
                                      .tile = tile,
                                      .m = products,
                                      .m_place = place_step(j, SOME_FILTERS, job->tiles),
                                      .m_filter = job->tiles * j->kernels->width,
                                      .bias = j->bias ? j->bias + filter : NULL,
                                      .relu = j->relu,
                                      .y = j->y + block * j->y_block + filter * j->y_filter + j->y_origin,
                                      .y_filter = j->y_filter,
                                      .y_row = j->y_row,
                                      .y_pixel = j->y_pixel});
  }
}

static size_t scratch_size(const struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  return job->places * (place_step(j, j->channels, job->tiles) + place_step(j, SOME_FILTERS, job->tiles));
}

static void do_strips(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  float *scratch = job->scratch + (size_t)worker * scratch_size(job);
  for (size_t i = first; i < last; i++)
    do_strip(job, i / job->strips / job->correlation->groups, i / job->strips % job->correlation->groups,
             i % job->strips, scratch);
}

/* ---- weights ---- */

static void transform_weights(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct fnn_correlation *j = job->correlation;
  for (size_t i = first; i < last; i++) { /* each filter of each group */
    size_t group = i / j->filters, k = i % j->filters;
    struct fnn_lane_weights weights = j->weights;
    weights.from += (ptrdiff_t)group * j->weights_group;
    j->kernels->winograd_weights(&weights, k, k + 1, job->plain + group * job->places * j->filters * j->channels);
  }
}

static void pack_places(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  const struct fnn_correlation *j = job->correlation;
  for (size_t i = first; i < last; i++) /* each place of each group */
    for (size_t k = 0; k < j->filters; k += SOME_FILTERS) {
      size_t at = (i * j->filters + k) * j->channels;
      j->wide->pack_weights(&(struct fnn_lane_weights){.filters = fewer(SOME_FILTERS, j->filters - k),
                                                       .channels = j->channels,
                                                       .r = 1,
                                                       .s = 1,
                                                       .from = job->plain + at,
                                                       .filter = (ptrdiff_t)j->channels,
                                                       .channel = 1},
                            job->weights + at);
    }
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *job) {
  const struct fnn_correlation *j = job->correlation;
  size_t weights = j->groups * job->places * j->filters * j->channels;
  job->plain = fnn_alloc(context, weights * sizeof(float));
  if (!job->plain) return FNN_NO_MEMORY;
  job->weights = fnn_alloc(context, weights * sizeof(float));
  if (!job->weights) return FNN_NO_MEMORY;
  job->scratch = fnn_alloc(context, (size_t)context->threads.count * scratch_size(job) * sizeof(float));
  return job->scratch ? FNN_OK : FNN_NO_MEMORY;
}

static struct job job_for(const struct fnn_correlation *j) {
  size_t size = tile_size(j);
  return (struct job){.correlation = j,
                      .size = size,
                      .places = size * size,
                      .rows = fnn_ceil_div(j->p, 2),
                      .columns = fnn_ceil_div(j->q, 2),
                      .tiles = tiles_at_a_time(j)};
}

enum fnn_status fnn_winograd(struct fnn_context *context, const struct fnn_correlation *j) {
  struct job job = job_for(j);
  job.strips = fnn_ceil_div(job.rows * job.columns, job.tiles);
  enum fnn_status status = take_memory(context, &job);
  if (status == FNN_OK) {
    fnn_parallel(context, j->groups * j->filters, 4, transform_weights, &job);
    fnn_parallel(context, j->groups * job.places, 2, pack_places, &job);
    fnn_parallel(context, j->blocks * j->groups * job.strips, 1, do_strips, &job);
  }
  fnn_free(context, job.scratch);
  fnn_free(context, job.weights);
  fnn_free(context, job.plain);
  return status;
}

/* ---- the gradient of the weights ----
 *
 * Some tiles at a time, of all blocks of images in order: their input and their gradients are transformed, channel by channel;
 * then for each place of the tile the sum of the products over these tiles goes to what it has been. Each place is one
 * piece of work, so nothing need be added up between threads. */

enum { MEMORY = 2 << 20, MOST = 512 }; /* floats of transformed tiles; tiles at a time */

struct gradient_job {
  struct job tiles;
  const float *g;
  size_t group, all, first, count, room; /* tiles in all; of this step; that there is room for */
  struct fnn_winograd_tile *tile;        /* of one block */
  size_t *taps;                          /* where each channel lies */
  float *input, *gradient, *sums;
  float *dw;
};

/* Channels of the input, and after them filters of the gradient. */
static void transform_channels(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient_job *job = user;
  const struct fnn_correlation *j = job->tiles.correlation;
  size_t lanes = j->kernels->width, per_block = job->tiles.rows * job->tiles.columns, line = job->room * lanes;
  for (size_t i = first; i < last; i++)
    for (size_t done = 0, some; done < job->count; done += some) { /* as many as there are left in a block */
      size_t block = (job->first + done) / per_block, t = (job->first + done) % per_block;
      some = fewer(per_block - t, job->count - done);
      if (i < j->channels) {
        size_t channel = j->h * j->w * lanes, at = (block * j->groups + job->group) * j->channels + i;
        j->kernels->winograd_input(&(struct fnn_winograd_input){.size = job->tiles.size,
                                                                .channels = 1,
                                                                .tiles = some,
                                                                .tile = job->tile + t,
                                                                .x = j->x + at * channel,
                                                                .v = job->input + i * line + done * lanes,
                                                                .v_place = place_step(j, j->channels, job->room)});
      } else {
        size_t k = i - j->channels;
        j->kernels->winograd_gradient(&(struct fnn_winograd_gradient){
            .size = job->tiles.size,
            .filters = 1,
            .tiles = some,
            .tile = job->tile + t,
            .g = job->g + block * j->y_block + (job->group * j->filters + k) * j->y_filter,
            .g_row = j->y_row,
            .e = job->gradient + k * line + done * lanes,
            .e_place = place_step(j, j->filters, job->room)});
      }
    }
}

static void sum_places(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct gradient_job *job = user;
  const struct fnn_correlation *j = job->tiles.correlation;
  for (size_t place = first; place < last; place++)
    j->wide->weight_gradient(&(struct fnn_lane_gradient){
        .filters = j->filters,
        .taps = j->channels,
        .blocks = 1,
        .p = 1,
        .q = fnn_ceil_div(job->count * j->kernels->width, j->wide->width),
        .g = job->gradient + place * place_step(j, j->filters, job->room),
        .g_filter = job->room * j->kernels->width,
        .x = job->input + place * place_step(j, j->channels, job->room),
        .x_pixel = j->wide->width,
        .tap = job->taps,
        .dw = job->sums + place * j->filters * j->channels,
        .dw_filter = j->channels,
    });
}

/* Where a wide vector has several tiles, the last may have some that are none: they must be 0. */
static void clear_rest(const struct gradient_job *job) {
  const struct fnn_correlation *j = job->tiles.correlation;
  size_t lanes = j->kernels->width, together = j->wide->width / lanes, rest = job->count % together;
  for (size_t place = 0; rest > 0 && place < job->tiles.places; place++)
    for (size_t i = 0; i < j->channels + j->filters; i++) {
      size_t k = i - j->channels;
      float *line = i < j->channels
                        ? job->input + place * place_step(j, j->channels, job->room) + i * job->room * lanes
                        : job->gradient + place * place_step(j, j->filters, job->room) + k * job->room * lanes;
      memset(line + job->count * lanes, 0, (together - rest) * lanes * sizeof *line);
    }
}

static void gradient_of_group(struct fnn_context *context, struct gradient_job *job) {
  const struct fnn_correlation *j = job->tiles.correlation;
  size_t kernels = j->filters * j->channels;
  memset(job->sums, 0, job->tiles.places * kernels * sizeof *job->sums);
  for (job->first = 0; job->first < job->all; job->first += job->count) {
    job->count = fewer(job->room, job->all - job->first);
    fnn_parallel(context, j->channels + j->filters, 1, transform_channels, job);
    clear_rest(job);
    fnn_parallel(context, job->tiles.places, 1, sum_places, job);
  }
  j->kernels->winograd_weight_gradient(j->r, kernels, job->sums, job->dw + job->group * kernels * j->r * j->s);
}

static enum fnn_status take_gradient_memory(struct fnn_context *context, struct gradient_job *job) {
  const struct fnn_correlation *j = job->tiles.correlation;
  size_t places = job->tiles.places, input = places * place_step(j, j->channels, job->room);
  size_t gradient = places * place_step(j, j->filters, job->room);
  job->tile = fnn_alloc(context, job->tiles.rows * job->tiles.columns * sizeof *job->tile);
  if (!job->tile) return FNN_NO_MEMORY;
  job->taps = fnn_alloc(context, j->channels * sizeof *job->taps);
  if (!job->taps) return FNN_NO_MEMORY;
  job->sums = fnn_alloc(context, places * j->filters * j->channels * sizeof *job->sums);
  if (!job->sums) return FNN_NO_MEMORY;
  job->input = fnn_alloc(context, (input + gradient) * sizeof *job->input);
  if (!job->input) return FNN_NO_MEMORY;
  job->gradient = job->input + input;
  for (size_t t = 0; t < job->tiles.rows * job->tiles.columns; t++)
    place_tile(&job->tiles, t / job->tiles.columns, t % job->tiles.columns, &job->tile[t]);
  for (size_t c = 0; c < j->channels; c++) job->taps[c] = c * job->room * j->kernels->width;
  return FNN_OK;
}

enum fnn_status fnn_winograd_gradient(struct fnn_context *context, const struct fnn_correlation *j, const float *g,
                                      float *dw) {
  struct gradient_job job = {.tiles = job_for(j), .g = g, .dw = dw};
  size_t together = j->wide->width / j->kernels->width;
  job.all = j->blocks * job.tiles.rows * job.tiles.columns;
  job.room = MEMORY / (job.tiles.places * (j->channels + j->filters) * j->kernels->width);
  job.room = fewer(fewer(job.room, MOST), job.all);
  job.room = fnn_ceil_div(job.room ? job.room : 1, together) * together;
  enum fnn_status status = take_gradient_memory(context, &job);
  for (; status == FNN_OK && job.group < j->groups; job.group++) gradient_of_group(context, &job);
  fnn_free(context, job.input);
  fnn_free(context, job.sums);
  fnn_free(context, job.taps);
  fnn_free(context, job.tile);
  return status;
}
