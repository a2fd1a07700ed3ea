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

/* from[i * step] for i < count, else 0 */
static fnn_v gather(const float *from, ptrdiff_t step, size_t count) {
  const __m512i lanes = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), steps = _mm512_set1_epi64(step);
  const __m512i low = _mm512_mullo_epi64(lanes, steps), high = _mm512_add_epi64(low, _mm512_slli_epi64(steps, 3));
  const unsigned mask = (1u << count) - 1;
  const __m256 zeros = _mm256_setzero_ps();
  return (fnn_v)_mm512_insertf32x8(
      _mm512_castps256_ps512(_mm512_mask_i64gather_ps(zeros, (__mmask8)mask, low, from, 4)),
      _mm512_mask_i64gather_ps(zeros, (__mmask8)(mask >> 8), high, from, 4), 1);
}

/* The pairs of `channels` neighbouring channels' weights, zeros after them. */
static fnn_v gather_pairs(const struct fnn_lane_weights *w, const float *from, size_t channels) {
  const fnn_v first = gather(from, 2 * w->channel, (channels + 1) / 2);
  return fnn_pair(first, gather(from + w->channel, 2 * w->channel, channels / 2));
}

/* packed: [matrix of filters][block of pairs][row][column][filter][pair] */
static void pack_weights(const struct fnn_lane_weights *w, float *packed) {
  const size_t rows = fnn_amx_size(w->filters), depth = 2 * fnn_amx_size((w->channels + 1) / 2);
  for (size_t k = 0; k < w->filters; k += rows)
    for (size_t c = 0; c < w->channels; c += depth)
      for (size_t r = 0; r < w->r; r++)
        for (size_t s = 0; s < w->s; s++, packed += MATRIX)
          for (size_t i = 0; i < rows; i++) {
            const float *from = w->from + (ptrdiff_t)(k + i) * w->filter + (ptrdiff_t)c * w->channel +
                                (ptrdiff_t)r * w->row + (ptrdiff_t)s * w->column;
            fnn_store(packed + i * SIDE, k + i < w->filters
                                             ? gather_pairs(w, from, w->channels - c < depth ? w->channels - c : depth)
                                             : (fnn_v){0});
          }
}

/* Q pixels of the filters of one matrix, from number k on. */
FNN_INLINE void correlate_pixels(const struct fnn_lane_row *j, const int Q, const float *weight, size_t k, size_t q) {
  const size_t rows = fnn_amx_size(j->filters), depth = fnn_amx_size(j->channels), step = 4 * j->x_channel;
  const size_t filters = j->filters - k < rows ? j->filters - k : rows, left_rows = (j->w_rows - j->r) * j->w_columns;
  float *y = j->y + k * j->y_filter + q * j->y_pixel;
  const size_t turns = fnn_amx_count(j->channels) * j->r * j->s, each = turns ? (filters + turns - 1) / turns : 0;
  size_t fetched = 0;
  clear_sums(Q);
  const float *w = weight + (j->w_row * j->w_columns + j->w_column) * MATRIX;
  for (size_t c = 0; c < j->channels; c += depth, w += left_rows * MATRIX)
    for (size_t r = 0; r < j->r; r++, w += (j->w_columns - j->s) * MATRIX) {
      const float *x = j->x[r] + c * j->x_channel + q * j->x_pixel;
      for (size_t s = 0; s < j->s; s++, x += j->x_tap, w += MATRIX) {
        for (const size_t end = fetched + each < filters ? fetched + each : filters; fetched < end; fetched++)
          FNN_UNROLL for (int n = 0; n < Q; n++)
              __builtin_prefetch(y + fetched * j->y_filter + (size_t)n * j->y_pixel, 1);
        _tile_loadd(4, w, ROW);
        _tile_loadd(6, x, step);
        _tile_dpbf16ps(0, 4, 6);
        if (Q > 1) {
          _tile_loadd(7, x + j->x_pixel, step);
          _tile_dpbf16ps(1, 4, 7);
        }
        if (Q > 2) {
          _tile_loadd(6, x + 2 * j->x_pixel, step);
          _tile_dpbf16ps(2, 4, 6);
        }
        if (Q > 3) {
          _tile_loadd(7, x + 3 * j->x_pixel, step);
          _tile_dpbf16ps(3, 4, 7);
        }
      }
    }
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
  const size_t rows = fnn_amx_size(j->filters), depth = fnn_amx_size(j->channels);
  const size_t matrix = fnn_amx_count(j->channels) * j->w_rows * j->w_columns * MATRIX;
  amx_begin(rows, depth);
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
