/* What slides over an image: im2col and col2im for convolution, and pooling. */
#include <math.h>
#include <string.h>

#include "variant.h"

static size_t min_size(size_t a, size_t b) { return a < b ? a : b; }

/* The output positions o in [*first, *last) whose input o * stride + offset - before lies in 0 .. size-1. */
static void valid_range(size_t outputs, size_t stride, size_t offset, size_t before, size_t size, size_t *first,
                        size_t *last) {
  *first = offset >= before ? 0 : min_size((before - offset + stride - 1) / stride, outputs);
  *last = size + before <= offset ? 0 : min_size((size + before - offset - 1) / stride + 1, outputs);
  if (*last < *first) *last = *first;
}

static void im2col(const struct fnn_window *w, size_t channels, const float *restrict x, float *restrict col) {
  for (size_t c = 0; c < channels; c++, x += w->h * w->w)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, col += w->p * w->q) {
        size_t p0, p1, q0, q1, row = r * w->dilation[0], column = s * w->dilation[1];
        valid_range(w->p, w->stride[0], row, w->top, w->h, &p0, &p1);
        valid_range(w->q, w->stride[1], column, w->left, w->w, &q0, &q1);
        memset(col, 0, p0 * w->q * sizeof *col);
        for (size_t p = p0; p < p1; p++) {
          const float *from = x + (p * w->stride[0] + row - w->top) * w->w + column - w->left;
          float *to = col + p * w->q;
          for (size_t q = 0; q < q0; q++) to[q] = 0.0f;
          if (w->stride[1] == 1)
            memcpy(to + q0, from + q0, (q1 - q0) * sizeof *to);
          else
            for (size_t q = q0; q < q1; q++) to[q] = from[q * w->stride[1]];
          for (size_t q = q1; q < w->q; q++) to[q] = 0.0f;
        }
        memset(col + p1 * w->q, 0, (w->p - p1) * w->q * sizeof *col);
      }
}

static void col2im(const struct fnn_window *w, size_t channels, const float *restrict col, float *restrict x) {
  for (size_t c = 0; c < channels; c++, x += w->h * w->w)
    for (size_t r = 0; r < w->r; r++)
      for (size_t s = 0; s < w->s; s++, col += w->p * w->q) {
        size_t p0, p1, q0, q1, row = r * w->dilation[0], column = s * w->dilation[1];
        valid_range(w->p, w->stride[0], row, w->top, w->h, &p0, &p1);
        valid_range(w->q, w->stride[1], column, w->left, w->w, &q0, &q1);
        for (size_t p = p0; p < p1; p++) {
          float *to = x + (p * w->stride[0] + row - w->top) * w->w + column - w->left;
          const float *from = col + p * w->q;
          if (w->stride[1] == 1)
            for (size_t q = q0; q < q1; q++) to[q] += from[q];
          else
            for (size_t q = q0; q < q1; q++) to[q * w->stride[1]] += from[q];
        }
      }
}

/* The part of one window that lies inside the image: taps [first, last) of `taps`, and the pixel
 * of tap 0 (which may lie outside). */
struct span {
  size_t first, last;
  ptrdiff_t origin;
};

static struct span span_of(size_t position, size_t stride, size_t taps, size_t dilation, size_t before, size_t size) {
  struct span span = {0, taps, (ptrdiff_t)(position * stride) - (ptrdiff_t)before};
  if (span.origin < 0) span.first = min_size(((size_t)-span.origin + dilation - 1) / dilation, taps);
  ptrdiff_t room = (ptrdiff_t)size - span.origin; /* pixels from the origin to the image's end */
  size_t inside = room <= 0 ? 0 : ((size_t)room - 1) / dilation + 1;
  if (span.last > inside) span.last = inside;
  if (span.last < span.first) span.last = span.first;
  return span;
}

/* The pixel (an offset into x) of the first largest value in the window at (p, q). */
static size_t window_argmax(const struct fnn_window *w, const float *x, size_t p, size_t q) {
  struct span rows = span_of(p, w->stride[0], w->r, w->dilation[0], w->top, w->h);
  struct span columns = span_of(q, w->stride[1], w->s, w->dilation[1], w->left, w->w);
  size_t best = SIZE_MAX;
  for (size_t r = rows.first; r < rows.last; r++)
    for (size_t s = columns.first; s < columns.last; s++) {
      size_t row = (size_t)(rows.origin + (ptrdiff_t)(r * w->dilation[0]));
      size_t at = row * w->w + (size_t)(columns.origin + (ptrdiff_t)(s * w->dilation[1]));
      if (best == SIZE_MAX || x[at] > x[best] || (x[at] != x[at] && x[best] == x[best])) best = at;
    }
  return best;
}

/* Windows of 2 x 2, stride 2, that all lie inside the image: the shape that nearly every pool has. */
static int is_two_by_two(const struct fnn_window *w) {
  return w->r == 2 && w->s == 2 && w->stride[0] == 2 && w->stride[1] == 2 && w->dilation[0] == 1 &&
         w->dilation[1] == 1 && w->top == 0 && w->left == 0 && 2 * w->p <= w->h && 2 * w->q <= w->w;
}

static inline float larger(float a, float b) { return b > a || b != b ? b : a; }

static void max_pool(const struct fnn_window *w, const float *restrict x, float *restrict y) {
  if (is_two_by_two(w)) {
    for (size_t p = 0; p < w->p; p++) {
      const float *a = x + 2 * p * w->w, *b = a + w->w;
      for (size_t q = 0; q < w->q; q++)
        y[p * w->q + q] = larger(larger(a[2 * q], a[2 * q + 1]), larger(b[2 * q], b[2 * q + 1]));
    }
    return;
  }
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      size_t at = window_argmax(w, x, p, q);
      y[p * w->q + q] = at == SIZE_MAX ? -INFINITY : x[at]; /* a window of padding alone */
    }
}

static void max_pool_back(const struct fnn_window *w, const float *restrict x, const float *restrict g,
                          float *restrict d) {
  if (is_two_by_two(w)) {
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
  for (size_t p = 0; p < w->p; p++)
    for (size_t q = 0; q < w->q; q++) {
      size_t at = window_argmax(w, x, p, q);
      if (at != SIZE_MAX) d[at] += g[p * w->q + q];
    }
}

/* Calls back for each pixel of each window, with 1 / (number of pixels that count). */
#define FOR_EACH_TAP(body)                                                                                 \
  for (size_t p = 0; p < w->p; p++)                                                                        \
    for (size_t q = 0; q < w->q; q++) {                                                                    \
      struct span rows = span_of(p, w->stride[0], w->r, w->dilation[0], w->top, w->h);                     \
      struct span columns = span_of(q, w->stride[1], w->s, w->dilation[1], w->left, w->w);                 \
      const size_t taps = whole ? w->r * w->s : (rows.last - rows.first) * (columns.last - columns.first); \
      const float factor = taps ? 1.0f / (float)taps : 0.0f;                                               \
      const size_t out = p * w->q + q;                                                                     \
      for (size_t r = rows.first; r < rows.last; r++)                                                      \
        for (size_t s = columns.first; s < columns.last; s++) {                                            \
          size_t row = (size_t)(rows.origin + (ptrdiff_t)(r * w->dilation[0]));                            \
          const size_t in = row * w->w + (size_t)(columns.origin + (ptrdiff_t)(s * w->dilation[1]));       \
          body;                                                                                            \
        }                                                                                                  \
    }

static void avg_pool(const struct fnn_window *w, int whole, const float *restrict x, float *restrict y) {
  memset(y, 0, w->p * w->q * sizeof *y);
  FOR_EACH_TAP(y[out] += x[in] * factor)
}

static void avg_pool_back(const struct fnn_window *w, int whole, const float *restrict g, float *restrict d) {
  FOR_EACH_TAP(d[in] += g[out] * factor)
}

const struct fnn_window_kernels FNN_VARIANT(fnn_window) = {
    .im2col = im2col,
    .col2im = col2im,
    .max_pool = max_pool,
    .max_pool_back = max_pool_back,
    .avg_pool = avg_pool,
    .avg_pool_back = avg_pool_back,
};
