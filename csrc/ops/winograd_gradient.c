/* Winograd's way to the gradient of 3 x 3 or 5 x 5 weights, for images in lanes: for 6 x 6 pixels of the input and the 4 x 4
 * or 2 x 2 pixels of the output's gradient that they meet, 36 products instead of 144 or 100 for each pair of a filter and a
 * channel (kernels/winograd_input.c, winograd.c).
 *
 * A product of matrices stands behind each of the 36 places, over all tiles of all images, and its sums should stay in
 * registers for many tiles. So that enough fit into a cache, transformed, two of the six rows of places are done at a time, and
 * transform what they need anew. The next rows then find the pixels in the cache: a piece of work is a part of the tiles,
 * or where these are few, two rows of one.
 *
 * Where it can be, the output's gradient is turned (kernels/turned_gradient.c), before it is transformed: it has fewer pixels than
 * places. Some filters that a vector would be mostly empty with stay plain.
 *
 * In mixed precision all filters are turned, and what is transformed becomes pairs of two images: then there is so much less of it
 * that it is turned after that. */
#include <string.h>

#include "turned_gradient.h"
#include "winograd.h"

enum {
  CACHE = 200 * 1024, /* floats that are transformed at a time */
  MOST_PIXELS = 1152, /* of a channel, in all lanes, on a side of the tiles at a time */
  MOST_TILES = 64,    /* at a time; with fewer than LEAST_TILES, adding up lanes takes longer than what is saved */
  LEAST_TILES = 8,
  CACHE_OF_TURNED = 64 * 1024, /* the same, but for some tiles: turned sums end soon, so that fewer will do */
  SOME_TURNED_TILES = 8,
  LEAST_TURNED_TILES = 4,
  LEAST_OF_PART = 16, /* tiles, or adding up parts takes too long */
  LEAST_CHANNELS_OF_PAIRS = 16,
  LEAST_CHANNELS = 8, /* and filters */
  PAIRS_OF_ROWS = 3,
  MOST_PARTS = 8,
  MOST_SUMS = 1 << 22, /* floats of all parts */
};

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_lane_kernels *wide;  /* for vectors of several neighbouring tiles, or the same */
  const struct fnn_lane_kernels *pairs; /* for mixed precision, or NULL */
  const struct fnn_convolution *conv;
  size_t channels, filters; /* of a group */
  size_t vectors, plain;    /* vectors of turned filters; the other, last filters */
  size_t numbers;           /* of a place of a block's channel: images, or pairs of them */
  struct fnn_winograd_grid grid;
  size_t all, part, parts; /* tiles of all blocks; of a part; parts */
  size_t tiles;            /* at a time */
  size_t pairs_of_rows;    /* of a piece of work: all three, or one */
  const float *x, *g;
  float *sums; /* for each part and group: place by place, filters x channels, or channels x turned filters */
  struct fnn_scratch scratch; /* two rows of places of the input, and of the gradient; the turned pixels of that */
  size_t *taps;               /* where each channel begins in a place */
  float *dw;
};

static size_t place_step(const struct job *job, size_t rows) {
  return fnn_winograd_step(rows * job->tiles * job->numbers);
}

/* Turned filters, with those that fill up the last vector; and all. */
static size_t turned(const struct job *job) { return job->vectors * job->kernels->width; }
static size_t filled(const struct job *job) { return turned(job) + job->plain; }

/* Floats of a turned tile's pixels, of a vector of filters. */
static size_t tile_size(const struct job *job) {
  size_t lanes = job->kernels->width;
  return job->grid.pixels * job->grid.pixels * lanes * lanes;
}

static size_t scratch_size(const struct job *job) {
  size_t before = job->pairs ? 12 * place_step(job, job->filters) : job->vectors * job->tiles * tile_size(job);
  return 12 * (place_step(job, job->channels) + place_step(job, filled(job))) + before;
}

static size_t group_size(const struct job *job) { return 36 * filled(job) * job->channels; }

/* Tiles number first .. of all blocks. */
static void place_tiles(const struct job *job, size_t first, size_t count, struct fnn_winograd_tile *x,
                        struct fnn_winograd_tile *g) {
  const struct fnn_window *w = &job->conv->window;
  const struct fnn_winograd_grid *grid = &job->grid;
  size_t lanes = job->kernels->width;
  size_t x_image = job->conv->c * w->h * w->w * lanes, g_image = job->conv->k * w->p * w->q * lanes;
  for (size_t i = 0; i < count; i++) {
    size_t image = (first + i) / grid->count, row, column;
    fnn_winograd_corner(grid, (first + i) % grid->count, &row, &column);
    fnn_winograd_place(lanes, 6, grid->step, 0, (ptrdiff_t)row - (ptrdiff_t)w->top,
                       (ptrdiff_t)column - (ptrdiff_t)w->left, w->h, w->w, image * x_image, &x[i]);
    fnn_winograd_place(lanes, grid->pixels, grid->step, 0, (ptrdiff_t)row, (ptrdiff_t)column, w->p, w->q,
                       image * g_image, &g[i]);
  }
}

/* A pair of rows of the places of some tiles, of `channels` among `all`. A wide vector's tiles that are none are zeros. */
static void transform(const struct job *job, size_t size, size_t pair, size_t count,
                      const struct fnn_winograd_tile *tile, const float *x, size_t pixels, size_t channels, float *v,
                      size_t all) {
  size_t lanes = job->kernels->width, step = place_step(job, all);
  if (channels == 0) return;
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
                                                      .v_channel = job->tiles * job->numbers},
                         pair);
}

/* The gradient's pixels of the turned filters, turned, and the tiles that find them there. Meanwhile those of the next tile are
 * fetched. */
static void turn(const struct job *job, size_t count, const float *g, const struct fnn_winograd_tile *tile, float *to,
                 struct fnn_winograd_tile *turned) {
  size_t lanes = job->kernels->width, M = job->grid.pixels, pixel = lanes * lanes;
  size_t plane = job->conv->window.p * job->conv->window.q * lanes;
  for (size_t v = 0; v < job->vectors; v++) {
    size_t filters = fnn_fewer(lanes, job->filters - job->plain - v * lanes);
    const float *vector = g + v * lanes * plane;
    for (size_t t = 0; t < count; t++) {
      const struct fnn_winograd_tile *next = &tile[t + 1 < count ? t + 1 : t];
      for (size_t i = 0; i < M * M; i++) {
        const float *from = vector + tile[t].row[i / M] + tile[t].column[i % M];
        const float *ahead = vector + next->row[i / M] + next->column[i % M];
        if (!tile[t].inside[i]) continue;
        for (size_t k = 0; k < filters; k++) __builtin_prefetch(ahead + k * plane);
        job->kernels->turn(filters, lanes, from, plane, to + (v * count + t) * tile_size(job) + i * pixel);
      }
    }
  }
  for (size_t t = 0; t < count && job->vectors > 0; t++) {
    turned[t] = tile[t];
    for (size_t i = 0; i < M; i++)
      turned[t].row[i] = t * tile_size(job) + i * M * pixel, turned[t].column[i] = i * pixel;
  }
}

/* A pair of rows of their places: a turned tile has `width` vectors, whatever their lanes are. */
static void transform_turned(const struct job *job, size_t pair, size_t count, const struct fnn_winograd_tile *tile,
                             const float *pixels, float *v) {
  size_t lanes = job->kernels->width, pixel = lanes * lanes;
  for (size_t i = 0; i < job->vectors * count; i++)
    job->kernels->winograd_rows(&(struct fnn_winograd_input){.size = job->grid.pixels,
                                                             .channels = lanes,
                                                             .tiles = 1,
                                                             .tile = &tile[i % count],
                                                             .x = pixels + i / count * count * tile_size(job),
                                                             .x_channel = lanes,
                                                             .v = v + (i / count * job->tiles + i % count) * pixel,
                                                             .v_place = place_step(job, filled(job)),
                                                             .v_channel = lanes},
                                pair);
}

/* The same in mixed precision, from the places of all filters. */
static void turn_places(const struct job *job, size_t count, const float *places, float *v) {
  size_t lanes = job->kernels->width, line = job->tiles * job->numbers;
  for (size_t place = 0; place < 12; place++)
    for (size_t k = 0; k < job->filters; k += lanes)
      job->pairs->turn_halves(fnn_fewer(lanes, job->filters - k), count * lanes,
                              places + place * place_step(job, job->filters) + k * line, line,
                              v + place * place_step(job, filled(job)) + k * line);
}

/* sums[place] += the product of both over `count` tiles: of the turned filters [channel][filter], of the others after that
 * [filter][channel] */
static void multiply(const struct job *job, size_t count, const float *x, const float *g, float *sums) {
  const struct fnn_lane_kernels *kernels = job->pairs ? job->pairs : job->kernels;
  size_t lanes = job->kernels->width, line = job->tiles * job->numbers, wide = job->wide->width;
  for (size_t place = 0; place < 6; place++) {
    const float *x_place = x + place * place_step(job, job->channels);
    const float *g_place = g + place * place_step(job, filled(job));
    float *dw = sums + place * filled(job) * job->channels;
    if (job->vectors)
      kernels->turned_gradient(&(struct fnn_turned_gradient){
          .vectors = job->vectors,
          .channels = job->channels,
          .blocks = 1,
          .p = 1,
          .q = count,
          .g = g_place,
          .g_vector = line * lanes,
          .x = x_place,
          .x_channel = line,
          .x_pixel = job->numbers,
          .dw = dw,
          .dw_channel = turned(job),
      });
    if (job->plain)
      job->wide->weight_gradient(&(struct fnn_lane_gradient){
          .filters = job->plain,
          .taps = job->channels,
          .blocks = 1,
          .p = 1,
          .q = fnn_ceil_div(count * lanes, wide),
          .g = g_place + turned(job) * line,
          .g_filter = line,
          .x = x_place,
          .x_pixel = wide,
          .tap = job->taps,
          .dw = dw + turned(job) * job->channels,
          .dw_filter = job->channels,
      });
  }
}

static void add_up_piece(const struct job *job, size_t part, size_t group, size_t first_pair, float *scratch) {
  struct fnn_winograd_tile x_tile[MOST_TILES], g_tile[MOST_TILES], turned_tile[MOST_TILES];
  const struct fnn_window *w = &job->conv->window;
  size_t lanes = job->kernels->width, end = fnn_fewer((part + 1) * job->part, job->all);
  const float *x = job->x + group * job->channels * w->h * w->w * lanes;
  const float *g = job->g + group * job->filters * w->p * w->q * lanes;
  float *other = scratch + 12 * place_step(job, job->channels), *before = other + 12 * place_step(job, filled(job));
  float *sums = job->sums + (part * job->conv->groups + group) * group_size(job);
  size_t plane = w->p * w->q, first_plain = (job->filters - job->plain) * plane * lanes;
  size_t row = 6 * filled(job) * job->channels;
  for (size_t i = 2 * first_pair; i < 2 * (first_pair + job->pairs_of_rows); i++)
    memset(sums + fnn_winograd_row(i / 2, i % 2) * row, 0, row * sizeof *sums);
  for (size_t first = part * job->part; first < end; first += job->tiles) {
    size_t count = fnn_fewer(job->tiles, end - first);
    place_tiles(job, first, count, x_tile, g_tile);
    if (!job->pairs) turn(job, count, g, g_tile, before, turned_tile);
    for (size_t pair = first_pair; pair < first_pair + job->pairs_of_rows; pair++) {
      transform(job, 6, pair, count, x_tile, x, w->h * w->w, job->channels, scratch, job->channels);
      if (job->pairs) {
        transform(job, job->grid.pixels, pair, count, g_tile, g, plane, job->filters, before, job->filters);
        turn_places(job, count, before, other);
      } else {
        transform_turned(job, pair, count, turned_tile, before, other);
        transform(job, job->grid.pixels, pair, count, g_tile, g + first_plain, plane, job->plain,
                  other + turned(job) * job->tiles * lanes, filled(job));
      }
      for (size_t i = 0; i < 2; i++)
        multiply(job, count, scratch + 6 * i * place_step(job, job->channels),
                 other + 6 * i * place_step(job, filled(job)), sums + fnn_winograd_row(pair, i) * row);
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

/* Of turned filters, the gradients of channels first .. last-1 of all groups. */
static void transform_turned_back(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  enum { FILTERS = 16, MOST_TAPS = 25 }; /* at a time */
  float some[FILTERS * MOST_TAPS];
  size_t r = job->conv->window.r, taps = r * r, filters = job->filters - job->plain;
  for (size_t i = first; i < last; i++) {
    size_t group = i / job->channels, c = i % job->channels;
    const float *sums = job->sums + group * group_size(job) + c * turned(job);
    float *dw = job->dw + (group * job->filters * job->channels + c) * taps;
    for (size_t k = 0; k < filters; k += FILTERS) {
      size_t count = fnn_fewer(FILTERS, filters - k);
      job->kernels->winograd_taps(r, count, filled(job) * job->channels, sums + k, some);
      for (size_t n = 0; n < count; n++)
        memcpy(dw + (k + n) * job->channels * taps, some + n * taps, taps * sizeof *dw);
    }
  }
}

/* The gradients of the other filters first .. last-1 of all groups. */
static void transform_back(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *job = user;
  size_t taps = job->conv->window.r * job->conv->window.r, channels = job->channels;
  for (size_t i = first; i < last; i++) {
    size_t group = i / job->plain, k = i % job->plain;
    job->kernels->winograd_taps(job->conv->window.r, channels, filled(job) * channels,
                                job->sums + group * group_size(job) + (turned(job) + k) * channels,
                                job->dw + (group * job->filters + job->filters - job->plain + k) * channels * taps);
  }
}

/* As many vectors of tiles as fit into the cache, of `all`. */
static size_t tiles_at_a_time(const struct job *job, size_t all) {
  size_t wide = job->wide->width, together = wide / job->kernels->width;
  size_t tile = 6 * (job->channels + filled(job)) * together * job->numbers, fit = CACHE / tile;
  size_t fewer = CACHE_OF_TURNED / tile > SOME_TURNED_TILES ? CACHE_OF_TURNED / tile : SOME_TURNED_TILES;
  if (job->vectors) fit = fnn_fewer(fit, fewer);
  fit = fnn_fewer(fit, MOST_PIXELS / (job->grid.pixels * wide));
  return fnn_fewer(fit, fnn_fewer(MOST_TILES * job->kernels->width / wide, all));
}

/* Parts with as many tiles as are done at a time, or some, and in a part times of nearly equal size: these decide in
 * which order what is added up, and know nothing of threads. The rows of a piece do. */
static struct job job_for(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                          const struct fnn_convolution *conv) {
  enum { PIECES = 4, TURNED_PIECES = 1 }; /* at least, for each thread; each of these turns its tiles */
  size_t pixels = 6 - (conv->window.r - 1);
  struct job job = {.kernels = fnn_lane_kernels_for(context->isa, lanes),
                    .wide = context->kernels->lanes,
                    .pairs = pairs,
                    .conv = conv,
                    .channels = conv->c / conv->groups,
                    .filters = conv->k / conv->groups,
                    .grid = fnn_winograd_tiles(conv->window.p, conv->window.q, conv->window.dilation, pixels),
                    .parts = 1,
                    .pairs_of_rows = PAIRS_OF_ROWS};
  size_t together = job.wide->width / lanes;
  job.all = fnn_ceil_div(conv->n, lanes) * job.grid.count;
  job.numbers = pairs ? lanes / 2 : lanes;
  size_t rest = job.filters % lanes;
  job.plain = !pairs && rest <= lanes / 4 ? rest : 0;
  if (!fnn_can_turn(context, lanes, pairs, job.channels)) job.plain = job.filters;
  job.vectors = fnn_ceil_div(job.filters - job.plain, lanes);
  job.tiles = tiles_at_a_time(&job, fnn_ceil_div(job.all, together)) * together;
  size_t least = job.vectors ? LEAST_OF_PART : job.tiles, sums = conv->groups * group_size(&job);
  for (size_t more = 2; more <= MOST_PARTS && more * sums <= MOST_SUMS && more * least <= job.all; more *= 2)
    job.parts = more;
  job.part = fnn_ceil_div(job.all, job.parts);
  job.parts = fnn_ceil_div(job.all, job.part);
  if (job.tiles > 0) {
    size_t vectors = fnn_ceil_div(job.part, together);
    job.tiles = fnn_ceil_div(vectors, fnn_ceil_div(vectors, job.tiles / together)) * together;
  }
  size_t pieces = (job.vectors ? TURNED_PIECES : PIECES) * (size_t)context->threads.count;
  if (job.parts * conv->groups < pieces) job.pairs_of_rows = 1;
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
  /* windows that reach over an edge, and tiles that do, which a dilation may leave almost empty */
  size_t products = 36 * job.grid.count, directly = w->r * w->s * w->p * w->q * 4 / 5;
  if (fnn_turned_gradient_pays(context, lanes, pairs, conv)) directly = fnn_turned_gradient_products(w) * 5 / 8;
  return job.tiles >= (job.vectors ? LEAST_TURNED_TILES : LEAST_TILES) && products < directly;
}

static enum fnn_status take_memory(struct fnn_context *context, struct job *job) {
  size_t sums = job->parts * job->conv->groups * group_size(job) * sizeof *job->sums;
  job->sums = fnn_alloc(context, sums);
  if (!job->sums) return FNN_NO_MEMORY;
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
    fnn_parallel(context, job.vectors ? conv->c : 0, 4, transform_turned_back, &job);
    fnn_parallel(context, conv->groups * job.plain, 4, transform_back, &job);
  }
  fnn_scratch_give(context, &job.scratch);
  fnn_free(context, job.taps);
  fnn_free(context, job.sums);
  return status;
}
