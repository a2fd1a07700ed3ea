/* Winograd's ways to two of a convolution's products over images in lanes: correlation (winograd.c) and the gradient of
 * the weights (winograd_gradient.c); and what both need. */
#ifndef FNN_OPS_WINOGRAD_H
#define FNN_OPS_WINOGRAD_H

#include <string.h>

#include "correlation.h"

/* A correlation: whether it can go this way and that pays; going it. */
int fnn_winograd_pays(const struct fnn_correlation *j);
enum fnn_status fnn_winograd(struct fnn_context *context, const struct fnn_correlation *j) FNN_CHECK;

/* The gradient of the weights (lane_convolution.h): the same. In float32, or with `pairs` in mixed precision. */
int fnn_winograd_gradient_pays(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                               const struct fnn_convolution *conv);
enum fnn_status fnn_winograd_gradient(struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                                      const struct fnn_convolution *conv, const float *g, const float *x,
                                      float *dw) FNN_CHECK;

/* Floats from one place's matrix of `size` floats to the next one's: a line beyond a multiple of a page, or all places of a
 * tile would fall into one set of the first cache. */
static inline size_t fnn_winograd_step(size_t size) {
  enum { PAGE = 1024, LINE = 16 };
  return fnn_ceil_div(size, PAGE) * PAGE + LINE;
}

/* The tiles of a plane of results, `pixels` a side. With a dilation, neighbours in a tile are that far apart, and there are
 * rows and columns of tiles for each pixel that a tile leaves out. */
struct fnn_winograd_grid {
  size_t pixels, step[2];
  size_t rows, columns, count;
};

static inline struct fnn_winograd_grid fnn_winograd_tiles(size_t p, size_t q, const size_t dilation[2], size_t pixels) {
  struct fnn_winograd_grid grid = {.pixels = pixels, .step = {dilation[0], dilation[1]}};
  grid.rows = fnn_ceil_div(fnn_ceil_div(p, dilation[0]), pixels);
  grid.columns = fnn_ceil_div(fnn_ceil_div(q, dilation[1]), pixels);
  grid.count = grid.rows * grid.columns * dilation[0] * dilation[1];
  return grid;
}

/* The first pixel of tile number i. */
static inline void fnn_winograd_corner(const struct fnn_winograd_grid *grid, size_t i, size_t *row, size_t *column) {
  size_t phase = i / (grid->rows * grid->columns), tile = i % (grid->rows * grid->columns);
  *row = phase / grid->step[1] + tile / grid->columns * grid->pixels * grid->step[0];
  *column = phase % grid->step[1] + tile % grid->columns * grid->pixels * grid->step[1];
}

/* Whether a convolution is of a kind that has tiles, and its planes are not so small that they do not pay. */
static inline int fnn_winograd_suits(const struct fnn_window *w) {
  enum { LEAST_PIXELS = 4 }; /* a side, of the result, between which a dilation leaves none out */
  return w->r == w->s && (w->r == 3 || w->r == 5) && w->stride[0] == 1 && w->stride[1] == 1 &&
         w->p >= LEAST_PIXELS * w->dilation[0] && w->q >= LEAST_PIXELS * w->dilation[1] && w->h > 0 && w->w > 0;
}

/* Where the pixels of a tile of `size` a side lie that begins at (row, column) of a plane of h x w pixels, `image` floats
 * from the beginning. Spread, as for the gradient of a stride of 2, row r of tiles is row ceil(r / 2) - 1 of the plane. */
static inline void fnn_winograd_place(size_t lanes, size_t size, const size_t step[2], int spread, ptrdiff_t row,
                                      ptrdiff_t column, size_t h, size_t w, size_t image,
                                      struct fnn_winograd_tile *tile) {
  int32_t row_inside[6], column_inside[6], all = -1;
  for (size_t i = 0; i < size; i++) {
    size_t r = (size_t)row + i * step[0], c = (size_t)column + i * step[1]; /* before the first: a large number */
    if (spread) r = (r + 1) / 2 - 1, c = (c + 1) / 2 - 1;
    row_inside[i] = -(r < h), column_inside[i] = -(c < w);
    tile->row[i] = image + (r < h ? r * w * lanes : 0), tile->column[i] = c < w ? c * lanes : 0;
    all &= row_inside[i] & column_inside[i];
  }
  if (all) {
    memset(tile->inside, -1, size * size * sizeof *tile->inside);
    return;
  }
  for (size_t i = 0; i < size; i++)
    for (size_t k = 0; k < size; k++) tile->inside[i * size + k] = row_inside[i] & column_inside[k];
}

/* Where the results of a tile that begins at (row, column) go, of a plane of p x q pixels: those that there are. */
static inline void fnn_winograd_results(const struct fnn_winograd_grid *grid, size_t row, size_t column, size_t p,
                                        size_t q, size_t to, struct fnn_winograd_tile *tile) {
  tile->to = to;
  tile->p = row < p ? fnn_fewer(grid->pixels, fnn_ceil_div(p - row, grid->step[0])) : 0;
  tile->q = column < q ? fnn_fewer(grid->pixels, fnn_ceil_div(q - column, grid->step[1])) : 0;
}

#endif
