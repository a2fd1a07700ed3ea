/* The gradient of a convolution's weight over images in lanes, where in that of the output half of the images were exchanged for
 * filters: of two neighbouring images, a vector has half as many filters as it has lanes. Two neighbouring numbers of the input meet
 * two such vectors. A tile of channels and two vectors stays in registers while the images go by, and at its end two lanes of each
 * sum are added up.
 *
 * With FNN_PAIRS, once more for mixed precision: a number is a pair of two neighbouring images there. */
#include "simd.h"
#include "variant.h"

enum {
  HALF = FNN_WIDTH / 2,         /* filters of a vector */
  TWOS = HALF / FNN_TOGETHER,   /* two numbers each, of a pixel of the input */
  PIXEL = TWOS * 2 * FNN_WIDTH, /* floats of one of the gradient */
  TOGETHER = 3,                 /* channels that are found from one address */
  BASES = (FNN_TURNED_T + TOGETHER - 1) / TOGETHER
};

/* Two neighbours in every two lanes. */
FNN_INLINE fnn_v splat_two(const float *x) {
  typedef uint64_t two_anywhere __attribute__((aligned(4), may_alias));
  return (fnn_v)(*(const two_anywhere *)x + (fnn_vw){0});
}

/* What two numbers of each of T channels give. */
FNN_INLINE void add_two(const int T, const float *g, const float *const *x, size_t x_channel, size_t at,
                        fnn_v (*sum)[FNN_TURNED_T]) {
  const fnn_v first = fnn_load(g), second = fnn_load(g + FNN_WIDTH);
  FNN_UNROLL for (int t = 0; t < T; t++) {
    const fnn_v two = splat_two(x[t / TOGETHER] + (size_t)(t % TOGETHER) * x_channel + at);
    sum[0][t] = fnn_multiply_add(sum[0][t], two, first);
    sum[1][t] = fnn_multiply_add(sum[1][t], two, second);
  }
}

/* Vector k of filters, T channels from number c on. */
FNN_INLINE void turned_tile(const struct fnn_turned_gradient *j, const int T, size_t k, size_t c) {
  enum { STEP = 2 }; /* twos at a time */
  const size_t x_channel = j->x_channel;
  fnn_v sum[2][FNN_TURNED_T];
  FNN_UNROLL for (int t = 0; t < T; t++) sum[0][t] = sum[1][t] = (fnn_v){0};
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *g = j->g + k * j->g_vector + b * j->g_block + p * j->g_row, *x[BASES];
      FNN_UNROLL for (int m = 0; m < BASES; m++) {
        x[m] = j->x + b * j->x_block + p * j->x_row + (c + (size_t)(m * TOGETHER)) * x_channel;
      }
      for (size_t q = 0; q < j->q; q++) {
        for (size_t i = 0; i < TWOS; i += STEP, g += (size_t)STEP * 2 * FNN_WIDTH) {
          FNN_UNROLL for (size_t n = 0; n < STEP; n++) add_two(T, g + 2 * n * FNN_WIDTH, x, x_channel, 2 * n, sum);
          FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += 2 * STEP;
        }
        FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += j->x_pixel - (size_t)2 * TWOS;
      }
    }
  float *dw = j->dw + c * j->dw_channel + k * FNN_WIDTH;
  FNN_UNROLL for (int t = 0; t < T; t++, dw += j->dw_channel) {
    const fnn_v total = fnn_evens(sum[0][t], sum[1][t]) + fnn_odds(sum[0][t], sum[1][t]);
    fnn_store(dw, fnn_load(dw) + total);
  }
}

typedef void (*turned_function)(const struct fnn_turned_gradient *j, size_t k, size_t c);

#define TURNED(T) \
  static void turned_##T(const struct fnn_turned_gradient *j, size_t k, size_t c) { turned_tile(j, T, k, c); }
FNN_TURNED_TILES(TURNED)
#define TURNED_ENTRY(T) [T] = turned_##T,
static const turned_function turned_functions[FNN_TURNED_T + 1] = {FNN_TURNED_TILES(TURNED_ENTRY)};

/* Channels in as few tiles as there must be, of nearly equal size; the first `more` have one more than the others. */
void FNN_VARIANT(fnn_lane_turned_gradient)(const struct fnn_turned_gradient *j) {
  const size_t tiles = (j->channels + FNN_TURNED_T - 1) / FNN_TURNED_T, T = j->channels / tiles,
               more = j->channels % tiles;
  for (size_t k = 0; k < j->vectors; k++)
    for (size_t c = 0, i = 0; i < tiles; i++) {
      turned_functions[T + (i < more)](j, k, c);
      c += T + (i < more);
    }
}

/* ---- turning ---- */

/* Of HALF filters, one after the other, the twos of a pixel become vectors of two numbers of each filter: `matrix` is HALF x TWOS of
 * two numbers each, and is transposed. Taking all that are even before all that are odd brings the last bit of a place to its
 * front. */
FNN_INLINE void transpose_twos(fnn_v *matrix) {
  FNN_UNROLL for (int n = 1; n < TWOS; n *= 2) {
    fnn_v next[TWOS];
    FNN_UNROLL for (int i = 0; i < TWOS / 2; i++) {
      const fnn_vw a = (fnn_vw)matrix[2 * i], b = (fnn_vw)matrix[2 * i + 1];
      next[i] = (fnn_v)fnn_even_twos(a, b);
      next[i + TWOS / 2] = (fnn_v)fnn_odd_twos(a, b);
    }
    FNN_UNROLL for (int i = 0; i < TWOS; i++) matrix[i] = next[i];
  }
}

/* Vector i of such a matrix: the twos of FNN_TOGETHER filters of which there are `left`. */
FNN_INLINE fnn_v twos_of(const float *x, size_t step, size_t left) {
#if defined(FNN_PAIRS)
  const fnn_v none = {0}, first = left > 0 ? fnn_load(x) : none, second = left > 1 ? fnn_load(x + step) : none;
  return fnn_halves(first, second);
#else
  (void)step;
  return left > 0 ? fnn_load(x) : (fnn_v){0};
#endif
}

void FNN_VARIANT(fnn_lane_turn)(size_t filters, size_t n, const float *x, size_t step, float *y) {
  for (size_t i = 0; i < n; i++, x += FNN_WIDTH, y += PIXEL)
    for (size_t half = 0; half < 2; half++) {
      fnn_v matrix[TWOS];
      FNN_UNROLL for (size_t m = 0; m < TWOS; m++) {
        const size_t k = half * HALF + m * FNN_TOGETHER;
        matrix[m] = twos_of(x + k * step, step, filters > k ? filters - k : 0);
      }
      transpose_twos(matrix);
      FNN_UNROLL for (size_t m = 0; m < TWOS; m++) fnn_store(y + (2 * m + half) * FNN_WIDTH, matrix[m]);
    }
}

#if defined(FNN_PAIRS)
void FNN_VARIANT(fnn_lane_turn_halves)(size_t filters, size_t n, const float *x, size_t step, float *y) {
  for (size_t i = 0; i < n; i++, x += FNN_WIDTH / 2, y += PIXEL)
    for (size_t half = 0; half < 2; half++) {
      fnn_v matrix[TWOS];
      FNN_UNROLL for (size_t m = 0; m < TWOS; m++) {
        const size_t k = half * HALF + m * FNN_TOGETHER;
        matrix[m] = fnn_load_halves(k < filters ? x + k * step : NULL, k + 1 < filters ? x + (k + 1) * step : NULL);
      }
      transpose_twos(matrix);
      FNN_UNROLL for (size_t m = 0; m < TWOS; m++) fnn_store(y + (2 * m + half) * FNN_WIDTH, matrix[m]);
    }
}
#endif
