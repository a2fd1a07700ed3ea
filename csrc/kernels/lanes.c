/* What is done to images in lanes besides convolution: the way in and out, pooling, sums, dropout. */
#include <math.h>
#include <string.h>

#include "../base/rng.h"
#include "pool.h"
#include "simd.h"
#include "variant.h"
#include "window.h"

_Static_assert((int)FNN_WIDTH <= (int)FNN_LANES_MAX, "callers keep a sum of each lane");

FNN_INLINE fnn_v pixel(const float *x, size_t i) { return fnn_load(x + i * FNN_WIDTH); }
FNN_INLINE void set_pixel(float *y, size_t i, fnn_v v) { fnn_store(y + i * FNN_WIDTH, v); }

/* ---- in and out ---- */

/* Of n columns, a vector of them at a time, where the next begin; the last may overlap those before. */
FNN_INLINE size_t next_columns(size_t i, size_t n) {
  const size_t width = FNN_WIDTH;
  return i + width < n && i + 2 * width > n ? n - width : i + width;
}

static void clear(size_t images, size_t n, float *y) {
  for (size_t i = 0; i < n; i++)
    for (size_t l = images; l < FNN_WIDTH; l++) y[i * FNN_WIDTH + l] = 0.0f;
}

static void pack(size_t images, size_t n, const float *x, size_t step, float *y) {
  for (size_t i = 0; i + FNN_WIDTH <= n; i = next_columns(i, n)) {
    fnn_v r[FNN_WIDTH];
    FNN_UNROLL for (size_t l = 0; l < FNN_WIDTH; l++) r[l] = l < images ? fnn_load(x + l * step + i) : (fnn_v){0};
    fnn_transpose(r);
    FNN_UNROLL for (size_t l = 0; l < FNN_WIDTH; l++) fnn_store(y + (i + l) * FNN_WIDTH, r[l]);
  }
  for (size_t i = 0; n < FNN_WIDTH && i < n; i++)
    for (size_t l = 0; l < FNN_WIDTH; l++) y[i * FNN_WIDTH + l] = l < images ? x[l * step + i] : 0.0f;
}

static void unpack(size_t images, size_t n, const float *x, float *y, size_t step) {
  for (size_t i = 0; i + FNN_WIDTH <= n; i = next_columns(i, n)) {
    fnn_v r[FNN_WIDTH];
    FNN_UNROLL for (size_t l = 0; l < FNN_WIDTH; l++) r[l] = fnn_load(x + (i + l) * FNN_WIDTH);
    fnn_transpose(r);
    FNN_UNROLL for (size_t l = 0; l < FNN_WIDTH; l++) if (l < images) fnn_store(y + l * step + i, r[l]);
  }
  for (size_t l = 0; n < FNN_WIDTH && l < images; l++)
    for (size_t i = 0; i < n; i++) y[l * step + i] = x[i * FNN_WIDTH + l];
}

/* ---- runs: sums are in float over a run of pixels and in double over the runs ---- */

static size_t end_of_run(size_t i, size_t n) {
  const size_t run = 64;
  return n - i < 2 * run ? n : i + run;
}

FNN_INLINE void add_to(double *total, fnn_v sum) {
  for (int l = 0; l < FNN_WIDTH; l++) total[l] += (double)sum[l];
}

/* ---- pooling ---- */

FNN_INLINE fnn_v larger(fnn_v top, fnn_v v) { return fnn_pick(fnn_wins(v, top), v, top); }

FNN_INLINE void max_of_fours(const struct fnn_window *w, const int relu, const float *x, float *y, uint8_t *winner) {
  const size_t row = w->w * FNN_WIDTH;
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      const float *a = x + 2 * p * row + 2 * q * FNN_WIDTH, *b = a + row;
      const size_t out = (p * w->q + q) * FNN_WIDTH;
      fnn_max_of_four(relu, fnn_load(a), fnn_load(a + FNN_WIDTH), fnn_load(b), fnn_load(b + FNN_WIDTH), y + out,
                      winner ? winner + out : NULL);
    }
}

static void max_pool(const struct fnn_window *w, const float *x, float *y) {
  if (fnn_is_two_by_two(w)) {
    max_of_fours(w, 0, x, y, NULL);
    return;
  }
  FNN_EACH_WINDOW(fnn_v top = fnn_splat(-INFINITY), top = larger(top, pixel(x, in)), set_pixel(y, out, top))
}

static void max_pool_back_two_by_two(const struct fnn_window *w, const float *x, const float *g, float *d) {
  const size_t row = w->w * FNN_WIDTH;
  if (2 * w->p < w->h || 2 * w->q < w->w) memset(d, 0, w->h * row * sizeof *d);
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      const size_t corner = 2 * p * row + 2 * q * FNN_WIDTH;
      const size_t at[4] = {corner, corner + FNN_WIDTH, corner + row, corner + row + FNN_WIDTH};
      fnn_v top = fnn_load(x + at[0]);
      fnn_vi best[4] = {{0}};
      for (int i = 1; i < 4; i++) {
        const fnn_v v = fnn_load(x + at[i]);
        best[i] = fnn_wins(v, top);
        top = fnn_pick(best[i], v, top);
      }
      fnn_v left = fnn_load(g + (p * w->q + q) * FNN_WIDTH);
      for (int i = 3; i > 0; i--) { /* the last that won is the largest */
        fnn_store(d + at[i], fnn_pick(best[i], left, (fnn_v){0}));
        left = fnn_pick(best[i], (fnn_v){0}, left);
      }
      fnn_store(d + at[0], left);
    }
}

/* The largest pixel of a window so far, and where it lies, for each lane; -1 before the first. */
struct winner {
  fnn_v top;
  fnn_vi pixel;
};

FNN_INLINE struct winner nobody(void) { return (struct winner){fnn_splat(-INFINITY), (fnn_vi){0} - 1}; }

FNN_INLINE struct winner challenge(struct winner best, fnn_v v, size_t at) {
  const fnn_vi better = fnn_wins(v, best.top) | (best.pixel < 0);
  return (struct winner){fnn_pick(better, v, best.top), (better & (int32_t)at) | (~better & best.pixel)};
}

FNN_INLINE void give(struct winner best, const float *g, float *d) {
  for (size_t l = 0; l < FNN_WIDTH; l++)
    if (best.pixel[l] >= 0) d[(size_t)best.pixel[l] * FNN_WIDTH + l] += g[l];
}

static void max_pool_back(const struct fnn_window *w, const float *x, const float *g, float *d) {
  if (fnn_is_two_by_two(w)) {
    max_pool_back_two_by_two(w, x, g, d);
    return;
  }
  memset(d, 0, w->h * w->w * FNN_WIDTH * sizeof *d);
  FNN_EACH_WINDOW(struct winner best = nobody(), best = challenge(best, pixel(x, in), in),
                  give(best, g + out * FNN_WIDTH, d))
}

static void max_of_four(const struct fnn_window *w, int relu, const float *x, float *y, uint8_t *winner) {
  if (relu)
    max_of_fours(w, 1, x, y, winner);
  else
    max_of_fours(w, 0, x, y, winner);
}

static double back_to_winners(const struct fnn_window *w, const uint8_t *winner, const float *g, float *d) {
  const size_t row = w->w * FNN_WIDTH;
  double lane[FNN_WIDTH] = {0}, total = 0.0;
  if (2 * w->p < w->h || 2 * w->q < w->w) memset(d, 0, w->h * row * sizeof *d);
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q;) {
      fnn_v part = {0};
      for (const size_t end = end_of_run(q, w->q); q < end; q++) {
        const size_t out = (p * w->q + q) * FNN_WIDTH;
        float *to = d + 2 * p * row + 2 * q * FNN_WIDTH;
        fnn_vb winners;
        memcpy(&winners, winner + out, sizeof winners);
        const fnn_vi best = __builtin_convertvector(winners, fnn_vi);
        const fnn_v gradient = fnn_load(g + out);
        fnn_store(to, fnn_pick(best == 0, gradient, (fnn_v){0}));
        fnn_store(to + FNN_WIDTH, fnn_pick(best == 1, gradient, (fnn_v){0}));
        fnn_store(to + row, fnn_pick(best == 2, gradient, (fnn_v){0}));
        fnn_store(to + row + FNN_WIDTH, fnn_pick(best == 3, gradient, (fnn_v){0}));
        part += fnn_pick(best < FNN_NO_WINNER, gradient, (fnn_v){0});
      }
      add_to(lane, part);
    }
  for (int l = 0; l < FNN_WIDTH; l++) total += lane[l];
  return total;
}

/* Kahan's sum (1965): what rounding took from the total goes with the next addition; of one that is infinite, or too large,
 * nothing. */
FNN_INLINE void add_exactly(fnn_v *total, fnn_v *lost, fnn_v x) {
  const fnn_v rest = x - *lost, sum = *total + rest, error = (sum - *total) - rest;
  const fnn_v finite = sum * 0.0f; /* 0, else NaN */
  *lost = fnn_pick(finite == 0.0f, error, (fnn_v){0});
  *total = sum;
}

static void avg_pool(const struct fnn_window *w, int whole, const float *x, float *y) {
  FNN_EACH_WINDOW(fnn_v total = {0}; fnn_v lost = {0}, add_exactly(&total, &lost, pixel(x, in)),
                                     set_pixel(y, out, total * fnn_splat(fnn_share(w, whole, rows, columns))))
}

static void avg_pool_back(const struct fnn_window *w, int whole, const float *g, float *d) {
  memset(d, 0, w->h * w->w * FNN_WIDTH * sizeof *d);
  FNN_EACH_WINDOW(const fnn_v part = pixel(g, out) * fnn_splat(fnn_share(w, whole, rows, columns)),
                  set_pixel(d, in, pixel(d, in) + part), )
}

/* ---- sums ---- */

static void sum(size_t n, const float *x, double *total) {
  for (size_t i = 0; i < n;) {
    fnn_v part = {0};
    for (const size_t end = end_of_run(i, n); i < end; i++) part += pixel(x, i);
    add_to(total, part);
  }
}

static void sum_squares(size_t n, const float *x, const float *center, double *total) {
  const fnn_v middle = fnn_load(center);
  for (size_t i = 0; i < n;) {
    fnn_v part = {0};
    for (const size_t end = end_of_run(i, n); i < end; i++) {
      const fnn_v v = pixel(x, i) - middle;
      part += v * v;
    }
    add_to(total, part);
  }
}

static void dot_centered(size_t n, const float *x, const float *center, const float *g, double *sum_g, double *sum_gx) {
  const fnn_v middle = fnn_load(center);
  for (size_t i = 0; i < n;) {
    fnn_v part_g = {0}, part_gx = {0};
    for (const size_t end = end_of_run(i, n); i < end; i++) {
      const fnn_v v = pixel(g, i);
      part_g += v;
      part_gx += v * (pixel(x, i) - middle);
    }
    add_to(sum_g, part_g);
    add_to(sum_gx, part_gx);
  }
}

FNN_INLINE void relu_dots(size_t n, const struct fnn_affine *affine, const int recompute, const float *x,
                          const float *y, const float *g, float *d, double *sum_g, double *sum_gx) {
  const fnn_v middle = fnn_splat(affine->center), scale = fnn_splat(affine->scale), shift = fnn_splat(affine->shift);
  for (size_t i = 0; i < n;) {
    fnn_v part_g = {0}, part_gx = {0};
    for (const size_t end = end_of_run(i, n); i < end; i++) {
      const fnn_v at = pixel(x, i);
      fnn_v result = at * scale + shift;
      if (!recompute) result = pixel(y, i);
      const fnn_v v = fnn_pick(result > 0.0f, pixel(g, i), (fnn_v){0});
      set_pixel(d, i, v);
      part_g += v;
      part_gx += v * (at - middle);
    }
    add_to(sum_g, part_g);
    add_to(sum_gx, part_gx);
  }
}

static void relu_dot_centered(size_t n, const struct fnn_affine *affine, const float *x, const float *y, const float *g,
                              float *d, double *sum_g, double *sum_gx) {
  if (y)
    relu_dots(n, affine, 0, x, y, g, d, sum_g, sum_gx);
  else
    relu_dots(n, affine, 1, x, y, g, d, sum_g, sum_gx);
}

static double relu_back(size_t n, const float *y, const float *g, float *d) {
  double lane[FNN_WIDTH] = {0}, total = 0.0;
  for (size_t i = 0; i < n;) {
    fnn_v part = {0};
    for (const size_t end = end_of_run(i, n); i < end; i++) {
      const fnn_v v = fnn_pick(pixel(y, i) > 0.0f, pixel(g, i), (fnn_v){0});
      fnn_store(d + i * FNN_WIDTH, v);
      part += v;
    }
    add_to(lane, part);
  }
  for (int l = 0; l < FNN_WIDTH; l++) total += lane[l];
  return total;
}

/* ---- numbers of each lane ---- */

static void affine(size_t n, const float *x, const float *scale, const float *shift, float *y) {
  const fnn_v factor = fnn_load(scale), summand = fnn_load(shift);
  for (size_t i = 0; i < n; i++) set_pixel(y, i, pixel(x, i) * factor + summand);
}

static void affine_back(size_t n, const float *g, const float *x, const float *a, const float *b, const float *c,
                        float *d) {
  const fnn_v of_g = fnn_load(a), of_x = fnn_load(b), constant = fnn_load(c);
  for (size_t i = 0; i < n; i++) set_pixel(d, i, pixel(g, i) * of_g + pixel(x, i) * of_x + constant);
}

/* ---- dropout ---- */

/* The upper and lower halves of each lane's product with `factor`. */
FNN_INLINE void multiply_lanes(fnn_vu x, uint32_t factor, fnn_vu *upper, fnn_vu *lower) {
  const fnn_vw low = (fnn_vw){0} + 0xFFFFFFFFu, factors = (fnn_vw){0} + factor;
  const fnn_vw even = fnn_multiply_wide((fnn_vw)x, factors), odd = fnn_multiply_wide((fnn_vw)x >> 32, factors);
  *upper = (fnn_vu)((even >> 32) | (odd & ~low));
  *lower = (fnn_vu)((even & low) | (odd << 32));
}

/* fnn_philox for a counter of each lane, in two halves */
FNN_INLINE void philox_lanes(uint64_t seed, fnn_vu c0, fnn_vu c1, fnn_vu bits[4]) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  fnn_vu c2 = {0}, c3 = {0};
  for (int round = 0; round < 10; round++) {
    fnn_vu upper0, lower0, upper1, lower1;
    multiply_lanes(c0, 0xD2511F53u, &upper0, &lower0);
    multiply_lanes(c2, 0xCD9E8D57u, &upper1, &lower1);
    c0 = upper1 ^ c1 ^ k0;
    c1 = lower1;
    c2 = upper0 ^ c3 ^ k1;
    c3 = lower0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  bits[0] = c0, bits[1] = c1, bits[2] = c2, bits[3] = c3;
}

static void dropout(size_t n, uint64_t seed, uint64_t first, uint64_t start, uint64_t stride, float drop, float scale,
                    const float *x, float *y) {
  const fnn_v factor = fnn_splat(scale);
  const fnn_vi bound = (fnn_vi){0} + (int32_t)ceilf(drop * 0x1p24f); /* fnn_uniform(bits) < drop, on integers */
  for (size_t i = 0; i < n; i += 4) {
    union {
      fnn_vu lanes;
      uint32_t lane[FNN_WIDTH];
    } low, high;
    fnn_vu bits[4];
    for (uint64_t l = 0; l < FNN_WIDTH; l++) {
      const uint64_t counter = first + (start + l * stride + i) / 4;
      low.lane[l] = (uint32_t)counter, high.lane[l] = (uint32_t)(counter >> 32);
    }
    philox_lanes(seed, low.lanes, high.lanes, bits);
    for (size_t k = 0, rest = n - i < 4 ? n - i : 4; k < rest; k++) {
      const size_t at = (i + k) * FNN_WIDTH;
      const fnn_vi dropped = (fnn_vi)(bits[k] >> 8) < bound;
      fnn_store(y + at, fnn_pick(dropped, (fnn_v){0}, fnn_load(x + at) * factor));
    }
  }
}

const struct fnn_lane_kernels FNN_VARIANT(fnn_lanes) = {
    .width = FNN_WIDTH,
    .row_pixels = FNN_ROW_Q,
    .pack = pack,
    .unpack = unpack,
    .clear = clear,
    .pack_weights = FNN_VARIANT(fnn_lane_pack_weights),
    .correlate = FNN_VARIANT(fnn_lane_correlate),
    .weight_gradient = FNN_VARIANT(fnn_lane_weight_gradient),
#if FNN_TURNED_IMAGES == 1
    .turn = pack,
#else
    .turn = FNN_VARIANT(fnn_lane_turn),
#endif
    .turned_gradient = FNN_VARIANT(fnn_lane_turned_gradient),
    .sliding_gradient = FNN_VARIANT(fnn_lane_sliding_gradient),
    .winograd_weights = FNN_VARIANT(fnn_winograd_weights),
    .winograd_input = FNN_VARIANT(fnn_winograd_input),
    .winograd_output = FNN_VARIANT(fnn_winograd_output),
    .winograd_rows = FNN_VARIANT(fnn_winograd_rows),
    .winograd_taps = FNN_VARIANT(fnn_winograd_taps),
    .product_vectors = FNN_PRODUCT_V,
    .channel_product = FNN_VARIANT(fnn_channel_product),
    .channel_correlate = FNN_VARIANT(fnn_channel_correlate),
    .pool = {.max = max_pool,
             .max_back = max_pool_back,
             .max_of_four = max_of_four,
             .back_to_winners = back_to_winners,
             .avg = avg_pool,
             .avg_back = avg_pool_back},
    .sum = sum,
    .sum_squares = sum_squares,
    .dot_centered = dot_centered,
    .relu_dot_centered = relu_dot_centered,
    .affine = affine,
    .affine_back = affine_back,
    .relu_back = relu_back,
    .dropout = dropout,
};
