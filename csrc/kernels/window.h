/* The geometry of windows: which pixels of a plane lie in which window, and under which tap. */
#ifndef FNN_KERNELS_WINDOW_H
#define FNN_KERNELS_WINDOW_H

#include "kernels.h"

/* The part of one window that lies inside the image, along one axis: taps [first, last), and the pixel of tap 0 (which may
 * lie outside). */
struct fnn_span {
  size_t first, last;
  ptrdiff_t origin;
};

static inline struct fnn_span fnn_span_of(size_t position, size_t stride, size_t taps, size_t dilation, size_t before,
                                          size_t size) {
  struct fnn_span span = {0, taps, (ptrdiff_t)(position * stride) - (ptrdiff_t)before};
  const ptrdiff_t room = (ptrdiff_t)size - span.origin; /* pixels from the origin to the image's end */
  if (span.origin < 0) span.first = ((size_t)-span.origin + dilation - 1) / dilation;
  if ((ptrdiff_t)((taps - 1) * dilation) >= room) span.last = room > 0 ? ((size_t)room - 1) / dilation + 1 : 0;
  if (span.first > span.last) span.first = span.last;
  return span;
}

static inline struct fnn_span fnn_rows_of(const struct fnn_window *w, size_t p) {
  return fnn_span_of(p, w->stride[0], w->r, w->dilation[0], w->top, w->h);
}

static inline struct fnn_span fnn_columns_of(const struct fnn_window *w, size_t q) {
  return fnn_span_of(q, w->stride[1], w->s, w->dilation[1], w->left, w->w);
}

/* Output positions first .. last-1 along one axis; none where both are the same. */
struct fnn_range {
  size_t first, last;
};

/* Those of 0 .. outputs-1 that have a pixel of 0 .. size-1 under a tap, which is `offset` pixels from the window's first. */
static inline struct fnn_range fnn_range_of(size_t outputs, size_t stride, size_t offset, size_t before, size_t size) {
  struct fnn_range range = {offset >= before ? 0 : (before - offset + stride - 1) / stride,
                            size + before <= offset ? 0 : (size + before - offset - 1) / stride + 1};
  if (range.last > outputs) range.last = outputs;
  if (range.first > range.last) range.first = range.last;
  return range;
}

static inline struct fnn_range fnn_rows_under(const struct fnn_window *w, size_t r) {
  return fnn_range_of(w->p, w->stride[0], r * w->dilation[0], w->top, w->h);
}

static inline struct fnn_range fnn_columns_under(const struct fnn_window *w, size_t s) {
  return fnn_range_of(w->q, w->stride[1], s * w->dilation[1], w->left, w->w);
}

/* body for each pixel `in` of the window of each output pixel `out`; `before` and `after` it once per output pixel */
#define FNN_EACH_WINDOW(before, body, after)                                                  \
  for (size_t p = 0; p < w->p; p++) {                                                         \
    const struct fnn_span rows = fnn_rows_of(w, p);                                           \
    for (size_t q = 0; q < w->q; q++) {                                                       \
      const struct fnn_span columns = fnn_columns_of(w, q);                                   \
      const size_t out = p * w->q + q;                                                        \
      before;                                                                                 \
      for (size_t r = rows.first; r < rows.last; r++) {                                       \
        const size_t row = (size_t)(rows.origin + (ptrdiff_t)(r * w->dilation[0])) * w->w;    \
        for (size_t s = columns.first; s < columns.last; s++) {                               \
          const size_t in = row + (size_t)(columns.origin + (ptrdiff_t)(s * w->dilation[1])); \
          body;                                                                               \
        }                                                                                     \
      }                                                                                       \
      after;                                                                                  \
    }                                                                                         \
  }

/* The part of each pixel in the mean over a window, which is of all its taps or of those inside the image. */
static inline float fnn_share(const struct fnn_window *w, int whole, struct fnn_span rows, struct fnn_span columns) {
  const size_t taps = whole ? w->r * w->s : (rows.last - rows.first) * (columns.last - columns.first);
  return taps ? 1.0f / (float)taps : 0.0f;
}

/* Windows of 2 x 2 side by side, all inside the image: the shape that nearly every pool has. Each pixel is in one of them
 * at most. */
static inline int fnn_is_two_by_two(const struct fnn_window *w) {
  return w->r == 2 && w->s == 2 && w->stride[0] == 2 && w->stride[1] == 2 && w->dilation[0] == 1 &&
         w->dilation[1] == 1 && w->top == 0 && w->left == 0 && 2 * w->p <= w->h && 2 * w->q <= w->w;
}

#endif
