/* The gradient of a convolution's weight over images in lanes, where in that of the output images were exchanged for filters: a number
 * of the input meets vectors of filters. Vectors of sixteen have half as many filters, of two neighbouring images each, which two
 * neighbouring numbers meet; with these, two vectors are sixteen filters already, and no number is loaded for one vector alone. A tile
 * of channels and two vectors stays in registers while the images go by, and no lanes, or two of them, are added up at its end.
 *
 * With FNN_PAIRS, once more for mixed precision: a number is a pair of two neighbouring images there. */
#include "simd.h"
#include "variant.h"

enum {
  IMAGES = FNN_TURNED_IMAGES,                /* numbers of the input that a vector meets */
  FILTERS = FNN_WIDTH / IMAGES,              /* of a vector */
  STEPS = FNN_WIDTH / FNN_TOGETHER / IMAGES, /* through the numbers of a pixel */
  VECTOR = IMAGES * FNN_WIDTH,               /* floats of FNN_WIDTH filters at a step */
  PIXEL = STEPS * VECTOR,
  TOGETHER = 3, /* channels that are found from one address */
  BASES = (FNN_TURNED_T + TOGETHER - 1) / TOGETHER
};

/* As many neighbours, again and again. */
FNN_INLINE fnn_v splat_numbers(const float *x) {
#if FNN_TURNED_IMAGES == 2
  typedef uint64_t two_anywhere __attribute__((aligned(4), may_alias));
  return (fnn_v)(*(const two_anywhere *)x + (fnn_vw){0});
#else
  return fnn_splat(*x);
#endif
}

/* What V vectors, so many floats apart, and a step's numbers of T channels give. */
FNN_INLINE void add_step(const int V, const int T, const float *g, size_t apart, const float *const *x,
                         size_t x_channel, fnn_v (*sum)[FNN_TURNED_T]) {
  fnn_v filters[2];
  FNN_UNROLL for (int n = 0; n < V; n++) filters[n] = fnn_load(g + (size_t)n * apart);
  FNN_UNROLL for (int t = 0; t < T; t++) {
    const fnn_v numbers = splat_numbers(x[t / TOGETHER] + (size_t)(t % TOGETHER) * x_channel);
    FNN_UNROLL for (int n = 0; n < V; n++) sum[n][t] = fnn_multiply_add(sum[n][t], numbers, filters[n]);
  }
}

/* dw += the sums; of two images, those of both. */
FNN_INLINE void end_tile(const struct fnn_turned_gradient *j, const int V, const int T, fnn_v (*sum)[FNN_TURNED_T],
                         float *dw) {
  FNN_UNROLL for (int t = 0; t < T; t++, dw += j->dw_channel) {
#if FNN_TURNED_IMAGES == 2
    sum[0][t] = fnn_evens(sum[0][t], sum[1][t]) + fnn_odds(sum[0][t], sum[1][t]);
#endif
    FNN_UNROLL for (size_t n = 0; n < (size_t)V / IMAGES; n++) {
      fnn_store(dw + n * FNN_WIDTH, fnn_load(dw + n * FNN_WIDTH) + sum[n][t]);
    }
  }
}

/* V vectors from filter k * FNN_WIDTH on, T channels from number c on. */
FNN_INLINE void turned_tile(const struct fnn_turned_gradient *j, const int V, const int T, size_t k, size_t c) {
  enum { AT_ONCE = 2 }; /* steps */
  const size_t x_channel = j->x_channel, apart = IMAGES == 1 ? j->g_vector : FNN_WIDTH;
  fnn_v sum[2][FNN_TURNED_T];
  FNN_UNROLL for (int n = 0; n < V; n++) FNN_UNROLL for (int t = 0; t < T; t++) sum[n][t] = (fnn_v){0};
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *g = j->g + k * j->g_vector + b * j->g_block + p * j->g_row, *x[BASES];
      FNN_UNROLL for (int m = 0; m < BASES; m++) {
        x[m] = j->x + b * j->x_block + p * j->x_row + (c + (size_t)(m * TOGETHER)) * x_channel;
      }
      for (size_t q = 0; q < j->q; q++) {
        for (size_t i = 0; i < STEPS; i += AT_ONCE) {
          FNN_UNROLL for (int n = 0; n < AT_ONCE; n++, g += VECTOR) {
            add_step(V, T, g, apart, x, x_channel, sum);
            FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += IMAGES;
          }
        }
        FNN_UNROLL for (int m = 0; m < BASES; m++) x[m] += j->x_pixel - (size_t)(STEPS * IMAGES);
      }
    }
  end_tile(j, V, T, sum, j->dw + c * j->dw_channel + k * FNN_WIDTH);
}

typedef void (*turned_function)(const struct fnn_turned_gradient *j, size_t k, size_t c);

#define TURNED(V, T) \
  static void turned_##V##x##T(const struct fnn_turned_gradient *j, size_t k, size_t c) { turned_tile(j, V, T, k, c); }
FNN_TURNED_TILES(TURNED)
#define TURNED_ENTRY(V, T) [V][T] = turned_##V##x##T,
static const turned_function turned_functions[3][FNN_TURNED_T + 1] = {FNN_TURNED_TILES(TURNED_ENTRY)};

/* Channels in as few tiles as there must be, of nearly equal size; the first `more` have one more than the others. */
void FNN_VARIANT(fnn_lane_turned_gradient)(const struct fnn_turned_gradient *j) {
  const size_t tiles = (j->channels + FNN_TURNED_T - 1) / FNN_TURNED_T, T = j->channels / tiles,
               more = j->channels % tiles;
  for (size_t k = 0; k < j->vectors; k += 2 / IMAGES) {
    const size_t V = IMAGES == 2 || k + 1 < j->vectors ? 2 : 1;
    for (size_t c = 0, i = 0; i < tiles; i++) {
      turned_functions[V][T + (i < more)](j, k, c);
      c += T + (i < more);
    }
  }
}

#if FNN_TURNED_IMAGES == 2

/* ---- turning; with one image, lanes.c's pack does it ---- */

/* FILTERS x STEPS of two numbers each are transposed. Taking all that are even before all that are odd brings the last bit of a place
 * to its front. */
FNN_INLINE void transpose_twos(fnn_v *matrix) {
  FNN_UNROLL for (int n = 1; n < STEPS; n *= 2) {
    fnn_v next[STEPS];
    FNN_UNROLL for (size_t i = 0; i < STEPS / 2; i++) {
      next[i] = fnn_even_twos(matrix[2 * i], matrix[2 * i + 1]);
      next[i + STEPS / 2] = fnn_odd_twos(matrix[2 * i], matrix[2 * i + 1]);
    }
    FNN_UNROLL for (int i = 0; i < STEPS; i++) matrix[i] = next[i];
  }
}

/* A vector of that matrix: a pixel of FNN_TOGETHER filters, of which there are `left`. Paired, it is of bfloat16 already. */
FNN_INLINE fnn_v twos_of(const int paired, const float *x, size_t step, size_t left) {
#if defined(FNN_PAIRS)
  const fnn_v none = {0};
  if (paired) return fnn_load_halves(left > 0 ? x : NULL, left > 1 ? x + step : NULL);
  return fnn_halves(left > 0 ? fnn_load(x) : none, left > 1 ? fnn_load(x + step) : none);
#else
  (void)paired, (void)step;
  return left > 0 ? fnn_load(x) : (fnn_v){0};
#endif
}

FNN_INLINE void turn(const int paired, size_t filters, size_t n, const float *x, size_t step, float *y) {
  for (size_t i = 0; i < n; i += FNN_WIDTH, x += paired ? FNN_WIDTH / 2 : FNN_WIDTH, y += PIXEL)
    for (size_t half = 0; half < 2; half++) {
      fnn_v matrix[STEPS];
      FNN_UNROLL for (size_t m = 0; m < STEPS; m++) {
        const size_t k = half * FILTERS + m * FNN_TOGETHER;
        matrix[m] = twos_of(paired, x + k * step, step, filters > k ? filters - k : 0);
      }
      transpose_twos(matrix);
      FNN_UNROLL for (size_t m = 0; m < STEPS; m++) fnn_store(y + (2 * m + half) * FNN_WIDTH, matrix[m]);
    }
}

void FNN_VARIANT(fnn_lane_turn)(size_t filters, size_t n, const float *x, size_t step, float *y) {
  turn(0, filters, n, x, step, y);
}

#if defined(FNN_PAIRS)
void FNN_VARIANT(fnn_lane_turn_halves)(size_t filters, size_t n, const float *x, size_t step, float *y) {
  turn(1, filters, n, x, step, y);
}
#endif

#endif
