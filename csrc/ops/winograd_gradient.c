/* Winograd's way to the gradient of 3 x 3 or 5 x 5 weights, for images in lanes: for 6 x 6 pixels of the input and the 4 x 4
 * or 2 x 2 pixels of the output's gradient that they meet, 36 products instead of 144 or 100 for each pair of a filter and a
 * channel (kernels/winograd_input.c, winograd.c).
 *
 * A product of matrices stands behind each of the 36 places, over all tiles of all images, and its sums should stay in
 * registers for many tiles. So that as many fit into a cache, transformed, two of the six rows of places are done at a time, and
 * transform what they need anew. The next rows then find the pixels in the cache: a piece of work is a part of the batch,
 * or where these are few, two rows of one.
 *
 * In mixed precision what is transformed becomes pairs of two blocks' images; a pair then is what a block is otherwise. */
#include <string.h>

#include "winograd.h"

enum {
  CACHE = 200 * 1024, /* floats that are transformed at a time */
  MOST_PIXELS = 1152, /* of a channel, in all lanes, on a side of the tiles at a time */
  MOST_TILES = 64,    /* at a time; with fewer than LEAST_TILES, adding up lanes takes longer than what is saved */
  LEAST_TILES = 8,
  LEAST_CHANNELS_OF_PAIRS = 16,
  LEAST_CHANNELS = 8, /* and filters */
  PAIRS_OF_ROWS = 3,
  MOST_PARTS = 16,
  MOST_SUMS = 1 << 22, /* floats of all parts */
};

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_lane_kernels *wide;  /* for vectors of several neighbouring tiles, or the same */
  const struct fnn_lane_kernels *pairs; /* for mixed precision, or NULL */
  const struct fnn_convolution *conv;
  size_t channels, filters;   /* of a group */
  size_t blocks, part, parts; /* blocks or pairs of them, those in a part; parts of the batch */
  struct fnn_winograd_grid grid;
  size_t tiles;         /* at a time */
  size_t pairs_of_rows; /* of a piece of work: all three, or one */
  const float *x, *g;
  float *sums;                /* for each part and group: place by place, filters x channels */
  struct fnn_scratch scratch; /* two rows of places of the input, and of the gradient */
  size_t *taps;               /* where each channel begins in a place */
  float *dw;
};

static size_t place_step(const struct job *job, size_t rows) {
  return fnn_winograd_step(rows * job->tiles * job->kernels->width);
}

static size_t scratch_size(const struct job *job) {
  return 12 * (place_step(job, job->channels) + place_step(job, job->filters));
}

static size_t group_size(const struct job *job) { return 36 * job->filters * job->channels; }

/* Tiles number first .. of the images from block number `block` on. */
static void place_tiles(const struct job *job, size_t block, size_t first, size_t count, struct fnn_winograd_tile *x,
                        struct fnn_winograd_tile *g) {
  const struct fnn_window *w = &job->conv->window;
  const struct fnn_winograd_grid *grid = &job->grid;
  size_t lanes = job->kernels->width;
  size_t x_image = job->conv->c * w->h * w->w * lanes, g_image = job->conv->k * w->p * w->q * lanes;
  for (size_t i = 0; i < count; i++) {
    size_t image = (block + (first + i) / grid->count) * (job->pairs ? 2 : 1), row, column;
    fnn_winograd_corner(grid, (first + i) % grid->count, &row, &column);
    fnn_winograd_place(lanes, 6, grid->step, 0, (ptrdiff_t)row - (ptrdiff_t)w->top,
                       (ptrdiff_t)column - (ptrdiff_t)w->left, w->h, w->w, image * x_image, &x[i]);
    fnn_winograd_place(lanes, grid->pixels, grid->step, 0, (ptrdiff_t)row, (ptrdiff_t)column, w->p, w->q,
                       image * g_image, &g[i]);
    int has_second = job->pairs && (image + 1) * lanes < job->conv->n;
    x[i].second = has_second ? x_image : 0, g[i].second = has_second ? g_image : 0;
  }
}

/* A pair of rows of the places of some tiles. A wide vector's tiles that are none are zeros. */
static void transform(const struct job *job, size_t size, size_t pair, size_t count,
                      const struct fnn_winograd_tile *tile, const float *x, size_t channels, size_t pixels, float *v) {
  size_t lanes = job->kernels->width, step = place_step(job, channels);
  if (count * lanes % job->wide->width) memset(v, 0, 12 * step * sizeof *v);
  const struct fnn_lane_kernels *kernels = job->pairs ? job->pairs : job->kernels;
  kernels->winograd_rows(&(struct fnn_winograd_input){.size = size,
                                                      .channels = channels,
                                                      .tiles = count,
                                                      .tile = tile,
                                                      .x = x,
                                                      .x_channel = pixels * lanes,
                                                      .v = v,
                                                      .v_place = step,
                                                      .v_channel = job->tiles * lanes},
                         pair);
}

/* sums[place][filter][channel] += the product of both over `count` tiles */
static void multiply(const struct job *job, size_t count, const float *x, const float *g, float *sums) {
  const struct fnn_lane_kernels *kernels = job->pairs ? job->pairs : job->wide;
  size_t line = job->tiles * job->kernels->width, wide = job->wide->width;
  for (size_t place = 0; place < 6; place++)
    kernels->weight_gradient(&(struct fnn_lane_gradient){
        .filters = job->filters,
        .taps = job->channels,
        .blocks = 1,
        .p = 1,
        .q = fnn_ceil_div(count * job->kernels->width, wide),
        .g = g + place * place_step(job, job->filters),
        .g_filter = line,
        .x = x + place * place_step(job, job->channels),
        .x_pixel = wide,
        .tap = job->taps,
        .dw = sums + place * job->filters * job->channels,
        .dw_filter = job->channels,
    });
}

static void add_up_piece(const struct job *job, size_t part, size_t group, size_t first_pair, float *scratch) {
  struct fnn_winograd_tile x_tile[MOST_TILES], g_tile[MOST_TILES];
  const struct fnn_window *w = &job->conv->window;
  size_t lanes = job->kernels->width, block = part * job->part;
  size_t all = fnn_fewer(job->part, job->blocks - block) * job->grid.count;
  const float *x = job->x + group * job->channels * w->h * w->w * lanes;
  const float *g = job->g + group * job->filters * w->p * w->q * lanes;
  float *other = scratch + 12 * place_step(job, job->channels);
  float *sums = job->sums + (part * job->conv->groups + group) * group_size(job);
  for (size_t first = 0; first < all; first += job->tiles) {
    size_t count = fnn_fewer(job->tiles, all - first);
    place_tiles(job, block, first, count, x_tile, g_tile);
    for (size_t pair = first_pair; pair < first_pair + job->pairs_of_rows; pair++) {
      transform(job, 6, pair, count, x_tile, x, job->channels, w->h * w->w, scratch);
      transform(job, job->grid.pixels, pair, count, g_tile, g, job->filters, w->p * w->q, other);
      for (size_t i = 0; i < 2; i++)
        multiply(job, count, scratch + 6 * i * place_step(job, job->channels),
                 other + 6 * i * place_step(job, job->filters),
                 sums + 6 * fnn_winograd_row(pair, i) * job->filters * job->channels);
    }
  }
}

static void add_up(void *user, size_t first, size_t last, int worker) {
  const struct job *job = user;
  float *scratch = fnn_scratch_of(&job->scratch, worker);
  size_t pieces = PAIRS_OF_ROWS / job->pairs_of_rows, groups = job->conv->groups;
  for (size_t i = first; i < last; i++)
    add_up_piece(job, i / pieces / groups, i / pieces % groups, i % pieces, scratch);
}

/* The gradients of filters first .. last-1 of all groups. */
static void transform_back(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  size_t taps = job->conv->window.r * job->conv->window.r;
  for (size_t k = first; k < last; k++)
    job->kernels->winograd_taps(job->conv->window.r, job->channels, job->filters * job->channels,
                                job->sums + k / job->filters * group_size(job) + k % job->filters * job->channels,
                                job->dw + k * job->channels * taps);
}

/* As many tiles as fit into the cache, parts of the batch with at least that many, and in a part times of nearly equal size:
 * these decide in which order what is added up, and know nothing of threads. The rows of a piece do. */
static struct job job_for(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                          const struct fnn_convolution *conv) {
  enum { PIECES = 4 }; /* at least, for each thread */
  size_t pixels = 6 - (conv->window.r - 1);
  struct job job = {.kernels = fnn_lane_kernels_for(context->isa, lanes),
                    .wide = context->kernels->lanes,
                    .pairs = pairs,
                    .conv = conv,
                    .channels = conv->c / conv->groups,
                    .filters = conv->k / conv->groups,
                    .blocks = fnn_ceil_div(conv->n, pairs ? 2 * lanes : lanes),
                    .grid = fnn_winograd_tiles(conv->window.p, conv->window.q, conv->window.dilation, pixels),
                    .pairs_of_rows = PAIRS_OF_ROWS};
  size_t together = job.wide->width / lanes, all = job.blocks * job.grid.count;
  size_t fit = CACHE / (6 * (job.channels + job.filters) * job.wide->width);
  fit = fnn_fewer(fnn_fewer(fit, MOST_PIXELS / (pixels * job.wide->width)),
                  fnn_fewer(MOST_TILES / together, fnn_ceil_div(all, together)));
  job.tiles = fit * together;
  size_t most = fnn_fewer(fnn_fewer(MOST_PARTS, job.blocks), MOST_SUMS / (conv->groups * group_size(&job)));
  for (job.parts = 1; 2 * job.parts <= most && 2 * job.parts * job.tiles <= all;) job.parts *= 2;
  job.part = fnn_ceil_div(job.blocks, job.parts);
  job.parts = fnn_ceil_div(job.blocks, job.part);
  if (fit > 0) {
    size_t vectors = fnn_ceil_div(job.part * job.grid.count, together);
    job.tiles = fnn_ceil_div(vectors, fnn_ceil_div(vectors, fit)) * together;
  }
  if (job.parts * conv->groups < PIECES * (size_t)context->threads.count) job.pairs_of_rows = 1;
  return job;
}

int fnn_winograd_gradient_pays(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                               const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  size_t channels = conv->c / conv->groups, filters = conv->k / conv->groups;
  size_t least = pairs ? LEAST_CHANNELS_OF_PAIRS : LEAST_CHANNELS;
  if ((pairs && pairs->matrices) || !fnn_winograd_suits(w) || conv->n == 0 || fnn_fewer(channels, filters) < least)
    return 0;
  struct job job = job_for(context, lanes, pairs, conv);
  /* a dilation may leave tiles almost empty */
  return job.tiles >= LEAST_TILES && 36 * job.grid.count < w->r * w->s * w->p * w->q * 4 / 5;
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *job) {
  size_t sums = job->parts * job->conv->groups * group_size(job) * sizeof *job->sums;
  job->sums = fnn_alloc(context, sums);
  if (!job->sums) return FNN_NO_MEMORY;
  memset(job->sums, 0, sums);
  job->taps = fnn_alloc(context, job->channels * sizeof *job->taps);
  if (!job->taps) return FNN_NO_MEMORY;
  for (size_t c = 0; c < job->channels; c++) job->taps[c] = c * job->tiles * job->kernels->width;
  return fnn_scratch_take(context, scratch_size(job), &job->scratch);
}

enum fnn_status fnn_winograd_gradient(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                                      const struct fnn_convolution *conv, const float *g, const float *x, float *dw) {
  struct job job = job_for(context, lanes, pairs, conv);
  job.x = x, job.g = g, job.dw = dw;
  enum fnn_status status = take_memory(context, &job);
  if (status == FNN_OK) {
    fnn_parallel(context, job.parts * conv->groups * (PAIRS_OF_ROWS / job.pairs_of_rows), 1, add_up, &job);
    fnn_add_up(context, job.parts, conv->groups * group_size(&job), job.sums, job.sums);
    fnn_parallel(context, conv->k, 4, transform_back, &job);
  }
  fnn_scratch_give(context, &job.scratch);
  fnn_free(context, job.taps);
  fnn_free(context, job.sums);
  return status;
}
