#include "lane_convolution.h"

#include <string.h>

#include "correlation.h"
#include "winograd.h"

int fnn_lanes_convolve(const struct fnn_convolution *conv) {
  const struct fnn_window *w = &conv->window;
  return (w->stride[0] == 1 || w->dilation[0] == 1) && (w->stride[1] == 1 || w->dilation[1] == 1);
}

const struct fnn_lane_kernels *fnn_lane_pairs_for(struct fnn_context *context, size_t lanes,
                                                  const struct fnn_convolution *conv, size_t count) {
  enum { LEAST_PRODUCTS = 64 };
  const struct fnn_lane_kernels *pairs = conv->bf16 ? fnn_pair_kernels_for(context->isa, lanes) : NULL;
  size_t channels = conv->c / conv->groups, filters = conv->k / conv->groups;
  if (!pairs || !pairs->matrices) return count > 1 ? pairs : NULL;
  return channels > 1 && filters > 1 && channels * filters >= LEAST_PRODUCTS ? pairs : NULL;
}

static struct fnn_correlation correlation_of(struct fnn_context *context, size_t lanes,
                                             const struct fnn_convolution *conv, size_t channels, size_t filters) {
  return (struct fnn_correlation){.kernels = fnn_lane_kernels_for(context->isa, lanes),
                                  .wide = context->kernels->lanes,
                                  .pairs = fnn_lane_pairs_for(context, lanes, conv, channels),
                                  .blocks = fnn_ceil_div(conv->n, lanes),
                                  .groups = conv->groups,
                                  .channels = channels,
                                  .filters = filters};
}

enum fnn_status fnn_lane_convolve(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                  const float *x, const struct fnn_tensor *weight, int keep,
                                  const struct fnn_epilogue *epilogue, float *y) {
  const struct fnn_window *w = &conv->window;
  struct fnn_correlation j = correlation_of(context, lanes, conv, conv->c / conv->groups, conv->k / conv->groups);
  size_t side = epilogue->pool ? 2 : 1, p = w->p / side, q = w->q / side; /* of what is written */
  size_t pixels = p * q * lanes, taps = w->r * w->s;
  j.h = w->h, j.w = w->w, j.r = w->r, j.s = w->s, j.p = p * side, j.q = q * side;
  memcpy(j.stride, w->stride, sizeof j.stride);
  memcpy(j.dilation, w->dilation, sizeof j.dilation);
  j.top = (ptrdiff_t)w->top, j.left = (ptrdiff_t)w->left;
  j.y_block = conv->k * pixels, j.y_filter = pixels, j.y_row = q * lanes, j.y_pixel = lanes;
  j.keeper = keep ? weight : NULL;
  j.weights = (struct fnn_lane_weights){.from = fnn_floats(weight),
                                        .filter = (ptrdiff_t)(j.channels * taps),
                                        .channel = (ptrdiff_t)taps,
                                        .row = (ptrdiff_t)w->s,
                                        .column = 1};
  j.weights_group = (ptrdiff_t)(j.filters * j.channels * taps);
  j.x = x, j.epilogue = *epilogue, j.y = y;
  return fnn_correlate(context, &j, 1);
}

/* Pixels i, i + stride, ... of one axis of x: which taps reach them, from which pixels of g. Pixel
 * h = stride m + phase - before (m >= first) gets g[m - i] w[phase + stride i]: a correlation of stride 1 with the taps
 * in reverse. */
struct phase {
  size_t taps, count, begin; /* of the kernel; pixels of x, and the first of them */
  ptrdiff_t before;          /* of the correlation's first window */
};

static struct phase phase_of(size_t phase, size_t stride, size_t taps, size_t dilation, size_t before, size_t size) {
  struct phase f = {.taps = phase < taps ? fnn_ceil_div(taps - phase, stride) : 0};
  size_t first = before > phase ? fnn_ceil_div(before - phase, stride) : 0;
  f.begin = stride * first + phase - before;
  f.count = f.begin < size ? fnn_ceil_div(size - f.begin, stride) : 0;
  f.before = (ptrdiff_t)(f.taps ? (f.taps - 1) * dilation : 0) - (ptrdiff_t)first;
  return f;
}

/* From g to x's gradient, for either way: what does not depend on the taps. */
static struct fnn_correlation back_correlation(struct fnn_context *context, size_t lanes,
                                               const struct fnn_convolution *conv, const float *g, float *dx) {
  const struct fnn_window *w = &conv->window;
  struct fnn_correlation j = correlation_of(context, lanes, conv, conv->k / conv->groups, conv->c / conv->groups);
  size_t pixels = w->h * w->w * lanes, taps = w->r * w->s;
  j.h = w->p, j.w = w->q;
  memcpy(j.dilation, w->dilation, sizeof j.dilation);
  j.y_block = conv->c * pixels, j.y_filter = pixels;
  j.weights.filter = (ptrdiff_t)taps, j.weights.channel = (ptrdiff_t)(j.filters * taps);
  j.weights_group = (ptrdiff_t)(j.channels * j.filters * taps);
  j.x = g, j.y = dx;
  return j;
}

static struct fnn_correlation back_phase(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                         size_t row_phase, size_t column_phase, const float *g, const float *weight,
                                         float *dx) {
  const struct fnn_window *w = &conv->window;
  struct phase rows = phase_of(row_phase, w->stride[0], w->r, w->dilation[0], w->top, w->h);
  struct phase columns = phase_of(column_phase, w->stride[1], w->s, w->dilation[1], w->left, w->w);
  struct fnn_correlation j = back_correlation(context, lanes, conv, g, dx);
  size_t last_row = row_phase + (rows.taps - 1) * w->stride[0];
  size_t last_column = column_phase + (columns.taps - 1) * w->stride[1];
  j.r = rows.taps, j.s = columns.taps, j.p = rows.count, j.q = columns.count;
  j.stride[0] = j.stride[1] = 1;
  j.top = rows.before, j.left = columns.before;
  j.y_origin = (rows.begin * w->w + columns.begin) * lanes;
  j.y_row = w->stride[0] * w->w * lanes, j.y_pixel = w->stride[1] * lanes;
  j.weights.from = weight + last_row * w->s + last_column;
  j.weights.row = -(ptrdiff_t)(w->stride[0] * w->s), j.weights.column = -(ptrdiff_t)w->stride[1];
  return j;
}

/* All phases at once: the transposed correlation, which Winograd's way knows for a stride of 2. */
static struct fnn_correlation back_phases(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                          const float *g, const float *weight, float *dx) {
  const struct fnn_window *w = &conv->window;
  struct fnn_correlation j = back_correlation(context, lanes, conv, g, dx);
  j.transposed = 1;
  j.r = w->r, j.s = w->s, j.p = w->h, j.q = w->w;
  memcpy(j.stride, w->stride, sizeof j.stride);
  j.top = (ptrdiff_t)w->top, j.left = (ptrdiff_t)w->left;
  j.y_row = w->w * lanes, j.y_pixel = lanes;
  j.weights.filters = j.filters, j.weights.channels = j.channels, j.weights.r = w->r, j.weights.s = w->s;
  j.weights.from = weight + w->r * w->s - 1;
  j.weights.row = -(ptrdiff_t)w->s, j.weights.column = -1;
  return j;
}

enum fnn_status fnn_lane_convolve_back_input(struct fnn_context *context, size_t lanes,
                                             const struct fnn_convolution *conv, const float *g, const float *weight,
                                             const float *addend, float *dx) {
  const struct fnn_window *w = &conv->window;
  size_t stored = fnn_ceil_div(conv->n, lanes) * lanes * conv->c * w->h * w->w;
  int no_pixels = w->p == 0 || w->q == 0 || conv->k == 0;
  /* without pixels of g, or between the strides of a small kernel, nothing is written */
  if (w->stride[0] > w->r || w->stride[1] > w->s || no_pixels) memset(dx, 0, stored * sizeof *dx);
  if (no_pixels && addend) memcpy(dx, addend, stored * sizeof *dx);
  if (no_pixels) return FNN_OK;
  struct fnn_correlation whole = back_phases(context, lanes, conv, g, weight, dx);
  if (w->stride[0] == 2 && fnn_winograd_pays(&whole)) return fnn_winograd(context, &whole);
  struct fnn_correlation some[FNN_MOST_CORRELATIONS];
  size_t columns = fnn_fewer(w->stride[1], w->s), phases = fnn_fewer(w->stride[0], w->r) * columns;
  for (size_t i = 0, count = 0; i < phases; i++) {
    some[count] = back_phase(context, lanes, conv, i / columns, i % columns, g, weight, dx);
    some[count++].epilogue.addend = addend;
    if (count < FNN_MOST_CORRELATIONS && i + 1 < phases) continue;
    FNN_TRY(fnn_correlate(context, some, count));
    count = 0;
  }
  return FNN_OK;
}
