/* A piece of work is some rows of an image's tiles and some of the filters. Its pixels are brought into lanes, vectors of
 * channels, and transformed; then, vector of filters by vector of filters, the places of the tiles are multiplied by the
 * transformed weights and transformed back, and their pixels go to the rows of the result. Where rows are too few for all
 * threads, several transform the same ones, each for filters of its own: that is shorter than to wait for each other. */
#include "channel_winograd.h"

#include <string.h>

#include "winograd.h"

enum {
  FEW_TILES = 4, /* a piece with no more takes more rows, if there are enough pieces for all threads */
  LEAST_CHANNELS = 8,
};

struct job {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_norm_kernels *norm;
  const struct fnn_convolution *conv;
  size_t channel_blocks, filter_blocks; /* vectors of them */
  size_t size, places;                  /* of a tile: pixels a side, and their square */
  struct fnn_winograd_grid grid;        /* of an image's tiles */
  size_t some, parts, tiles;            /* rows of tiles in a piece; such parts of an image; tiles in a piece */
  size_t groups, group;                 /* of filters, each with pieces of its own; vectors of filters in one */
  size_t padded;                        /* pixels of a row with zeros around it, as far as tiles reach */
  struct fnn_winograd_tile tile;        /* the first of a piece; the others lie alike */
  const float *x, *u;                   /* u: the transformed weights, [vector of filters][place][channel][filter] */
  const struct fnn_epilogue *epilogue;
  size_t v_place, m_place;
  float *scratch; /* for each worker: the transformed tiles [place][vector of channels][tile], and room */
  size_t scratch_size;
  float *y;
};

int fnn_channel_winograd_pays(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  return fnn_winograd_suits(w) && w->dilation[0] == 1 && w->dilation[1] == 1 && conv->groups == 1 &&
         conv->c >= LEAST_CHANNELS && conv->k >= LEAST_CHANNELS;
}

/* How many tiles a part has: the last one perhaps fewer. */
static size_t tiles_of(const struct job *j, size_t part) {
  return fnn_fewer(j->some, j->grid.rows - part * j->some) * j->grid.columns;
}

/* ---- the tiles ---- */

/* The rows of pixels that a piece's tiles read, for one vector of channels: into lanes, and with zeros around the image. */
static void bring_in(const struct job *j, size_t image, size_t part, size_t block, float *to) {
  const struct fnn_window *w = &j->conv->window;
  size_t lanes = j->kernels->width, c = block * lanes, height = j->some * j->grid.pixels + w->r - 1;
  size_t begin = part * j->some * j->grid.pixels, end = fnn_fewer(begin + height, w->top + w->h);
  size_t above = begin < w->top ? fnn_fewer(w->top - begin, height) : 0, first = begin + above;
  size_t count = first < end ? end - first : 0, row = j->padded * lanes, right = j->padded - w->left - w->w;
  float *rows = to + height * row;
  if (count)
    j->kernels->pack(fnn_fewer(lanes, j->conv->c - c), count * w->w,
                     j->x + ((image * j->conv->c + c) * w->h + first - w->top) * w->w, w->h * w->w, rows);
  memset(to, 0, above * row * sizeof *to);
  to += above * row;
  for (size_t r = 0; r < count; r++, to += row, rows += w->w * lanes) {
    memset(to, 0, w->left * lanes * sizeof *to);
    memcpy(to + w->left * lanes, rows, w->w * lanes * sizeof *to);
    memset(to + (w->left + w->w) * lanes, 0, right * lanes * sizeof *to);
  }
  memset(to, 0, (height - above - count) * row * sizeof *to);
}

/* The tiles of a part, all channels of them. */
static void transform(const struct job *j, size_t image, size_t part, float *v, float *pixels) {
  size_t lanes = j->kernels->width, tiles = tiles_of(j, part);
  for (size_t block = 0; block < j->channel_blocks; block++) {
    bring_in(j, image, part, block, pixels);
    for (size_t t = 0; t < tiles; t++)
      j->kernels->winograd_input(&(struct fnn_winograd_input){
          .size = j->size,
          .channels = 1,
          .tiles = 1,
          .tile = &j->tile,
          .x = pixels + (t / j->grid.columns * j->padded + t % j->grid.columns) * j->grid.pixels * lanes,
          .v = v + (block * j->tiles + t) * lanes,
          .v_place = j->v_place,
      });
  }
}

/* ---- the filters ---- */

/* How many a vector has, the last perhaps fewer. */
static size_t filters_of(const struct job *j, size_t block) {
  return fnn_fewer(j->kernels->width, j->conv->k - block * j->kernels->width);
}

/* Pixels of a vector of filters, `width` in a row, to their rows, with what the epilogue says. */
static void bring_out(const struct job *j, size_t image, size_t part, size_t block, float *pixels, float *rows) {
  const struct fnn_window *w = &j->conv->window;
  const struct fnn_epilogue *e = j->epilogue;
  size_t lanes = j->kernels->width, width = j->grid.columns * j->grid.pixels, begin = part * j->some * j->grid.pixels;
  size_t count = fnn_fewer(j->some * j->grid.pixels, w->p - begin), n = count * w->q;
  size_t k = block * lanes, filters = filters_of(j, block);
  for (size_t r = 1; r < count && width > w->q; r++)
    memmove(pixels + r * w->q * lanes, pixels + r * width * lanes, w->q * lanes * sizeof *pixels);
  j->kernels->unpack(filters, n, pixels, rows, n);
  for (size_t f = 0; f < filters; f++, rows += n) {
    size_t to = ((image * j->conv->k + k + f) * w->p + begin) * w->q;
    float bias = e->bias ? e->bias[k + f] : 0.0f;
    if (e->relu)
      j->norm->affine_relu(n, rows, 1.0f, bias, e->addend ? e->addend + to : NULL, j->y + to);
    else
      j->norm->affine(n, rows, 1.0f, bias, j->y + to);
  }
}

/* A vector of filters, in all places of them. */
static void multiply(const struct job *j, size_t image, size_t part, size_t block, const float *v, float *m) {
  size_t lanes = j->kernels->width, width = j->grid.columns * j->grid.pixels;
  size_t tiles = tiles_of(j, part), filters = filters_of(j, block);
  float *pixels = m + j->places * j->m_place, *rows = pixels + j->some * j->grid.pixels * width * lanes;
  for (size_t place = 0; place < j->places; place++)
    j->kernels->winograd_product(&(struct fnn_winograd_product){
        .tiles = tiles,
        .channels = j->conv->c,
        .v = v + place * j->v_place,
        .v_block = j->tiles * lanes,
        .u = j->u + (block * lanes * j->places + place * filters) * j->conv->c,
        .u_channel = filters,
        .m = m + place * j->m_place,
    });
  for (size_t t = 0; t < tiles; t++)
    j->kernels->winograd_output(&(struct fnn_winograd_output){
        .size = j->size,
        .pixels = j->grid.pixels,
        .filters = 1,
        .tiles = 1,
        .tile = &j->tile,
        .m = m + t * lanes,
        .m_place = j->m_place,
        .y = pixels + (t / j->grid.columns * width + t % j->grid.columns) * j->grid.pixels * lanes,
        .y_row = width * lanes,
        .y_pixel = lanes,
    });
  bring_out(j, image, part, block, pixels, rows);
}

static void convolve_pieces(void *user, size_t first, size_t last, int worker) {
  const struct job *j = user;
  float *v = j->scratch + (size_t)worker * j->scratch_size, *room = v + j->places * j->v_place;
  for (size_t i = first; i < last; i++) {
    size_t group = i % j->groups, part = i / j->groups % j->parts, image = i / j->groups / j->parts;
    transform(j, image, part, v, room);
    for (size_t block = group * j->group; block < (group + 1) * j->group && block < j->filter_blocks; block++)
      multiply(j, image, part, block, v, room);
  }
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
                                       .channels = filters_of(j, block),
                                       .r = r,
                                       .s = r,
                                       .from = w->weight + block * lanes * channels * r * r,
                                       .filter = (ptrdiff_t)(r * r),
                                       .channel = (ptrdiff_t)(channels * r * r),
                                       .row = (ptrdiff_t)r,
                                       .column = 1};
    j->kernels->winograd_weights(&weights, j->size, c, c + 1, w->u + block * lanes * j->places * channels);
  }
}

/* Kept with the tensor. */
static enum fnn_status take_weights(struct fnn_context *context, struct job *j, const struct fnn_tensor *weight) {
  const struct fnn_convolution *conv = j->conv;
  size_t count = j->places * conv->c * conv->k, lanes = j->kernels->width;
  int known;
  void *memory;
  FNN_TRY(fnn_tensor_keep(weight, (count + lanes) * sizeof(float),
                          &(struct fnn_recipe){{FNN_CHANNEL_ORDER, j->size, conv->window.r, conv->c, conv->k}}, &memory,
                          &known));
  float *u = memory;
  j->u = u;
  if (known) return FNN_OK;
  memset(u + count, 0, lanes * sizeof *u); /* the last vector reaches as far */
  struct weights_job job = {j, fnn_floats(weight), u};
  fnn_parallel(context, j->filter_blocks * conv->c, 8, transform_weights, &job);
  return FNN_OK;
}

/* ---- cutting the work ---- */

/* Where it is cut has no influence on the sums, so that threads may be counted. */
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
  j->some = 1;
  while (j->some * j->grid.columns <= FEW_TILES && j->some < j->grid.rows &&
         conv->n * fnn_ceil_div(j->grid.rows, 2 * j->some) * j->filter_blocks >= threads)
    j->some *= 2;
  j->parts = fnn_ceil_div(j->grid.rows, j->some);
  j->tiles = j->some * j->grid.columns;
  j->group = fnn_ceil_div(j->filter_blocks, fnn_ceil_div(threads, conv->n * j->parts));
  j->groups = fnn_ceil_div(j->filter_blocks, j->group);
  j->padded = j->grid.columns * j->grid.pixels + w->r - 1;
  fnn_winograd_place(lanes, j->size, w->dilation, 0, 0, j->size, j->padded, 0, &j->tile);
  j->tile.to = 0, j->tile.p = j->tile.q = j->grid.pixels;
  j->v_place = fnn_winograd_step(j->channel_blocks * j->tiles * lanes);
  j->m_place = fnn_winograd_step(j->tiles * lanes);
  size_t height = j->some * j->grid.pixels, in = (height + w->r - 1) * (j->padded + w->w) * lanes;
  size_t out = j->places * j->m_place + height * j->grid.columns * j->grid.pixels * lanes + height * w->q * lanes;
  j->scratch_size = j->places * j->v_place + (in > out ? in : out);
}

enum fnn_status fnn_channel_winograd(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                     const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue, float *y) {
  struct job j = {.kernels = context->kernels->lanes,
                  .norm = context->kernels->norm,
                  .conv = conv,
                  .x = x,
                  .epilogue = epilogue,
                  .y = y};
  if (conv->n == 0) return FNN_OK;
  cut(&j, (size_t)context->threads.count);
  FNN_TRY(take_weights(context, &j, weight));
  j.scratch = fnn_alloc(context, (size_t)context->threads.count * j.scratch_size * sizeof *j.scratch);
  if (!j.scratch) return FNN_NO_MEMORY;
  fnn_parallel(context, conv->n * j.parts * j.groups, 1, convolve_pieces, &j);
  fnn_free(context, j.scratch);
  return FNN_OK;
}
