/* Windows that slide over an image, for the tests of kernels that have them. */
#ifndef FNN_SPEC_WINDOWS_H
#define FNN_SPEC_WINDOWS_H

#include "../../csrc/kernels/kernels.h"
#include "check.h"

/* The pixel of tap (r, s) of the window at (p, q), or -1 outside the image. */
static inline long pixel(const struct fnn_window *w, size_t p, size_t q, size_t r, size_t s) {
  long row = (long)(p * w->stride[0] + r * w->dilation[0]) - (long)w->top;
  long column = (long)(q * w->stride[1] + s * w->dilation[1]) - (long)w->left;
  int inside = row >= 0 && row < (long)w->h && column >= 0 && column < (long)w->w;
  return inside ? row * (long)w->w + column : -1;
}

#define EACH_OUTPUT(p, q)           \
  for (size_t p = 0; p < w->p; p++) \
    for (size_t q = 0; q < w->q; q++)
#define EACH_TAP(r, s)              \
  for (size_t r = 0; r < w->r; r++) \
    for (size_t s = 0; s < w->s; s++)

/* How many outputs fit, when the zeros after the image are `after`. */
static inline size_t window_outputs(size_t size, size_t kernel, size_t stride, size_t dilation, size_t before,
                                    size_t after) {
  size_t reach = dilation * (kernel - 1) + 1, padded = size + before + after;
  return padded < reach ? 0 : (padded - reach) / stride + 1;
}

static inline size_t between(uint64_t *state, size_t least, size_t most) {
  return least + random_below(state, most - least + 1);
}

static inline struct fnn_window random_window(uint64_t *state) {
  struct fnn_window w = {.h = between(state, 0, 12),
                         .w = between(state, 0, 40),
                         .r = between(state, 1, 4),
                         .s = between(state, 1, 4),
                         .stride = {between(state, 1, 3), between(state, 1, 3)},
                         .dilation = {between(state, 1, 2), between(state, 1, 3)},
                         .top = between(state, 0, 3),
                         .left = between(state, 0, 5)};
  w.p = window_outputs(w.h, w.r, w.stride[0], w.dilation[0], w.top, between(state, 0, 3));
  w.q = window_outputs(w.w, w.s, w.stride[1], w.dilation[1], w.left, between(state, 0, 5));
  return w;
}

/* The pool that nearly all have: 2 x 2, stride 2, no zeros. */
static inline struct fnn_window two_by_two(size_t h, size_t w) {
  return (struct fnn_window){
      .h = h, .w = w, .r = 2, .s = 2, .p = h / 2, .q = w / 2, .stride = {2, 2}, .dilation = {1, 1}};
}

#endif
