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

/* at a time, at most: an address each, in registers; and where vectors go together */
enum { PIXELS = 8, PIXELS_TOGETHER = FNN_PRODUCT_T < PIXELS ? FNN_PRODUCT_T : PIXELS };

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
FNN_INLINE const float *add_tap(const int V, const int T, const struct fnn_channel_correlation *j,
                                const ptrdiff_t *corner, size_t s, const size_t *line, const size_t *columns,
                                const float *weight, fnn_v sum[][PIXELS]) {
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
      fnn_v filters[FNN_PRODUCT_V];
      FNN_UNROLL for (int n = 0; n < V; n++) filters[n] = fnn_load(weight + (size_t)n * j->weight_vector);
      FNN_UNROLL for (int t = 0; t < T; t++) {
        const fnn_v one = fnn_splat(x[t][c]);
        FNN_UNROLL for (int n = 0; n < V; n++) sum[n][t] += one * filters[n];
      }
    }
  }
  return weight;
}

/* V vectors of filters from number k on, for T pixels from number i on. As the indirect convolution of Dukhan (2019), with
 * addresses made as they are needed: the pixel of each window under one tap, or zeros beside the image. */
FNN_INLINE void correlate_pixels(const int V, const int T, const struct fnn_channel_correlation *j, size_t k,
                                 size_t i) {
  const struct fnn_window *w = j->window;
  const struct corners corners = corners_of(T, w, i);
  const float *weight = j->weight + k * j->weight_vector;
  fnn_v sum[FNN_PRODUCT_V][PIXELS];
  FNN_UNROLL for (int n = 0; n < V; n++) {
    const fnn_v bias = fnn_load(j->bias + (k + (size_t)n) * FNN_WIDTH);
    FNN_UNROLL for (int t = 0; t < T; t++) sum[n][t] = bias;
  }
  for (size_t r = 0; r < w->r; r++) {
    size_t line[PIXELS], columns[PIXELS];
    FNN_UNROLL for (int t = 0; t < T; t++) {
      const size_t row = (size_t)corners.row[t] + r * w->dilation[0];
      line[t] = row * w->w * FNN_WIDTH, columns[t] = row < w->h ? w->w : 0;
    }
    for (size_t s = 0; s < w->s; s++)
      weight = add_tap(V, T, j, corners.column, s * w->dilation[1], line, columns, weight, sum);
  }
  FNN_UNROLL for (int n = 0; n < V; n++) FNN_UNROLL for (int t = 0; t < T; t++) {
    const size_t at = (k + (size_t)n) * j->y_vector + (i + (size_t)t) * FNN_WIDTH;
    fnn_v v = sum[n][t];
    if (j->addend) v += fnn_load(j->addend + at);
    if (j->relu) v = fnn_pick(v < 0.0f, (fnn_v){0}, v); /* NaN stays */
    fnn_store(j->y + at, v);
  }
}

/* The last T pixels overlap the ones before where pixels are not a multiple. */
FNN_INLINE void correlate_by(const int V, const int T, const struct fnn_channel_correlation *j, size_t k) {
  for (size_t i = j->first; i < j->last; i += (size_t)T)
    correlate_pixels(V, T, j, k, i + (size_t)T <= j->last ? i : j->last - (size_t)T);
}

/* T pixels at a time if there are so many, or else a half, or one. */
FNN_INLINE void correlate_vectors(const int V, const int T, const struct fnn_channel_correlation *j, size_t k) {
  const size_t pixels = j->last - j->first;
  if (pixels >= (size_t)T)
    correlate_by(V, T, j, k);
  else if (pixels >= (size_t)T / 2)
    correlate_by(V, T / 2, j, k);
  else
    correlate_by(V, 1, j, k);
}

void FNN_VARIANT(fnn_channel_correlate)(const struct fnn_channel_correlation *j) {
  size_t k = 0;
  for (; k + FNN_PRODUCT_V <= j->vectors; k += FNN_PRODUCT_V) correlate_vectors(FNN_PRODUCT_V, PIXELS_TOGETHER, j, k);
  for (; k < j->vectors; k++) correlate_vectors(1, PIXELS, j, k);
}
