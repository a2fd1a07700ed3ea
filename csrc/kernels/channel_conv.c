/* Products of few images, whose channels and filters lie in lanes: a number of each pixel, of one channel, meets a vector of
 * filters. As many pixels go together as there are registers for their sums; what they read of the weights is then read
 * once. */
#include "simd.h"
#include "variant.h"

/* ---- of transformed tiles ---- */

/* A place of V vectors of filters and T tiles: u, v and m are those of the first. */
FNN_INLINE void product_tiles(const struct fnn_channel_product *j, const int V, const int T, const float *u,
                              const float *tiles, float *m) {
  fnn_v sum[FNN_PRODUCT_V][FNN_PRODUCT_T];
  FNN_UNROLL for (int n = 0; n < V; n++) FNN_UNROLL for (int i = 0; i < T; i++) sum[n][i] = (fnn_v){0};
  for (size_t left = j->channels; left > 0; tiles += j->v_block) {
    const size_t channels = left < FNN_WIDTH ? left : FNN_WIDTH;
    const float *v = tiles;
    for (size_t c = 0; c < channels; c++, u += j->filters, v++) {
      fnn_v filters[FNN_PRODUCT_V];
      FNN_UNROLL for (int n = 0; n < V; n++) filters[n] = fnn_load(u + (size_t)n * j->u_vector);
      FNN_UNROLL for (int i = 0; i < T; i++) {
        const fnn_v one = fnn_splat(v[(size_t)i * FNN_WIDTH]);
        FNN_UNROLL for (int n = 0; n < V; n++) sum[n][i] += one * filters[n];
      }
    }
    left -= channels;
  }
  FNN_UNROLL for (int n = 0; n < V; n++) FNN_UNROLL for (int i = 0; i < T; i++) {
    fnn_store(m + (size_t)n * j->m_vector + (size_t)i * FNN_WIDTH, sum[n][i]);
  }
}

typedef void (*product_function)(const struct fnn_channel_product *j, const float *u, const float *v, float *m);

#define PRODUCT(V, T)                                                                                            \
  static void product_##V##x##T(const struct fnn_channel_product *j, const float *u, const float *v, float *m) { \
    product_tiles(j, V, T, u, v, m);                                                                             \
  }
FNN_PRODUCTS(PRODUCT)
#define PRODUCT_ENTRY(V, T) [V][T] = product_##V##x##T,
static const product_function products[FNN_PRODUCT_V + 1][FNN_PRODUCT_T + 1] = {FNN_PRODUCTS(PRODUCT_ENTRY)};

/* Tiles in as few parts as there must be, of nearly equal size; the last `more` have one more than the others. */
void FNN_VARIANT(fnn_channel_product)(const struct fnn_channel_product *j) {
  if (j->tiles == 0) return;
  const size_t parts = (j->tiles + FNN_PRODUCT_T - 1) / FNN_PRODUCT_T, T = j->tiles / parts, more = j->tiles % parts;
  for (size_t k = 0; k < j->vectors; k += FNN_PRODUCT_V) {
    const size_t V = j->vectors - k < FNN_PRODUCT_V ? j->vectors - k : FNN_PRODUCT_V;
    for (size_t place = 0; place < j->places; place++) {
      const float *u = j->u + place * j->u_place + k * j->u_vector, *v = j->v + place * j->v_place;
      float *m = j->m + place * j->m_place + k * j->m_vector;
      for (size_t i = parts; i > 0; i--) {
        const size_t tiles = T + (i <= more);
        products[V][tiles](j, u, v, m);
        v += tiles * FNN_WIDTH, m += tiles * FNN_WIDTH;
      }
    }
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
