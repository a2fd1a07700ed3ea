/* Convolution of images in lanes for mixed precision by AMX: 16 filters meet 16 images, or for a weight gradient 16 channels
 * 16 filters. */
#include "amx.h"
#include "variant.h"

/* How many of those that are left have their sums next: as many as there may be, or fewer where that makes them more equal. */
static size_t next_count(size_t left) {
  const size_t times = (left + MOST_SUMS - 1) / MOST_SUMS;
  return (left + times - 1) / times;
}

/* ---- correlation ---- */

/* Where weights of a matrix's lines are, from those of a filter on; lines that are in no mask are zeros. */
struct places {
  int64_t at[SIDE];
  unsigned mask;
};

static void add_place(struct places *places, size_t line, ptrdiff_t at) {
  places->at[line] = at;
  places->mask |= 1u << line;
}

/* Those of matrix number `matrix` of the run that begins with column s, of the channels that are first in their pairs (0) or
 * second (1). */
static struct places places_of(const struct fnn_lane_weights *w, size_t r, size_t s, size_t matrix, size_t second) {
  struct places places = {0};
  for (size_t line = 0; line < w->run.lines; line++) {
    const size_t at = matrix * w->run.lines + line, tap = s + at / w->run.pairs, c = at % w->run.pairs * 2 + second;
    if (c < w->channels)
      add_place(&places, line, (ptrdiff_t)c * w->channel + (ptrdiff_t)r * w->row + (ptrdiff_t)tap * w->column);
  }
  return places;
}

static fnn_v gather(const float *from, const struct places *places) {
  const __m256 zeros = _mm256_setzero_ps();
  const __m512i low = _mm512_loadu_si512(places->at), high = _mm512_loadu_si512(places->at + SIDE / 2);
  return (fnn_v)_mm512_insertf32x8(
      _mm512_castps256_ps512(_mm512_mask_i64gather_ps(zeros, (__mmask8)places->mask, low, from, 4)),
      _mm512_mask_i64gather_ps(zeros, (__mmask8)(places->mask >> 8), high, from, 4), 1);
}

/* packed: [matrix of filters][row][run][matrix of the run][filter][line] */
static void pack_weights(const struct fnn_lane_weights *w, float *packed) {
  const size_t rows = fnn_amx_size(w->filters), matrices = fnn_amx_matrices(w->run);
  for (size_t k = 0; k < w->filters; k += rows)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s += w->run.taps)
        for (size_t i = 0; i < matrices; i++, packed += MATRIX) {
          const struct places first = places_of(w, r, s, i, 0), second = places_of(w, r, s, i, 1);
          for (size_t n = 0; n < rows; n++) {
            const float *from = w->from + (ptrdiff_t)(k + n) * w->filter;
            fnn_store(packed + n * SIDE,
                      k + n < w->filters ? fnn_pair(gather(from, &first), gather(from, &second)) : (fnn_v){0});
          }
        }
}

/* A matrix of weights meets one of each of Q pixels. */
FNN_INLINE void multiply_matrix(const int Q, const float *w, const float *x, size_t x_pixel, size_t step) {
  _tile_loadd(4, w, ROW);
  _tile_loadd(6, x, step);
  _tile_dpbf16ps(0, 4, 6);
  if (Q > 1) {
    _tile_loadd(7, x + x_pixel, step);
    _tile_dpbf16ps(1, 4, 7);
  }
  if (Q > 2) {
    _tile_loadd(6, x + 2 * x_pixel, step);
    _tile_dpbf16ps(2, 4, 6);
  }
  if (Q > 3) {
    _tile_loadd(7, x + 3 * x_pixel, step);
    _tile_dpbf16ps(3, 4, 7);
  }
}

/* Lines for Q results of filters first .. last-1, from those of the filter at y on. */
FNN_INLINE void fetch_results(const struct fnn_lane_row *j, const int Q, const float *y, size_t first, size_t last) {
  for (size_t i = first; i < last; i++)
    FNN_UNROLL for (int n = 0; n < Q; n++) __builtin_prefetch(y + i * j->y_filter + (size_t)n * j->y_pixel, 1);
}

/* Sums become results of `filters` filters from number k on. */
FNN_INLINE void write_results(const struct fnn_lane_row *j, const int Q, size_t k, size_t filters, float *y) {
  _Alignas(64) float sums[MOST_SUMS * MATRIX];
  store_sums(Q, sums);
  for (size_t i = 0; i < filters; i++, y += j->y_filter) {
    const fnn_v bias = fnn_splat(j->bias ? j->bias[k + i] : 0.0f);
    FNN_UNROLL for (int n = 0; n < Q; n++) {
      fnn_v v = fnn_load(sums + (size_t)n * MATRIX + i * SIDE) + bias;
      if (j->relu) v = fnn_pick(v < 0.0f, (fnn_v){0}, v); /* NaN stays */
      fnn_store(y + (size_t)n * j->y_pixel, v);
    }
  }
}

/* Q pixels of the filters of one matrix, from number k on. Each turn fetches lines for some filters' results: a core waits for few
 * at a time, and what is multiplied would wait behind all of them. */
FNN_INLINE void correlate_pixels(const struct fnn_lane_row *j, const int Q, const float *weight, size_t k, size_t q) {
  const size_t rows = fnn_amx_size(j->filters), step = 4 * j->x_channel, next = j->run.lines * j->x_channel;
  const size_t matrices = fnn_amx_matrices(j->run), runs = j->s / j->run.taps, w_runs = j->w_columns / j->run.taps;
  const size_t filters = j->filters - k < rows ? j->filters - k : rows, turns = j->r * runs * matrices;
  const size_t each = turns && j->fetch_results ? (filters + turns - 1) / turns : 0;
  float *y = j->y + k * j->y_filter + q * j->y_pixel;
  const float *w = weight + (j->w_row * w_runs + j->w_column / j->run.taps) * matrices * MATRIX;
  size_t fetched = 0;
  clear_sums(Q);
  for (size_t r = 0; r < j->r; r++, w += (w_runs - runs) * matrices * MATRIX) {
    const float *run = j->x[r] + q * j->x_pixel;
    for (size_t s = 0; s < runs; s++, run += j->run.taps * j->x_tap) {
      const float *x = run;
      for (size_t i = 0; i < matrices; i++, x += next, w += MATRIX) {
        const size_t last = fetched + each < filters ? fetched + each : filters;
        fetch_results(j, Q, y, fetched, last);
        fetched = last;
        multiply_matrix(Q, w, x, j->x_pixel, step);
      }
    }
  }
  write_results(j, Q, k, filters, y);
}

#define PIXELS(Q)                                                                                 \
  static void pixels_##Q(const struct fnn_lane_row *j, const float *weight, size_t k, size_t q) { \
    correlate_pixels(j, Q, weight, k, q);                                                         \
  }
PIXELS(1)
PIXELS(2)
PIXELS(3)
PIXELS(4)

/* All filters go over some pixels before the next. */
static void correlate(const struct fnn_lane_row *j) {
  static void (*const functions[])(const struct fnn_lane_row *, const float *, size_t, size_t) = {
      NULL, pixels_1, pixels_2, pixels_3, pixels_4};
  const size_t rows = fnn_amx_size(j->filters);
  const size_t matrix = j->w_rows * (j->w_columns / j->run.taps) * fnn_amx_matrices(j->run) * MATRIX;
  amx_begin(rows, j->run.lines);
  for (size_t q = 0, count; q < j->q; q += count) {
    const float *weight = j->weight;
    count = next_count(j->q - q);
    for (size_t k = 0; k < j->filters; k += rows, weight += matrix) functions[count](j, weight, k, q);
  }
  amx_end();
}

/* ---- weight gradient ---- */

static void pack_columns(size_t n, size_t filters, const float *a, const float *b, size_t step, float *y) {
  for (size_t i = 0; i < n; i++, y += MATRIX) {
    fnn_v row[SIDE];
    FNN_UNROLL for (size_t k = 0; k < SIDE; k++) {
      const size_t at = k * step + i * SIDE;
      row[k] = k < filters ? fnn_pair(fnn_load(a + at), b ? fnn_load(b + at) : (fnn_v){0}) : (fnn_v){0};
    }
    fnn_transpose(row);
    FNN_UNROLL for (size_t k = 0; k < SIDE; k++) fnn_store(y + k * SIDE, row[k]);
  }
}

/* T taps meet one matrix of filters: sums of as many matrices of channels x filters. */
FNN_INLINE void gradient_matrices(const struct fnn_lane_gradient *j, const int T, size_t k, size_t t) {
  float *dw = j->dw + k * j->dw_filter + t * MATRIX;
  const size_t *tap = j->tap + t, x_channel = 4 * j->x_channel;
  load_sums(T, dw);
  for (size_t b = 0; b < j->blocks; b++)
    for (size_t p = 0; p < j->p; p++) {
      const float *g = j->g + b * j->g_block + k * j->g_filter + p * j->g_row;
      const float *x = j->x + b * j->x_block + p * j->x_row;
      for (size_t q = 0; q < j->q; q++, g += MATRIX, x += j->x_pixel) {
        _tile_loadd(6, g, ROW);
        _tile_loadd(4, x + tap[0], x_channel);
        _tile_dpbf16ps(0, 4, 6);
        if (T > 1) {
          _tile_loadd(5, x + tap[1], x_channel);
          _tile_dpbf16ps(1, 5, 6);
        }
        if (T > 2) {
          _tile_loadd(4, x + tap[2], x_channel);
          _tile_dpbf16ps(2, 4, 6);
        }
        if (T > 3) {
          _tile_loadd(5, x + tap[3], x_channel);
          _tile_dpbf16ps(3, 5, 6);
        }
      }
    }
  store_sums(T, dw);
}

#define TAPS(T) \
  static void taps_##T(const struct fnn_lane_gradient *j, size_t k, size_t t) { gradient_matrices(j, T, k, t); }
TAPS(1)
TAPS(2)
TAPS(3)
TAPS(4)

static void weight_gradient(const struct fnn_lane_gradient *j) {
  static void (*const functions[])(const struct fnn_lane_gradient *, size_t, size_t) = {NULL, taps_1, taps_2, taps_3,
                                                                                        taps_4};
  amx_begin(j->rows, SIDE);
  for (size_t k = 0; k < j->filters; k++)
    for (size_t t = 0, count; t < j->taps; t += count) {
      count = next_count(j->taps - t);
      functions[count](j, k, t);
    }
  amx_end();
}

extern const struct fnn_lane_kernels FNN_VARIANT(fnn_pairs);
const struct fnn_lane_kernels FNN_VARIANT(fnn_pairs) = {
    .width = FNN_WIDTH,
    .matrices = 1,
    .pack_pairs = fnn_pack_pairs,
    .pack_columns = pack_columns,
    .pack_weights = pack_weights,
    .correlate = correlate,
    .weight_gradient = weight_gradient,
};
