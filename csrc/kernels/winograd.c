/* The transforms of Winograd's minimal filtering (Lavin and Gray 2016, "Fast algorithms for convolutional neural
 * networks", section 4) for images or channels in lanes: F(2x2, 3x3) over tiles of 4 x 4 pixels, F(4x4, 3x3) and F(2x2, 5x5) over
 * tiles of 6 x 6. With a stride of 2, 3 taps meet F(2, 2) at every second pixel and a single product between, in tiles of 5 x 5.
 * Each is a matrix applied to rows and then to columns; between them stand products of ordinary matrices, one
 * for each place in the tile, which the caller makes: of images in lanes they are correlations of 1 x 1, of channels there
 * is fnn_channel_product. */
#include "winograd.h"

#include <string.h>

#include "pool.h"

/* ---- the matrices: one column of 4, 5 or 6, a step apart, in place ---- */

FNN_INLINE void output4(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = d0 + d1 + d2;
  d[step] = d1 - d2 - d3;
}

/* With a stride of 2: both pixels have a place of their own beside the three of F(2, 2). */
FNN_INLINE void output5(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
  d[0] = d0 + d1 + d2;
  d[step] = d2 + d3 + d4;
}

/* M of six, at most five: row k has the points' kth powers, the last one infinity too. */
FNN_INLINE void output6(const ptrdiff_t M, fnn_v *d, const ptrdiff_t step) {
  const fnn_v d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const fnn_v even_a = d1 + d2, odd_a = fnn_point_a * (d1 - d2), even_b = d3 + d4, odd_b = fnn_point_b * (d3 - d4);
  d[0] += even_a + even_b;
  d[step] = odd_a + odd_b;
  if (M > 2) d[2 * step] = 0.5f * even_a + 2.0f * even_b;
  if (M > 3) d[3 * step] = 0.5f * odd_a + 2.0f * odd_b;
  if (M > 4) d[4 * step] = 0.25f * even_a + 4.0f * even_b;
  d[(M - 1) * step] += d5;
}

FNN_INLINE void output(const ptrdiff_t A, const ptrdiff_t M, fnn_v *d, const ptrdiff_t step) {
  A == 4 ? output4(d, step) : A == 5 ? output5(d, step) : output6(M, d, step);
}

/* ---- tiles ---- */

/* M x M pixels from A x A places */
FNN_INLINE void output_tile(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j,
                            const struct fnn_winograd_tile *tile, const float *m, fnn_v bias, fnn_v least, size_t to) {
  const size_t m_place = j->m_place, y_row = j->y_row, y_pixel = j->y_pixel, y_filter = j->y_filter;
  fnn_v d[36];
  FNN_UNROLL for (ptrdiff_t k = 0; k < A; k++) {
    const float *place = m + (size_t)k * m_place;
    FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++, place += (size_t)A * m_place) d[i * A + k] = fnn_load(place);
    output(A, M, d + k, A);
  }
  FNN_UNROLL for (ptrdiff_t p = 0; p < M; p++, to += y_row) {
    output(A, M, d + p * A, 1);
    if ((size_t)p >= tile->p) return;
    float *y = j->y + to;
    const float *addend = j->addend ? j->addend + to : NULL;
    FNN_UNROLL for (ptrdiff_t q = 0; q < M; q++, y += y_pixel) {
      fnn_v v = d[p * A + q] + bias;
      if ((size_t)q >= tile->q) break;
      if (addend) {
        v += fnn_load(addend + (size_t)q * y_pixel);
        if (q % (FNN_LINE / FNN_WIDTH) == 0) __builtin_prefetch(addend + (size_t)q * y_pixel + y_filter);
      }
      fnn_store(y, fnn_pick(v < least, least, v)); /* NaN stays */
      if (q % (FNN_LINE / FNN_WIDTH) == 0) __builtin_prefetch(y + y_filter, 1);
    }
  }
}

/* The pixels of a tile of M x M, of which each four become one. */
static void pool_tile(const struct fnn_winograd_output *j, const struct fnn_winograd_tile *tile, size_t M,
                      const float *pixels, size_t to) {
  for (size_t p = 0; p < tile->p; p += 2, to += j->y_row)
    for (size_t q = 0; q < tile->q; q += 2) {
      const float *a = pixels + (p * M + q) * FNN_WIDTH, *b = a + M * FNN_WIDTH;
      const size_t at = to + q / 2 * j->y_pixel;
      fnn_max_of_four(1, fnn_load(a), fnn_load(a + FNN_WIDTH), fnn_load(b), fnn_load(b + FNN_WIDTH), j->y + at,
                      j->winner ? j->winner + at : NULL);
      __builtin_prefetch(j->y + at + j->y_filter, 1);
    }
}

/* What is to be pooled goes by way of `pixels`. */
FNN_INLINE void output_tiles(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j) {
  const fnn_v least = fnn_splat(j->relu ? 0.0f : -__builtin_inff());
  _Alignas(64) float pixels[16 * FNN_WIDTH];
  struct fnn_winograd_output plain = *j;
  if (j->pool) plain.y = pixels, plain.y_row = (size_t)M * FNN_WIDTH, plain.y_pixel = FNN_WIDTH, plain.y_filter = 0;
  for (size_t k = 0; k < j->filters; k++) {
    const fnn_v bias = j->biases ? fnn_load(j->biases + k * FNN_WIDTH) : fnn_splat(j->bias ? j->bias[k] : 0.0f);
    for (size_t t = 0; t < j->tiles; t++) {
      const size_t to = k * j->y_filter + j->tile[t].to;
      output_tile(A, M, &plain, &j->tile[t], j->m + k * j->m_filter + t * FNN_WIDTH, bias, least, j->pool ? 0 : to);
      if (j->pool) pool_tile(j, &j->tile[t], (size_t)M, pixels, to);
    }
  }
}

/* The gradient of the input of a stride of 2, 4 x 4 pixels: of each two neighbours, one is made of F(2, 2)'s places, the first or
 * the second (`swapped`), and one is a place itself. */
FNN_INLINE void spread_tile(const struct fnn_winograd_output *j, const struct fnn_winograd_tile *tile, const float *m,
                            float *y) {
  const size_t m_place = j->m_place, row_swap = (size_t)j->swapped[0], column_swap = (size_t)j->swapped[1];
  fnn_v d[25];
  FNN_UNROLL for (ptrdiff_t k = 0; k < 5; k++) {
    FNN_UNROLL for (ptrdiff_t i = 0; i < 5; i++) d[i * 5 + k] = fnn_load(m + (size_t)(i * 5 + k) * m_place);
    d[k] += d[10 + k];
    d[10 + k] += d[20 + k];
  }
  FNN_UNROLL for (ptrdiff_t p = 0; p < 4; p++) {
    const size_t row = (size_t)p ^ row_swap;
    fnn_v *const places = d + p * 5;
    if (row >= tile->p) continue;
    places[0] += places[2];
    places[2] += places[4];
    FNN_UNROLL for (ptrdiff_t q = 0; q < 4; q++) {
      const size_t column = (size_t)q ^ column_swap;
      float *to = y + row * j->y_row + column * j->y_pixel;
      if (column >= tile->q) continue;
      fnn_store(to, places[q]);
      if (q % (FNN_LINE / FNN_WIDTH) == 0) __builtin_prefetch(to + j->y_filter, 1);
    }
  }
}

static void spread_tiles(const struct fnn_winograd_output *j) {
  for (size_t k = 0; k < j->filters; k++)
    for (size_t t = 0; t < j->tiles; t++)
      spread_tile(j, &j->tile[t], j->m + k * j->m_filter + t * FNN_WIDTH, j->y + k * j->y_filter + j->tile[t].to);
}

void FNN_VARIANT(fnn_winograd_output)(const struct fnn_winograd_output *j) {
  if (j->size == 4)
    output_tiles(4, 2, j);
  else if (j->size == 5)
    j->pixels == 4 ? spread_tiles(j) : output_tiles(5, 2, j);
  else if (j->pixels == 2)
    output_tiles(6, 2, j);
  else
    output_tiles(6, 4, j);
}

/* ---- weights ---- */

static const float g4[4][3] = {{1.0f, 0.0f, 0.0f}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0.0f, 0.0f, 1.0f}};
static const float g5[5][3] = {
    {1.0f, 0.0f, 0.0f}, {0.0f, 1.0f, 0.0f}, {1.0f, 0.0f, 1.0f}, {0.0f, 1.0f, 0.0f}, {0.0f, 0.0f, 1.0f}};
static const float g6[6][5] = {
    {1.0f, 0.0f, 0.0f, 0.0f, 0.0f},
    {-2.0f / 3, -FNN_SQRT2 / 3, -1.0f / 3, -FNN_SQRT2 / 6, -1.0f / 6},
    {-2.0f / 3, FNN_SQRT2 / 3, -1.0f / 3, FNN_SQRT2 / 6, -1.0f / 6},
    {1.0f / 6, FNN_SQRT2 / 6, 1.0f / 3, FNN_SQRT2 / 3, 2.0f / 3},
    {1.0f / 6, -FNN_SQRT2 / 6, 1.0f / 3, -FNN_SQRT2 / 3, 2.0f / 3},
    {0.0f, 0.0f, 0.0f, 0.0f, 1.0f},
};
static const float g6_of_3[6][3] = {
    {1.0f, 0.0f, 0.0f},
    {-2.0f / 3, -FNN_SQRT2 / 3, -1.0f / 3},
    {-2.0f / 3, FNN_SQRT2 / 3, -1.0f / 3},
    {1.0f / 6, FNN_SQRT2 / 6, 1.0f / 3},
    {1.0f / 6, -FNN_SQRT2 / 6, 1.0f / 3},
    {0.0f, 0.0f, 1.0f},
};

/* The taps of channels c .. c + n - 1, a channel a lane; others are 0. */
static void load_taps(ptrdiff_t R, const struct fnn_lane_weights *j, const float *w, size_t n, fnn_v *taps) {
  float lanes[25][FNN_WIDTH];
  if (n < FNN_WIDTH) memset(lanes, 0, sizeof lanes);
  for (size_t c = 0; c < n; c++)
    for (ptrdiff_t r = 0; r < R; r++)
      for (ptrdiff_t s = 0; s < R; s++) lanes[r * R + s][c] = w[(ptrdiff_t)c * j->channel + r * j->row + s * j->column];
  for (ptrdiff_t i = 0; i < R * R; i++) taps[i] = fnn_load(lanes[i]);
}

/* u (A x A) = G w G', for kernels of R x R */
static void weight_tile(ptrdiff_t A, ptrdiff_t R, const float *g, const fnn_v *w, fnn_v *u) {
  fnn_v half[6][5];
  for (ptrdiff_t i = 0; i < A; i++)
    for (ptrdiff_t s = 0; s < R; s++) {
      half[i][s] = g[i * R] * w[s];
      for (ptrdiff_t r = 1; r < R; r++) half[i][s] += g[i * R + r] * w[r * R + s];
    }
  for (ptrdiff_t i = 0; i < A; i++)
    for (ptrdiff_t k = 0; k < A; k++) {
      u[i * A + k] = half[i][0] * g[k * R];
      for (ptrdiff_t s = 1; s < R; s++) u[i * A + k] += half[i][s] * g[k * R + s];
    }
}

static void weight_tiles(ptrdiff_t A, ptrdiff_t R, const float *g, const struct fnn_lane_weights *j, size_t k,
                         float *to, size_t step) {
  for (size_t c = 0; c < j->channels; c += FNN_WIDTH) {
    const size_t n = j->channels - c < FNN_WIDTH ? j->channels - c : FNN_WIDTH;
    fnn_v w[25], u[36];
    load_taps(R, j, j->from + (ptrdiff_t)k * j->filter + (ptrdiff_t)c * j->channel, n, w);
    weight_tile(A, R, g, w, u);
    if (n == FNN_WIDTH)
      for (ptrdiff_t i = 0; i < A * A; i++) fnn_store(to + (size_t)i * step + c, u[i]);
    else
      for (ptrdiff_t i = 0; i < A * A; i++) memcpy(to + (size_t)i * step + c, &u[i], n * sizeof *to);
  }
}

void FNN_VARIANT(fnn_winograd_weights)(const struct fnn_lane_weights *j, size_t size, size_t first, size_t last,
                                       float *u, size_t step) {
  for (size_t k = first; k < last; k++) {
    if (size == 4)
      weight_tiles(4, 3, g4[0], j, k, u + k * j->channels, step);
    else if (size == 5)
      weight_tiles(5, 3, g5[0], j, k, u + k * j->channels, step);
    else if (j->r == 3)
      weight_tiles(6, 3, g6_of_3[0], j, k, u + k * j->channels, step);
    else
      weight_tiles(6, 5, g6[0], j, k, u + k * j->channels, step);
  }
}

/* ---- weight gradients: the taps, from the sums for their places ---- */

static void taps_of_places(ptrdiff_t R, fnn_v *d, ptrdiff_t step) {
  static const float factor[6] = {1.0f, -2.0f / 3, -2.0f / 3, 1.0f / 6, 1.0f / 6, 1.0f}; /* the divisors */
  for (int i = 1; i < 5; i++) d[i * step] *= factor[i];
  output6(R, d, step);
}

void FNN_VARIANT(fnn_winograd_taps)(size_t r, size_t count, size_t step, const float *m, float *dw) {
  const ptrdiff_t R = (ptrdiff_t)r;
  for (size_t i = 0; i < count; i += FNN_WIDTH) {
    const size_t n = count - i < FNN_WIDTH ? count - i : FNN_WIDTH;
    fnn_v d[36] = {0};
    float lanes[25][FNN_WIDTH];
    for (size_t place = 0; place < 36; place++) memcpy(&d[place], m + place * step + i, n * sizeof *m);
    for (ptrdiff_t c = 0; c < 6; c++) taps_of_places(R, d + c, 6);
    for (ptrdiff_t row = 0; row < R; row++) taps_of_places(R, d + 6 * row, 1);
    for (ptrdiff_t tap = 0; tap < R * R; tap++) fnn_store(lanes[tap], d[tap / R * 6 + tap % R]);
    for (size_t k = 0; k < n; k++)
      for (ptrdiff_t tap = 0; tap < R * R; tap++) *dw++ = lanes[tap][k];
  }
}
