/* The transforms of Winograd's minimal filtering (Lavin and Gray 2016, "Fast algorithms for convolutional neural
 * networks", section 4) for images in lanes: F(2x2, 3x3) over tiles of 4 x 4 pixels, F(4x4, 3x3) and F(2x2, 5x5) over tiles
 * of 6 x 6. Each is a matrix applied to rows and then to columns; between them stand products of ordinary matrices, one for
 * each place in the tile, which the caller makes of correlations of 1 x 1. */
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
static const float a = SQRT2 / 2, b = SQRT2;

FNN_INLINE void input6(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const fnn_v even_a = d4 - 2.0f * d2, odd_a = d3 - 2.0f * d1, even_b = d4 - 0.5f * d2, odd_b = d3 - 0.5f * d1;
  d[0] = d0 - 2.5f * d2 + d4;
  d[step] = even_a + a * odd_a;
  d[2 * step] = even_a - a * odd_a;
  d[3 * step] = even_b + b * odd_b;
  d[4 * step] = even_b - b * odd_b;
  d[5 * step] = d1 - 2.5f * d3 + d5;
}

FNN_INLINE void output6(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  d[0] = d0 + (d1 + d2) + (d3 + d4);
  d[step] = a * (d1 - d2) + b * (d3 - d4) + d5;
}

FNN_INLINE void output6_of_4(fnn_v *d, const ptrdiff_t step) {
  const fnn_v d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const fnn_v even_a = d1 + d2, odd_a = d1 - d2, even_b = d3 + d4, odd_b = d3 - d4;
  d[0] = d0 + even_a + even_b;
  d[step] = a * odd_a + b * odd_b;
  d[2 * step] = 0.5f * even_a + 2.0f * even_b;
  d[3 * step] = 0.5f * a * odd_a + 2.0f * b * odd_b + d5;
}

/* ---- tiles ---- */

/* The pixels `next` floats farther, those of the next channel, are fetched meanwhile. */
FNN_INLINE void input_tile(const ptrdiff_t A, const int whole, const struct fnn_winograd_tile *tile, const float *x,
                           float *v, size_t v_place, size_t next) {
  fnn_v d[36];
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) {
    d[i] = fnn_load(x + tile->offset[i]);
    if (!whole) d[i] = (fnn_v)((fnn_vi)d[i] & tile->inside[i]);
    if (i / A > 0 && i / A < A - 1 && i % A > 0 && i % A < A - 1) __builtin_prefetch(x + next + tile->offset[i]);
  }
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) A == 4 ? input4(d + i, A) : input6(d + i, A);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) A == 4 ? input4(d + i * A, 1) : input6(d + i * A, 1);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) fnn_store(v + (size_t)i * v_place, d[i]);
}

FNN_INLINE void input_tiles(const ptrdiff_t A, const struct fnn_winograd_input *j) {
  for (size_t c = 0; c < j->channels; c++)
    for (size_t t = 0; t < j->tiles; t++) {
      const float *x = j->x + c * j->x_channel;
      float *v = j->v + c * j->v_channel + t * FNN_WIDTH;
      if (j->tile[t].whole)
        input_tile(A, 1, &j->tile[t], x, v, j->v_place, j->x_channel);
      else
        input_tile(A, 0, &j->tile[t], x, v, j->v_place, j->x_channel);
    }
}

void FNN_VARIANT(fnn_winograd_input)(const struct fnn_winograd_input *j) {
  if (j->size == 4)
    input_tiles(4, j);
  else
    input_tiles(6, j);
}

FNN_INLINE void output(const ptrdiff_t A, const ptrdiff_t M, fnn_v *d, const ptrdiff_t step) {
  if (A == 4)
    output4(d, step);
  else if (M == 2)
    output6(d, step);
  else
    output6_of_4(d, step);
}

/* M x M pixels from A x A places */
FNN_INLINE void output_tile(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j,
                            const struct fnn_winograd_tile *tile, const float *m, fnn_v bias, float *y) {
  fnn_v d[36];
  FNN_UNROLL for (ptrdiff_t i = 0; i < A * A; i++) d[i] = fnn_load(m + (size_t)i * j->m_place);
  FNN_UNROLL for (ptrdiff_t i = 0; i < A; i++) output(A, M, d + i, A);
  FNN_UNROLL for (ptrdiff_t i = 0; i < M; i++) output(A, M, d + i * A, 1);
  FNN_UNROLL for (ptrdiff_t i = 0; i < M * M; i++) {
    const ptrdiff_t p = i / M, q = i % M;
    fnn_v v = d[p * A + q] + bias;
    if (j->relu) v = fnn_pick(v < 0.0f, (fnn_v){0}, v); /* NaN stays */
    if ((size_t)p < tile->p && (size_t)q < tile->q) {
      float *to = y + (size_t)p * j->y_row + (size_t)q * j->y_pixel;
      fnn_store(to, v);
      __builtin_prefetch(to + j->y_filter, 1);
    }
  }
}

FNN_INLINE void output_tiles(const ptrdiff_t A, const ptrdiff_t M, const struct fnn_winograd_output *j) {
  for (size_t k = 0; k < j->filters; k++) {
    const fnn_v bias = fnn_splat(j->bias ? j->bias[k] : 0.0f);
    for (size_t t = 0; t < j->tiles; t++)
      output_tile(A, M, j, &j->tile[t], j->m + k * j->m_filter + t * FNN_WIDTH, bias,
                  j->y + k * j->y_filter + j->tile[t].to);
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

/* u (A x A) = G w G', for a kernel of R x R */
FNN_INLINE void weight_tile(const ptrdiff_t A, const ptrdiff_t R, const float *g, const struct fnn_lane_weights *j,
                            const float *w, float *u, size_t step) {
  float half[6][5];
  for (ptrdiff_t i = 0; i < A; i++)
    for (ptrdiff_t s = 0; s < R; s++) {
      float total = 0.0f;
      for (ptrdiff_t r = 0; r < R; r++) total += g[i * R + r] * w[r * j->row + s * j->column];
      half[i][s] = total;
    }
  for (ptrdiff_t i = 0; i < A; i++)
    for (ptrdiff_t k = 0; k < A; k++) {
      float total = 0.0f;
      for (ptrdiff_t s = 0; s < R; s++) total += half[i][s] * g[k * R + s];
      u[(size_t)(i * A + k) * step] = total;
    }
}

void FNN_VARIANT(fnn_winograd_weights)(const struct fnn_lane_weights *j, size_t size, size_t first, size_t last,
                                       float *u) {
  for (size_t k = first; k < last; k++)
    for (size_t c = 0; c < j->channels; c++) {
      const float *w = j->from + (ptrdiff_t)k * j->filter + (ptrdiff_t)c * j->channel;
      float *to = u + k * j->channels + c;
      if (size == 4)
        weight_tile(4, 3, g4[0], j, w, to, j->filters * j->channels);
      else if (j->r == 3)
        weight_tile(6, 3, g6_of_3[0], j, w, to, j->filters * j->channels);
      else
        weight_tile(6, 5, g6[0], j, w, to, j->filters * j->channels);
    }
}
