/* Winograd's ways to two of a convolution's products over images in lanes: correlation (winograd.c) and the gradient of
 * the weights (winograd_gradient.c); and what both need. */
#ifndef FNN_OPS_WINOGRAD_H
#define FNN_OPS_WINOGRAD_H

#include "correlation.h"

/* A correlation: whether it can go this way and that pays; going it. */
int fnn_winograd_pays(const struct fnn_correlation *j);
enum fnn_status fnn_winograd(struct fnn_context *context, const struct fnn_correlation *j) FNN_CHECK;

/* The gradient of the weights, in float32 (lane_convolution.h): the same. */
int fnn_winograd_gradient_pays(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv);
enum fnn_status fnn_winograd_gradient(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                      const float *g, const float *x, float *dw) FNN_CHECK;

static inline size_t fnn_fewer(size_t a, size_t b) { return a < b ? a : b; }

/* Floats from one place's matrix of `size` floats to the next one's: a line beyond a multiple of a page, or all places of a
 * tile would fall into one set of the first cache. */
static inline size_t fnn_winograd_step(size_t size) {
  enum { PAGE = 1024, LINE = 16 };
  return fnn_ceil_div(size, PAGE) * PAGE + LINE;
}

/* Where the pixels of a tile lie that begins at (row, column) of a plane of h x w pixels, `image` floats from the
 * beginning. */
static inline void fnn_winograd_place(size_t lanes, size_t size, ptrdiff_t row, ptrdiff_t column, size_t h, size_t w,
                                      size_t image, struct fnn_winograd_tile *tile) {
  for (size_t i = 0; i < size * size; i++) {
    ptrdiff_t r = row + (ptrdiff_t)(i / size), c = column + (ptrdiff_t)(i % size);
    int inside = r >= 0 && r < (ptrdiff_t)h && c >= 0 && c < (ptrdiff_t)w;
    tile->inside[i] = inside ? -1 : 0;
    tile->offset[i] = image + (inside ? ((size_t)r * w + (size_t)c) * lanes : 0);
  }
}

#endif
