/* Convolution of images in lanes. A tile of sums stays in registers while the kernel's taps go by: in a correlation some
 * filters times some pixels, in a weight gradient some filters times some taps. Each lane is another image, so no number
 * of channels or pixels leaves a part of a vector unused.
 *
 * With FNN_PAIRS, once more for mixed precision: the floats of the input and the weights are pairs of bfloat16. */
#include "simd.h"
#include "variant.h"

/* `count` things in as many tiles of at most `most` as are needed, of nearly equal size: the first `larger` of them have
 * one more than `size`. */
struct tiling {
  size_t size, larger;
};

static struct tiling tiling_of(size_t count, size_t most) {
  const size_t tiles = (count + most - 1) / most;
  if (tiles == 1) return (struct tiling){count, 0};
  return tiles ? (struct tiling){count / tiles, count % tiles} : (struct tiling){0};
}

static size_t tile_size(struct tiling tiling, size_t i) { return tiling.size + (i < tiling.larger); }

/* ---- correlation ---- */

/* The weight of channel c, or the pair of those of channels 2c and 2c + 1. */
static float weight_of(const struct fnn_lane_weights *w, const float *from, size_t c) {
#if defined(FNN_PAIRS)
  union {
    __m128bh pair;
    float packed;
  } both;
  const float *a = from + (ptrdiff_t)(2 * c) * w->channel;
  both.pair = _mm_cvtneps_pbh(_mm_setr_ps(a[0], 2 * c + 1 < w->channels ? a[w->channel] : 0.0f, 0.0f, 0.0f));
  return both.packed;
#else
  return from[(ptrdiff_t)c * w->channel];
#endif
}

#if defined(FNN_PAIRS)
enum { TOGETHER = 2 };
#else
enum { TOGETHER = 1 };
#endif

/* A tile of `size` filters from number k on; returns the end of what is packed. */
FNN_INLINE float *pack_tile(const struct fnn_lane_weights *w, size_t k, const size_t size, float *packed) {
  for (size_t c = 0; c < (w->channels + TOGETHER - 1) / TOGETHER; c++)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++) {
        const float *from = w->from + (ptrdiff_t)r * w->row + (ptrdiff_t)s * w->column + (ptrdiff_t)k * w->filter;
        for (size_t m = 0; m < size; m++) *packed++ = weight_of(w, from + (ptrdiff_t)m * w->filter, c);
      }
  return packed;
}

/* packed: for each tile of filters, [channel][row][column][filter of the tile]; the sizes that are frequent are known when this
 * is compiled */
void FNN_VARIANT(fnn_lane_pack_weights)(const struct fnn_lane_weights *w, float *packed) {
  const struct tiling filters = tiling_of(w->filters, FNN_ROW_K);
  for (size_t k = 0, i = 0; k < w->filters; i++) {
    const size_t size = tile_size(filters, i);
    if (size == FNN_ROW_K)
      packed = pack_tile(w, k, FNN_ROW_K, packed);
    else if (size == FNN_ROW_K - 1)
      packed = pack_tile(w, k, FNN_ROW_K - 1, packed);
    else
      packed = pack_tile(w, k, size, packed);
    k += size;
  }
}

/* The sums for filters from k on begin with their biases. */
FNN_INLINE void begin_sums(const struct fnn_lane_row *j, const int K, const int Q, size_t k,
                           fnn_v sum[][FNN_SINGLE_Q]) {
  FNN_UNROLL for (int m = 0; m < K; m++) {
    const fnn_v start = fnn_splat(j->bias ? j->bias[k + (size_t)m] : 0.0f);
    FNN_UNROLL for (int q = 0; q < Q; q++) sum[m][q] = start;
  }
}

/* The lines that a filter's results will be written to. */
FNN_INLINE void fetch_results(const struct fnn_lane_row *j, const int Q, const float *y) {
  const size_t y_pixel = j->y_pixel;
  FNN_UNROLL for (int q = 0; q < Q; q++) __builtin_prefetch(y + (size_t)q * y_pixel, 1);
}

/* What can be looked at once is: this takes as long as the products of several channels. */
FNN_INLINE void end_sums(const struct fnn_lane_row *j, const int K, const int Q, fnn_v sum[][FNN_SINGLE_Q], float *y) {
  const size_t y_filter = j->y_filter, y_pixel = j->y_pixel;
  if (j->relu) {
    FNN_UNROLL for (int k = 0; k < K; k++) FNN_UNROLL for (int q = 0; q < Q; q++) {
      sum[k][q] = fnn_pick(sum[k][q] < 0.0f, (fnn_v){0}, sum[k][q]); /* NaN stays */
    }
  }
  FNN_UNROLL for (int k = 0; k < K; k++) FNN_UNROLL for (int q = 0; q < Q; q++) {
    fnn_store(y + (size_t)k * y_filter + (size_t)q * y_pixel, sum[k][q]);
  }
}

/* What Q pixels give with one tap to `tiles` tiles of K filters. */
FNN_INLINE void add_tap(const int tiles, const int K, const int Q, const float *x, size_t x_pixel, const float *w,
                        size_t next_tile, fnn_v sum[][FNN_SINGLE_Q]) {
  fnn_v v[FNN_SINGLE_Q];
  FNN_UNROLL for (int q = 0; q < Q; q++) v[q] = fnn_load(x + (size_t)q * x_pixel);
  FNN_UNROLL for (int k = 0; k < tiles * K; k++) {
    const fnn_v one = fnn_splat(w[(size_t)(k / K) * next_tile + (size_t)(k % K)]);
    FNN_UNROLL for (int q = 0; q < Q; q++) sum[k][q] = fnn_multiply_add(sum[k][q], one, v[q]);
  }
}

/* Q pixels of `tiles` tiles of K filters. */
FNN_INLINE void row_tile(const struct fnn_lane_row *j, const int tiles, const int K, const int Q, const float *weight,
                         size_t k0, size_t q0) {
  fnn_v sum[2 * FNN_ROW_K][FNN_SINGLE_Q];
  float *y = j->y + k0 * j->y_filter + q0 * j->y_pixel;
  begin_sums(j, tiles * K, Q, k0, sum);
  if (j->fetch_results) {
    const float *at = y;
    _Pragma("GCC unroll 1") for (int m = 0; m < tiles * K; m++, at += j->y_filter) fetch_results(j, Q, at);
  }
  const size_t x_pixel = j->x_pixel, x_tap = j->x_tap, rows = j->r, taps = j->s;
  const size_t next_tile = j->channels * j->w_rows * j->w_columns * (size_t)K;
  const size_t left_columns = (j->w_columns - taps) * (size_t)K,
               left_rows = (j->w_rows - rows) * j->w_columns * (size_t)K;
  const float *w = weight + (j->w_row * j->w_columns + j->w_column) * (size_t)K;
  size_t from = q0 * x_pixel;
  for (size_t c = 0; c < j->channels; c++, from += j->x_channel, w += left_rows)
    for (size_t r = 0; r < rows; r++, w += left_columns) {
      const float *x = j->x[r] + from;
      for (size_t s = 0; s < taps; s++, x += x_tap, w += K) {
        add_tap(tiles, K, Q, x, x_pixel, w, next_tile, sum);
      }
    }
  end_sums(j, tiles * K, Q, sum, y);
}

/* Filter k's share of the channels, whose next pixels are fetched while it is at these, begins here. */
FNN_INLINE size_t share_of(const struct fnn_lane_row *j, size_t k) { return k * j->channels / j->filters; }

/* The same where each channel has one tap, and what is read and written is in no near cache: lines for results, and what the pixels
 * want next time of the filters' share of the channels, are fetched while the sums go on. All at once they would keep the loads of
 * these waiting. */
FNN_INLINE void fetching_tile(const struct fnn_lane_row *j, const int K, const int Q, const float *weight, size_t k0,
                              size_t q0) {
  fnn_v sum[FNN_ROW_K][FNN_SINGLE_Q];
  float *y = j->y + k0 * j->y_filter + q0 * j->y_pixel;
  begin_sums(j, K, Q, k0, sum);
  const size_t x_channel = j->x_channel, channels = j->channels, first = share_of(j, k0);
  const size_t share = share_of(j, k0 + (size_t)K) - first, steps = share > (size_t)K ? share : (size_t)K;
  const float *x = j->x[0] + q0 * FNN_WIDTH, *next_x = x + first * x_channel + j->fetch_ahead;
  const float *next_y = y, *y_end = y + (size_t)K * j->y_filter, *x_end = next_x + share * x_channel;
  for (size_t c = 0, pause = channels / steps, wait = 0; c < channels; c++, x += x_channel, weight += K) {
    if (wait-- == 0) {
      wait = pause - 1;
      if (next_y != y_end) {
        fetch_results(j, Q, next_y);
        next_y += j->y_filter;
      }
      if (next_x != x_end) {
        FNN_UNROLL for (int q = 0; q < Q; q++) __builtin_prefetch(next_x + (size_t)q * FNN_WIDTH, 0, 2);
        next_x += x_channel;
      }
    }
    add_tap(1, K, Q, x, FNN_WIDTH, weight, 0, sum);
  }
  end_sums(j, K, Q, sum, y);
}

/* One filter whose taps in a row are neighbouring pixels: each is read once for all of them. */
static void sliding_tile(const struct fnn_lane_row *j, size_t q0) {
  enum { Q = FNN_SLIDING_PIXELS, LAST = Q + FNN_SLIDING_TAPS - 2 };
  static const float none[FNN_WIDTH];
  _Static_assert((int)Q <= (int)FNN_SINGLE_Q, "the sums stay in registers");
  fnn_v sum[1][FNN_SINGLE_Q];
  float *y = j->y + q0 * j->y_pixel;
  begin_sums(j, 1, Q, 0, sum);
  if (j->fetch_results) fetch_results(j, Q, y);
  const size_t x_pixel = j->x_pixel, left_rows = (j->w_rows - j->r) * j->w_columns;
  const int no_first = q0 == 0 && j->zeros[0], no_last = q0 + Q == j->q && j->zeros[1];
  const float *w = j->weight + j->w_row * j->w_columns + j->w_column;
  size_t from = (q0 - (size_t)j->zeros[0]) * x_pixel;
  for (size_t c = 0; c < j->channels; c++, from += j->x_channel, w += left_rows)
    for (size_t r = 0; r < j->r; r++, w += j->w_columns) {
      const fnn_v tap[FNN_SLIDING_TAPS] = {fnn_splat(w[0]), fnn_splat(w[1]), fnn_splat(w[2])};
      FNN_UNROLL for (int i = 0; i <= LAST; i++) {
        const int outside = (i == 0 && no_first) || (i == LAST && no_last);
        const fnn_v v = fnn_load(outside ? none : j->x[r] + (from + (size_t)i * x_pixel));
        FNN_UNROLL for (int s = 0; s < FNN_SLIDING_TAPS; s++) {
          if (i >= s && i - s < Q) sum[0][i - s] = fnn_multiply_add(sum[0][i - s], tap[s], v);
        }
      }
    }
  end_sums(j, 1, Q, sum, y);
}

/* Every size of tile is a function of its own, so that its sums have registers. */
typedef void (*row_function)(const struct fnn_lane_row *j, const float *weight, size_t k, size_t q);

#define ROW(K, Q)                                                                                    \
  static void row_##K##x##Q(const struct fnn_lane_row *j, const float *weight, size_t k, size_t q) { \
    row_tile(j, 1, K, Q, weight, k, q);                                                              \
  }
FNN_ROW_TILES(ROW)
#define ROW_ENTRY(K, Q) [K][Q] = row_##K##x##Q,
static const row_function row_functions[FNN_ROW_K + 1][FNN_SINGLE_Q + 1] = {FNN_ROW_TILES(ROW_ENTRY)};

#define FETCHING(K, Q)                                                                                    \
  static void fetching_##K##x##Q(const struct fnn_lane_row *j, const float *weight, size_t k, size_t q) { \
    fetching_tile(j, K, Q, weight, k, q);                                                                 \
  }
FNN_FETCHING_TILES(FETCHING)
#define FETCHING_ENTRY(K, Q) [K][Q] = fetching_##K##x##Q,
static const row_function fetching_functions[FNN_ROW_K + 1][FNN_SINGLE_Q + 1] = {[0][0] = NULL,
                                                                                 FNN_FETCHING_TILES(FETCHING_ENTRY)};

/* Whether tiles of a row whose channels have one tap each are those that fetch meanwhile, where there are any of their size. */
static int fetches_meanwhile(const struct fnn_lane_row *j) {
  return j->fetch_results && j->fetch_rows == 1 && j->x_pixel == FNN_WIDTH && j->channels >= FNN_ROW_K;
}

/* A single pixel, as at the edges of an image, has too few sums in one tile of filters to keep the multipliers busy: two do. */
static void single_pixel(const struct fnn_lane_row *j, const float *weight, size_t k, size_t q) {
  row_tile(j, 2, FNN_ROW_K, 1, weight, k, q);
}

/* Has what pixels q .. q + Q - 1 want next time fetched into the second cache, while filters k .. k + K - 1 are at them: of their
 * share of the channels. */
FNN_INLINE void fetch_next(const struct fnn_lane_row *j, size_t k, size_t K, size_t q, size_t Q) {
  const size_t last = share_of(j, k + K);
  for (size_t c = share_of(j, k); c < last; c++)
    for (size_t r = j->r - j->fetch_rows; r < j->r; r++) {
      const float *x = j->x[r] + c * j->x_channel + j->fetch_ahead;
      for (size_t i = q * j->x_pixel; i < (q + Q) * j->x_pixel; i += FNN_LINE) __builtin_prefetch(x + i, 0, 2);
    }
}

/* The last tile overlaps the one before where pixels are not a multiple. */
static void slide(const struct fnn_lane_row *j) {
  for (size_t q = 0; q < j->q; q += FNN_SLIDING_PIXELS) {
    const size_t first = q + FNN_SLIDING_PIXELS <= j->q ? q : j->q - FNN_SLIDING_PIXELS;
    if (j->fetch_rows) fetch_next(j, 0, 1, first, FNN_SLIDING_PIXELS);
    sliding_tile(j, first);
  }
}

/* All filters go over some pixels before the next: their weights are fewer than the pixels of all channels. The task is j, or where
 * each channel has one tap, the same with channels for taps. */
static void correlate_with(const struct fnn_lane_row *j, const struct fnn_lane_row *task) {
  const size_t taps = j->channels * j->w_rows * j->w_columns;
  const int meanwhile = task != j && fetches_meanwhile(j);
  const struct tiling filters = tiling_of(j->filters, FNN_ROW_K);
  const struct tiling pixels = tiling_of(j->q, j->filters == 1 ? FNN_SINGLE_Q : FNN_ROW_Q);
  for (size_t q = 0, m = 0; q < j->q; m++) {
    const size_t Q = tile_size(pixels, m);
    for (size_t k = 0, i = 0; k < j->filters;) {
      const size_t K = tile_size(filters, i), next = tile_size(filters, i + 1);
      const size_t tiles = Q == 1 && K == FNN_ROW_K && next == K && k + K < j->filters ? 2 : 1;
      const row_function fetching = meanwhile ? fetching_functions[K][Q] : NULL;
      if (j->fetch_rows && !fetching) fetch_next(j, k, tiles * K, q, Q);
      if (fetching)
        fetching(j, j->weight + k * taps, k, q);
      else /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): each size that tilings have is there */
        (tiles == 2 ? single_pixel : row_functions[K][Q])(task, j->weight + k * taps, k, q);
      k += tiles * K, i += tiles;
    }
    q += Q;
  }
}

/* Where each channel has one tap, channels become taps: a loop of one turn would cost as much as a small tile. */
void FNN_VARIANT(fnn_lane_correlate)(const struct fnn_lane_row *j) {
  struct fnn_lane_row flat;
  const int single = j->r * j->s * j->w_rows * j->w_columns == 1;
  if (single) {
    flat = *j;
    flat.s = flat.w_columns = j->channels;
    flat.x_tap = j->x_channel;
    flat.channels = 1;
  }
  if (j->filters == 1 && j->s == FNN_SLIDING_TAPS && j->x_tap == j->x_pixel && j->q >= FNN_SLIDING_PIXELS)
    slide(j);
  else
    correlate_with(j, single ? &flat : j);
}

#if !defined(FNN_PAIRS)

/* ---- weight gradient ---- */

#if defined(__AVX512F__)
#define HALVES(a, b, i)                                                                                             \
  __builtin_shufflevector(a, b, i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6, i + 7, i + 16, i + 17, i + 18, i + 19, \
                          i + 20, i + 21, i + 22, i + 23)
#define QUARTERS(a, b, i)                                                                                             \
  __builtin_shufflevector(a, b, i, i + 1, i + 2, i + 3, i + 8, i + 9, i + 10, i + 11, i + 16, i + 17, i + 18, i + 19, \
                          i + 24, i + 25, i + 26, i + 27)

/* The sum of each vector's lanes. */
FNN_INLINE fnn_v4 totals(const fnn_v *v) {
  const fnn_v ab = HALVES(v[0], v[1], 0) + HALVES(v[0], v[1], 8), cd = HALVES(v[2], v[3], 0) + HALVES(v[2], v[3], 8);
  fnn_v sum = QUARTERS(ab, cd, 0) + QUARTERS(ab, cd, 4);
  sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  sum += __builtin_shufflevector(sum, sum, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return __builtin_shufflevector(sum, sum, 0, 4, 8, 12);
}
#else
/* The sums of four lanes each. */
FNN_INLINE fnn_v4 quarters(fnn_v v) {
  union {
    fnn_v whole;
    fnn_v4 quarter[FNN_WIDTH / 4];
  } parts = {v};
  fnn_v4 sum = parts.quarter[0];
  for (int i = 1; i < FNN_WIDTH / 4; i++) sum += parts.quarter[i];
  return sum;
}

/* The sum of each vector's lanes. */
FNN_INLINE fnn_v4 totals(const fnn_v *v) {
  const fnn_v4 a = quarters(v[0]), b = quarters(v[1]), c = quarters(v[2]), d = quarters(v[3]);
  const fnn_v4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const fnn_v4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}
#endif

/* dw[k * step + t] += the sum of sum[k][t]'s lanes: four neighbours at a time, and then four of those that are left */
FNN_INLINE void add_totals(const int K, const int T, fnn_v (*sum)[FNN_GRADIENT_T], float *dw, size_t step) {
  const int left = T % 4, lefts = K * left;
  FNN_UNROLL for (int k = 0; k < K; k++) FNN_UNROLL for (int t = 0; t + 4 <= T; t += 4) {
    *(fnn_v4 *)(dw + (size_t)k * step + t) += totals(sum[k] + t);
  }
  FNN_UNROLL for (int i = 0; i < lefts; i += 4) {
    fnn_v four[4] = {0};
    FNN_UNROLL for (int n = 0; n < 4; n++) {
      if (i + n < lefts) four[n] = sum[(i + n) / left][T - left + (i + n) % left];
    }
    const fnn_v4 total = totals(four);
    FNN_UNROLL for (int n = 0; n < 4; n++) {
      if (i + n < lefts) dw[(size_t)((i + n) / left) * step + (size_t)(T - left + (i + n) % left)] += total[n];
    }
  }
}

FNN_INLINE void gradient_tile(const struct fnn_lane_gradient *j, const int K, const int T, size_t k0, size_t t0) {
  fnn_v sum[FNN_GRADIENT_K][FNN_GRADIENT_T];
  FNN_UNROLL for (int k = 0; k < K; k++) FNN_UNROLL for (int t = 0; t < T; t++) sum[k][t] = (fnn_v){0};
  const size_t *tap = j->tap + t0;
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *g = j->g + b * j->g_block + k0 * j->g_filter + p * j->g_row;
      const float *x = j->x + b * j->x_block + p * j->x_row, *at[FNN_GRADIENT_T];
      FNN_UNROLL for (int t = 0; t < T; t++) at[t] = x + tap[t];
      for (size_t q = 0, i = 0; q < j->q; q++, g += FNN_WIDTH, i += j->x_pixel) {
        fnn_v v[FNN_GRADIENT_K];
        FNN_UNROLL for (int k = 0; k < K; k++) v[k] = fnn_load(g + (size_t)k * j->g_filter);
        FNN_UNROLL for (int t = 0; t < T; t++) {
          const fnn_v one = fnn_load(at[t] + i);
          FNN_UNROLL for (int k = 0; k < K; k++) sum[k][t] = fnn_multiply_add(sum[k][t], v[k], one);
        }
      }
    }
  add_totals(K, T, sum, j->dw + k0 * j->dw_filter + t0, j->dw_filter);
}

typedef void (*gradient_function)(const struct fnn_lane_gradient *j, size_t k, size_t t);

#define GRADIENT(K, T)                                                                    \
  static void gradient_##K##x##T(const struct fnn_lane_gradient *j, size_t k, size_t t) { \
    gradient_tile(j, K, T, k, t);                                                         \
  }
FNN_GRADIENT_TILES(GRADIENT)
#define GRADIENT_ENTRY(K, T) [K][T] = gradient_##K##x##T,
static const gradient_function gradient_functions[FNN_GRADIENT_K + 1][FNN_GRADIENT_T + 1] = {
    FNN_GRADIENT_TILES(GRADIENT_ENTRY)};

void FNN_VARIANT(fnn_lane_weight_gradient)(const struct fnn_lane_gradient *j) {
  const struct tiling filters = tiling_of(j->filters, FNN_GRADIENT_K), taps = tiling_of(j->taps, FNN_GRADIENT_T);
  for (size_t k = 0, i = 0; k < j->filters; i++) {
    const size_t K = tile_size(filters, i);
    for (size_t t = 0, m = 0; t < j->taps; m++) {
      const size_t T = tile_size(taps, m);
      gradient_functions[K][T](j, k, t);
      t += T;
    }
    k += K;
  }
}

enum { SLIDING_Q = 4 }; /* pixels at a time: with them and the sums for nine taps there are registers left */

/* Pixels of one row of g, from q0 on, and the rows of x that meet them, NULL where there is none. At an edge, what is beside them is
 * left out. */
FNN_INLINE void slide_gradient(const struct fnn_sliding_gradient *j, const int edge, const float *const *rows,
                               const float *g, size_t q0, fnn_v (*sum)[FNN_SLIDING_TAPS]) {
  static const float none[FNN_WIDTH];
  fnn_v v[SLIDING_Q];
  FNN_UNROLL for (int q = 0; q < SLIDING_Q; q++) {
    const size_t at = q0 + (size_t)q;
    v[q] = fnn_load(edge && at >= j->q ? none : g + at * FNN_WIDTH);
  }
  FNN_UNROLL for (int r = 0; r < FNN_SLIDING_TAPS; r++) {
    if (!rows[r]) continue;
    FNN_UNROLL for (int i = 0; i < SLIDING_Q + FNN_SLIDING_TAPS - 1; i++) {
      const size_t column = q0 + (size_t)i - j->left; /* before the first: a large number */
      const fnn_v one = fnn_load(edge && column >= j->w ? none : rows[r] + column * FNN_WIDTH);
      FNN_UNROLL for (int s = 0; s < FNN_SLIDING_TAPS; s++) {
        if (i >= s && i - s < SLIDING_Q) sum[r][s] = fnn_multiply_add(sum[r][s], v[i - s], one);
      }
    }
  }
}

void FNN_VARIANT(fnn_lane_sliding_gradient)(const struct fnn_sliding_gradient *j) {
  fnn_v sum[FNN_SLIDING_TAPS + 1][FNN_SLIDING_TAPS] = {0};
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *rows[FNN_SLIDING_TAPS], *g = j->g + b * j->g_block + p * j->q * FNN_WIDTH;
      FNN_UNROLL for (int r = 0; r < FNN_SLIDING_TAPS; r++) {
        const size_t row = p + (size_t)r - j->top;
        rows[r] = row < j->h ? j->x + b * j->x_block + row * j->w * FNN_WIDTH : NULL;
      }
      for (size_t q = 0; q < j->q; q += SLIDING_Q) {
        const int inside =
            q >= j->left && q + SLIDING_Q <= j->q && q + SLIDING_Q + FNN_SLIDING_TAPS - 2 < j->w + j->left;
        inside ? slide_gradient(j, 0, rows, g, q, sum) : slide_gradient(j, 1, rows, g, q, sum);
      }
    }
  for (int i = 0; i < FNN_SLIDING_TAPS * FNN_SLIDING_TAPS; i += 4) {
    const fnn_v4 total = totals(sum[0] + i);
    for (int n = 0; n < 4 && i + n < FNN_SLIDING_TAPS * FNN_SLIDING_TAPS; n++) j->dw[i + n] += total[n];
  }
}

#else

/* ---- what is only made of pairs ---- */

static void pack_halves(size_t n, const float *x, float *y) {
  for (size_t i = 0; i < n * FNN_WIDTH; i += FNN_WIDTH) fnn_store_halves(y + i / 2, fnn_load(x + i));
}

extern const struct fnn_lane_kernels FNN_VARIANT(fnn_pairs);
const struct fnn_lane_kernels FNN_VARIANT(fnn_pairs) = {
    .width = FNN_WIDTH,
    .row_pixels = FNN_ROW_Q,
    .pack_pairs = fnn_pack_pairs,
    .pack_halves = pack_halves,
    .pack_weights = FNN_VARIANT(fnn_lane_pack_weights),
    .correlate = FNN_VARIANT(fnn_lane_correlate),
    .turn = FNN_VARIANT(fnn_lane_turn),
    .turn_halves = FNN_VARIANT(fnn_lane_turn_halves),
    .turned_gradient = FNN_VARIANT(fnn_lane_turned_gradient),
    .winograd_input = FNN_VARIANT(fnn_winograd_input),
    .winograd_rows = FNN_VARIANT(fnn_winograd_rows),
};

#endif
