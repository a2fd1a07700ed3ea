/* The transforms of Winograd's minimal filtering (Lavin and Gray 2016, "Fast algorithms for convolutional neural
 * networks", section 4) for images or channels in lanes: F(2x2, 3x3) over tiles of 4 x 4 pixels, F(4x4, 3x3) and F(2x2, 5x5) over
 * tiles of 6 x 6. Each is a matrix applied to rows and then to columns; between them stand products of ordinary matrices, one
 * for each place in the tile, which the caller makes: of images in lanes they are correlations of 1 x 1, of channels there
 * is fnn_channel_product. */
#include <string.h>

#include "simd.h"
#include "variant.h"

/* ---- the matrices: one column of 4 or 6, a step apart, in place ---- */

/* F(2, 3), points 0, 1, -1, infinity */
FNN_INLINE void input4(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = d0 - d2;
  d[step] = d1 + d2;
  d[2 * step] = d2 - d1;
  d[3 * step] = d1 - d3;
}

FNN_INLINE void output4(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  d[0] = d0 + d1 + d2;
  d[step] = d1 - d2 - d3;
}

/* F(2, 5) and F(4, 3), points 0, a, -a, b, -b, infinity, with a b = 1: a quarter of the error of
 * 0, 1, -1, 2, -2, infinity */
#define SQRT2 1.41421356f
static const float point_a = SQRT2 / 2, point_b = SQRT2;

/* Place i of six. */
FNN_INLINE fnn_v input6_place(const int i, const fnn_v *d) {
  switch (i) {
    case 0: return d[0] - 2.5f * d[2] + d[4];
    case 1: return (d[4] - 2.0f * d[2]) + point_a * (d[3] - 2.0f * d[1]);
    case 2: return (d[4] - 2.0f * d[2]) - point_a * (d[3] - 2.0f * d[1]);
    case 3: return (d[4] - 0.5f * d[2]) + point_b * (d[3] - 0.5f * d[1]);
    case 4: return (d[4] - 0.5f * d[2]) - point_b * (d[3] - 0.5f * d[1]);
    default: return d[1] - 2.5f * d[3] + d[5];
  }
}

FNN_INLINE void input6(fnn_v *d, const ptrdiff_t step) {
  fnn_v column[6];
  FNN_UNROLL for (int i = 0; i < 6; i++) column[i] = d[i * step];
  FNN_UNROLL for (int i = 0; i < 6; i++) d[i * step] = input6_place(i, column);
}

/* M of six, at most five: row k has the points' kth powers, the last one infinity too. */
FNN_INLINE void output6(const ptrdiff_t M, fnn_v *d, const ptrdiff_t step) {
  const fnn_v d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const fnn_v even_a = d1 + d2, odd_a = point_a * (d1 - d2), even_b = d3 + d4, odd_b = point_b * (d3 - d4);
  d[0] += even_a + even_b;
  d[step] = odd_a + odd_b;
  if (M > 2) d[2 * step] = 0.5f * even_a + 2.0f * even_b;
  if (M > 3) d[3 * step] = 0.5f * odd_a + 2.0f * odd_b;
  if (M > 4) d[4 * step] = 0.25f * even_a + 4.0f * even_b;
  d[(M - 1) * step] += d5;
}

/* ---- tiles ---- */

/* Pixel (r, c) of a tile of A x A, 0 outside of the image. */
FNN_INLINE fnn_v pixel(const struct fnn_winograd_tile *tile, const ptrdiff_t A, const float *x, const ptrdiff_t r,
                       const ptrdiff_t c) {
  return (fnn_v)((fnn_vi)fnn_load(x + tile->row[r] + tile->column[c]) & tile->inside[r * A + c]);
}

/* Has pixel (r, c) of the next channel, `next` floats farther, fetched; not where tiles overlap and a neighbour will. */
FNN_INLINE void fetch(const struct fnn_winograd_tile *tile, const ptrdiff_t A, const int overlap, const float *x,
                      size_t next, const ptrdiff_t r, const ptrdiff_t c) {
  const int inner = r > 0 && r < A - 1 && c > 0 && c < A - 1;
  if (inner || !overlap) __builtin_prefetch(x + next + tile->row[r] + tile->column[c]);
}

FNN_INLINE void input_tile(const ptrdiff_t A, const struct fnn_winograd_tile *tile, const float *x, float *v,
                           size_t v_place, size_t next) {
  fnn_v d[36];
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) {
    d[i] = pixel(tile, A, x, i / A, i % A);
    fetch(tile, A, 1, x, next, i / A, i % A);
  }
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) A == 4 ? input4(d + i, A) : input6(d + i, A);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) A == 4 ? input4(d + i * A, 1) : input6(d + i * A, 1);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) fnn_store(v + (size_t)i * v_place, d[i]);
}

FNN_INLINE void input_tiles(const ptrdiff_t A, const struct fnn_winograd_input *j) {
  for (size_t c = 0; c < j->channels; c++)
    for (size_t t = 0; t < j->tiles; t++)
      input_tile(A, &j->tile[t], j->x + c * j->x_channel, j->v + c * j->v_channel + t * FNN_WIDTH, j->v_place,
                 j->x_channel);
}

void FNN_VARIANT(fnn_winograd_input)(const struct fnn_winograd_input *j) {
  if (j->size == 4)
    input_tiles(4, j);
  else
    input_tiles(6, j);
}

/* M x M pixels from A x A places */
FNN_INLINE void output_tile(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j,
                            const struct fnn_winograd_tile *tile, const float *m, fnn_v bias, size_t to) {
  fnn_v d[36];
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) d[i] = fnn_load(m + (size_t)i * j->m_place);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) A == 4 ? output4(d + i, A) : output6(M, d + i, A);
  FNN_UNROLL for (ptrdiff_t i = 0; i < M; i++) A == 4 ? output4(d + i * A, 1) : output6(M, d + i * A, 1);
  FNN_UNROLL for (ptrdiff_t i = 0; i < M * M; i++) {
    const ptrdiff_t p = i / M, q = i % M;
    const size_t at = to + (size_t)p * j->y_row + (size_t)q * j->y_pixel;
    fnn_v v = d[p * A + q] + bias;
    if ((size_t)p >= tile->p || (size_t)q >= tile->q) continue;
    if (j->addend) {
      v += fnn_load(j->addend + at);
      __builtin_prefetch(j->addend + at + j->y_filter);
    }
    if (j->relu) v = fnn_pick(v < 0.0f, (fnn_v){0}, v); /* NaN stays */
    fnn_store(j->y + at, v);
    __builtin_prefetch(j->y + at + j->y_filter, 1);
  }
}

FNN_INLINE void output_tiles(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j) {
  for (size_t k = 0; k < j->filters; k++) {
    const fnn_v bias = j->biases ? fnn_load(j->biases + k * FNN_WIDTH) : fnn_splat(j->bias ? j->bias[k] : 0.0f);
    for (size_t t = 0; t < j->tiles; t++)
      output_tile(A, M, j, &j->tile[t], j->m + k * j->m_filter + t * FNN_WIDTH, bias, k * j->y_filter + j->tile[t].to);
  }
}

void FNN_VARIANT(fnn_winograd_output)(const struct fnn_winograd_output *j) {
  if (j->size == 4)
    output_tiles(4, 2, j);
  else if (j->pixels == 2)
    output_tiles(6, 2, j);
  else
    output_tiles(6, 4, j);
}

/* ---- weights ---- */

static const float g4[4][3] = {{1.0f, 0.0f, 0.0f}, {0.5f, 0.5f, 0.5f}, {0.5f, -0.5f, 0.5f}, {0.0f, 0.0f, 1.0f}};
static const float g6[6][5] = {
    {1.0f, 0.0f, 0.0f, 0.0f, 0.0f},
    {-2.0f / 3, -SQRT2 / 3, -1.0f / 3, -SQRT2 / 6, -1.0f / 6},
    {-2.0f / 3, SQRT2 / 3, -1.0f / 3, SQRT2 / 6, -1.0f / 6},
    {1.0f / 6, SQRT2 / 6, 1.0f / 3, SQRT2 / 3, 2.0f / 3},
    {1.0f / 6, -SQRT2 / 6, 1.0f / 3, -SQRT2 / 3, 2.0f / 3},
    {0.0f, 0.0f, 0.0f, 0.0f, 1.0f},
};
static const float g6_of_3[6][3] = {
    {1.0f, 0.0f, 0.0f},
    {-2.0f / 3, -SQRT2 / 3, -1.0f / 3},
    {-2.0f / 3, SQRT2 / 3, -1.0f / 3},
    {1.0f / 6, SQRT2 / 6, 1.0f / 3},
    {1.0f / 6, -SQRT2 / 6, 1.0f / 3},
    {0.0f, 0.0f, 1.0f},
};

/* The taps of channels c .. c + n - 1, a channel a lane; others are 0. */
static void load_taps(ptrdiff_t R, const struct fnn_lane_weights *j, const float *w, size_t n, fnn_v *taps) {
  float lanes[25][FNN_WIDTH] = {0};
  for (size_t c = 0; c < n; c++)
    for (ptrdiff_t i = 0; i < R * R; i++)
      lanes[i][c] = w[(ptrdiff_t)c * j->channel + i / R * j->row + i % R * j->column];
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
                         float *to) {
  const size_t step = j->filters * j->channels;
  for (size_t c = 0; c < j->channels; c += FNN_WIDTH) {
    const size_t n = j->channels - c < FNN_WIDTH ? j->channels - c : FNN_WIDTH;
    fnn_v w[25], u[36];
    load_taps(R, j, j->from + (ptrdiff_t)k * j->filter + (ptrdiff_t)c * j->channel, n, w);
    weight_tile(A, R, g, w, u);
    for (ptrdiff_t i = 0; i < A * A; i++) memcpy(to + (size_t)i * step + c, &u[i], n * sizeof *to);
  }
}

void FNN_VARIANT(fnn_winograd_weights)(const struct fnn_lane_weights *j, size_t size, size_t first, size_t last,
                                       float *u) {
  for (size_t k = first; k < last; k++) {
    if (size == 4)
      weight_tiles(4, 3, g4[0], j, k, u + k * j->channels);
    else if (j->r == 3)
      weight_tiles(6, 3, g6_of_3[0], j, k, u + k * j->channels);
    else
      weight_tiles(6, 5, g6[0], j, k, u + k * j->channels);
  }
}

/* ---- weight gradients: F(3x3, 4x4) and F(5x5, 2x2), in which the output's gradient is the kernel, the taps the output ----
 *
 * With the points of F(4, 3) and F(2, 5) the input's matrix is the same. Those of the gradients lack the divisors of their
 * rows, which the matrices of the taps have instead. */

/* Place i of six, from M gradients. */
FNN_INLINE fnn_v gradient_place(const ptrdiff_t M, const int i, const fnn_v *d) {
  const fnn_v none = {0}, d2 = M == 4 ? d[2] : none, d3 = M == 4 ? d[3] : none;
  switch (i) {
    case 0: return d[0];
    case 1: return (d[0] + 0.5f * d2) + point_a * (d[1] + 0.5f * d3);
    case 2: return (d[0] + 0.5f * d2) - point_a * (d[1] + 0.5f * d3);
    case 3: return (d[0] + 2.0f * d2) + point_b * (d[1] + 2.0f * d3);
    case 4: return (d[0] + 2.0f * d2) - point_b * (d[1] + 2.0f * d3);
    default: return d[M - 1];
  }
}

/* Row i of the places of a tile of A x A pixels: of the input's 6 x 6 or of the gradient's. */
FNN_INLINE void row_of_places(const ptrdiff_t A, const int i, const struct fnn_winograd_tile *tile, const float *x,
                              float *v, size_t v_place, size_t next) {
  fnn_v d[6];
  FNN_UNROLL for (ptrdiff_t c = 0; c < A; c++) {
    fnn_v column[6];
    FNN_UNROLL for (ptrdiff_t r = 0; r < A; r++) {
      column[r] = pixel(tile, A, x, r, c);
      fetch(tile, A, A == 6, x, next, r, c);
    }
    d[c] = A == 6 ? input6_place(i, column) : gradient_place(A, i, column);
  }
  FNN_UNROLL for (int k = 0; k < 6; k++)
      fnn_store(v + (size_t)k * v_place, A == 6 ? input6_place(k, d) : gradient_place(A, k, d));
}

FNN_INLINE void rows_of_places(const ptrdiff_t A, const int i, const struct fnn_winograd_input *j) {
  for (size_t c = 0; c < j->channels; c++)
    for (size_t t = 0; t < j->tiles; t++)
      row_of_places(A, i, &j->tile[t], j->x + c * j->x_channel, j->v + c * j->v_channel + t * FNN_WIDTH, j->v_place,
                    j->x_channel);
}

#define ROW_OF_PLACES(i)                                    \
  static void row_##i(const struct fnn_winograd_input *j) { \
    if (j->size == 6)                                       \
      rows_of_places(6, i, j);                              \
    else if (j->size == 4)                                  \
      rows_of_places(4, i, j);                              \
    else                                                    \
      rows_of_places(2, i, j);                              \
  }
ROW_OF_PLACES(0)
ROW_OF_PLACES(1)
ROW_OF_PLACES(2)
ROW_OF_PLACES(3)
ROW_OF_PLACES(4)
ROW_OF_PLACES(5)

void FNN_VARIANT(fnn_winograd_row)(const struct fnn_winograd_input *j, size_t row) {
  static void (*const rows[6])(const struct fnn_winograd_input *j) = {row_0, row_1, row_2, row_3, row_4, row_5};
  rows[row](j);
}

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
