/* Products of few images, whose channels and filters lie in lanes: a number of each pixel, of one channel, meets a vector of
 * filters. As many pixels go together as there are registers for their sums; what they read of the weights is then read
 * once. */
#include "simd.h"
#include "variant.h"

/* ---- of transformed tiles ---- */

/* T tiles at a time. */
FNN_INLINE void product_tiles(const int T, const struct fnn_channel_product *j, size_t t0) {
  const float *u = j->u;
  fnn_v sum[FNN_PRODUCT_TILES];
  FNN_UNROLL for (int t = 0; t < T; t++) sum[t] = (fnn_v){0};
  for (size_t left = j->channels, block = 0; left > 0; block++) {
    const float *v = j->v + block * j->v_block + t0 * FNN_WIDTH;
    const size_t channels = left < FNN_WIDTH ? left : FNN_WIDTH;
    for (size_t c = 0; c < channels; c++, u += j->filters) {
      const fnn_v filters = fnn_load(u);
      FNN_UNROLL for (int t = 0; t < T; t++) sum[t] += fnn_splat(v[(size_t)t * FNN_WIDTH + c]) * filters;
    }
    left -= channels;
  }
  FNN_UNROLL for (int t = 0; t < T; t++) fnn_store(j->m + (t0 + (size_t)t) * FNN_WIDTH, sum[t]);
}

#define PRODUCT(T) \
  static void product_##T(const struct fnn_channel_product *j, size_t t0) { product_tiles(T, j, t0); }
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
PRODUCT(4)
PRODUCT(5)
PRODUCT(6)
PRODUCT(7)
PRODUCT(8)
PRODUCT(9)
PRODUCT(10)
PRODUCT(11)
PRODUCT(12)
PRODUCT(13)

void FNN_VARIANT(fnn_channel_product)(const struct fnn_channel_product *j) {
  static void (*const some[])(const struct fnn_channel_product *j, size_t t0) = {
      product_1, product_2, product_3,  product_4,  product_5,  product_6, product_7,
      product_8, product_9, product_10, product_11, product_12, product_13};
  _Static_assert(sizeof some / sizeof *some == FNN_PRODUCT_TILES, "a function for each number of tiles");
  for (size_t t = 0; t < j->tiles; t += FNN_PRODUCT_TILES) {
    const size_t left = j->tiles - t;
    some[(left < FNN_PRODUCT_TILES ? left : FNN_PRODUCT_TILES) - 1](j, t);
  }
}

/* ---- of pixels where they are ---- */

enum { PIXELS = 8 }; /* at a time: an address each, in registers */

/* Where the windows of T output pixels from number i on begin. */
struct corners {
  ptrdiff_t row[PIXELS], column[PIXELS];
};

FNN_INLINE struct corners corners_of(const int T, const struct fnn_window *w, size_t i) {
  struct corners corners;
  size_t p = i / w->q, q = i % w->q;
  FNN_UNROLL for (int t = 0; t < T; t++) {
    corners.row[t] = (ptrdiff_t)(p * w->stride[0]) - (ptrdiff_t)w->top;
    corners.column[t] = (ptrdiff_t)(q * w->stride[1]) - (ptrdiff_t)w->left;
    if (++q == w->q) p++, q = 0;
  }
  return corners;
}

/* One tap of T pixels, `s` columns from where their windows begin, in rows that begin at `line` and have so many columns, or
 * none beside the image. Returns the next tap's weights. */
FNN_INLINE const float *add_tap(const int T, const struct fnn_channel_correlation *j, const ptrdiff_t *corner, size_t s,
                                const size_t *line, const size_t *columns, const float *weight, fnn_v *sum) {
  static const float outside[FNN_WIDTH];
  const size_t plane = j->window->h * j->window->w;
  for (size_t first = 0; first < j->channels; first += FNN_WIDTH) {
    const size_t channels = j->channels - first < FNN_WIDTH ? j->channels - first : FNN_WIDTH;
    const float *block = j->x + first * plane, *x[PIXELS];
    FNN_UNROLL for (int t = 0; t < T; t++) {
      const size_t column = (size_t)corner[t] + s; /* before the first: a large number */
      x[t] = column < columns[t] ? block + line[t] + column * FNN_WIDTH : outside;
    }
    for (size_t c = 0; c < channels; c++, weight += j->filters) {
      const fnn_v filters = fnn_load(weight);
      FNN_UNROLL for (int t = 0; t < T; t++) sum[t] += fnn_splat(x[t][c]) * filters;
    }
  }
  return weight;
}

/* As the indirect convolution of Dukhan (2019), with addresses made as they are needed: the pixel of each window under one
 * tap, or zeros beside the image. */
FNN_INLINE void correlate_pixels(const int T, const struct fnn_channel_correlation *j, size_t i) {
  const struct fnn_window *w = j->window;
  const struct corners corners = corners_of(T, w, i);
  const float *weight = j->weight;
  fnn_v sum[PIXELS];
  FNN_UNROLL for (int t = 0; t < T; t++) sum[t] = fnn_load(j->bias);
  for (size_t r = 0; r < w->r; r++) {
    size_t line[PIXELS], columns[PIXELS];
    FNN_UNROLL for (int t = 0; t < T; t++) {
      const size_t row = (size_t)corners.row[t] + r * w->dilation[0];
      line[t] = row * w->w * FNN_WIDTH, columns[t] = row < w->h ? w->w : 0;
    }
    for (size_t s = 0; s < w->s; s++)
      weight = add_tap(T, j, corners.column, s * w->dilation[1], line, columns, weight, sum);
  }
  FNN_UNROLL for (int t = 0; t < T; t++) {
    const size_t at = (i + (size_t)t) * FNN_WIDTH;
    fnn_v v = sum[t];
    if (j->addend) v += fnn_load(j->addend + at);
    if (j->relu) v = fnn_pick(v < 0.0f, (fnn_v){0}, v); /* NaN stays */
    fnn_store(j->y + at, v);
  }
}

void FNN_VARIANT(fnn_channel_correlate)(const struct fnn_channel_correlation *j) {
  size_t i = j->first;
  for (; i + PIXELS <= j->last; i += PIXELS) correlate_pixels(PIXELS, j, i);
  if (i + PIXELS / 2 <= j->last) {
    correlate_pixels(PIXELS / 2, j, i);
    i += PIXELS / 2;
  }
  for (; i < j->last; i++) correlate_pixels(1, j, i);
}
