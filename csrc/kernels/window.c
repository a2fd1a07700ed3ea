/* What slides over an image: im2col and col2im for convolution, and pooling. */
#include "window.h"

#include <math.h>
#include <string.h>

#include "variant.h"

static void im2col(const struct fnn_window *w, size_t channels, const float *restrict x, float *restrict col) {
  for (size_t c = 0; c < channels; c++, x += w->h * w->w)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, col += w->p * w->q) {
        const struct fnn_range rows = fnn_rows_under(w, r), columns = fnn_columns_under(w, s);
        const size_t row = r * w->dilation[0], column = s * w->dilation[1];
        memset(col, 0, rows.first * w->q * sizeof *col);
        for (size_t p = rows.first; p < rows.last; p++) {
          const float *from = x + (p * w->stride[0] + row - w->top) * w->w + column - w->left;
          float *to = col + p * w->q;
          for (size_t q = 0; q < columns.first; q++) to[q] = 0.0f;
          if (w->stride[1] == 1)
            memcpy(to + columns.first, from + columns.first, (columns.last - columns.first) * sizeof *to);
          else
            for (size_t q = columns.first; q < columns.last; q++) to[q] = from[q * w->stride[1]];
          for (size_t q = columns.last; q < w->q; q++) to[q] = 0.0f;
        }
        memset(col + rows.last * w->q, 0, (w->p - rows.last) * w->q * sizeof *col);
      }
}

static void col2im(const struct fnn_window *w, size_t channels, const float *restrict col, float *restrict x) {
  for (size_t c = 0; c < channels; c++, x += w->h * w->w)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, col += w->p * w->q) {
        const struct fnn_range rows = fnn_rows_under(w, r), columns = fnn_columns_under(w, s);
        const size_t row = r * w->dilation[0], column = s * w->dilation[1];
        for (size_t p = rows.first; p < rows.last; p++) {
          float *to = x + (p * w->stride[0] + row - w->top) * w->w + column - w->left;
          const float *from = col + p * w->q;
          if (w->stride[1] == 1)
            for (size_t q = columns.first; q < columns.last; q++) to[q] += from[q];
          else
            for (size_t q = columns.first; q < columns.last; q++) to[q * w->stride[1]] += from[q];
        }
      }
}

static inline float larger(float a, float b) { return b > a || b != b ? b : a; }

/* x[at] is larger than the largest so far, or the first NaN, or the first of all (best is SIZE_MAX before). */
static inline int wins(const float *x, size_t at, size_t best) {
  return best == SIZE_MAX || x[at] > x[best] || (x[at] != x[at] && x[best] == x[best]);
}

static void max_pool(const struct fnn_window *w, const float *restrict x, float *restrict y) {
  if (fnn_is_two_by_two(w)) {
    for (size_t p = 0; p < w->p; p++) {
      const float *a = x + 2 * p * w->w, *b = a + w->w;
      for (size_t q = 0; q < w->q; q++)
        y[p * w->q + q] = larger(larger(a[2 * q], a[2 * q + 1]), larger(b[2 * q], b[2 * q + 1]));
    }
    return;
  }
  /* a window of padding alone has no largest pixel */
  FNN_EACH_WINDOW(size_t best = SIZE_MAX, if (wins(x, in, best)) best = in,
                  y[out] = best == SIZE_MAX ? -INFINITY : x[best])
}

static void max_pool_back(const struct fnn_window *w, const float *restrict x, const float *restrict g,
                          float *restrict d) {
  memset(d, 0, w->h * w->w * sizeof *d);
  if (fnn_is_two_by_two(w)) {
    for (size_t p = 0; p < w->p; p++)
      for (size_t q = 0; q < w->q; q++) {
        size_t best = 2 * p * w->w + 2 * q, corner = best;
        const size_t others[3] = {corner + 1, corner + w->w, corner + w->w + 1};
        for (int i = 0; i < 3; i++) {
          const float v = x[others[i]], top = x[best];
          best = v > top || (v != v && top == top) ? others[i] : best;
        }
        d[best] += g[p * w->q + q];
      }
    return;
  }
  FNN_EACH_WINDOW(size_t best = SIZE_MAX, if (wins(x, in, best)) best = in, if (best != SIZE_MAX) d[best] += g[out])
}

/* The corner of window (p, q). */
static size_t corner_of(const struct fnn_window *w, size_t p, size_t q) { return 2 * p * w->w + 2 * q; }

static void max_of_four(const struct fnn_window *w, int relu, const float *restrict x, float *restrict y,
                        uint8_t *restrict winner) {
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      const float *a = x + corner_of(w, p, q), four[4] = {a[0], a[1], a[w->w], a[w->w + 1]};
      size_t best = 0;
      for (size_t i = 1; i < 4; i++)
        if (wins(four, i, best)) best = i;
      const float top = four[best];
      y[p * w->q + q] = relu && top < 0.0f ? 0.0f : top; /* NaN stays */
      if (winner) winner[p * w->q + q] = !relu || top > 0.0f ? (uint8_t)best : FNN_NO_WINNER;
    }
}

static double back_to_winners(const struct fnn_window *w, const uint8_t *restrict winner, const float *restrict g,
                              float *restrict d) {
  double total = 0.0;
  memset(d, 0, w->h * w->w * sizeof *d);
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      const size_t at = p * w->q + q, best = winner[at];
      if (best == FNN_NO_WINNER) continue;
      d[corner_of(w, p, q) + best / 2 * w->w + best % 2] = g[at];
      total += (double)g[at];
    }
  return total;
}

static void avg_pool(const struct fnn_window *w, int whole, const float *restrict x, float *restrict y) {
  FNN_EACH_WINDOW(double total = 0.0, total += (double)x[in],
                  y[out] = (float)(total * (double)fnn_share(w, whole, rows, columns)))
}

static void avg_pool_back(const struct fnn_window *w, int whole, const float *restrict g, float *restrict d) {
  memset(d, 0, w->h * w->w * sizeof *d);
  FNN_EACH_WINDOW(const float factor = fnn_share(w, whole, rows, columns), d[in] += g[out] * factor, )
}

const struct fnn_window_kernels FNN_VARIANT(fnn_window) = {
    .im2col = im2col,
    .col2im = col2im,
    .pool = {.max = max_pool,
             .max_back = max_pool_back,
             .max_of_four = max_of_four,
             .back_to_winners = back_to_winners,
             .avg = avg_pool,
             .avg_back = avg_pool_back},
};
