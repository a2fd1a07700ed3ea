/* Correlation of images in lanes (tensor/lanes.h): a convolution's forward product, and in another arrangement the gradient
 * of its input. For lane_convolution.c. */
#ifndef FNN_OPS_CORRELATION_H
#define FNN_OPS_CORRELATION_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* At least so many pieces of work where there are few images, so that all threads have some. */
enum { FNN_LANE_PIECES = 8 };

struct fnn_correlation {
  const struct fnn_lane_kernels *kernels;
  const struct fnn_lane_kernels *wide;  /* for vectors of several neighbouring pixels, or the same */
  const struct fnn_lane_kernels *pairs; /* for mixed precision, or NULL */
  size_t blocks, groups;
  size_t channels, filters; /* of a group */
  size_t h, w, r, s, p, q;  /* pixels of the input, of the kernel, of the output */
  size_t stride[2], dilation[2];
  int transposed;      /* the gradient of such a correlation's input from that of its output, with taps in reverse */
  ptrdiff_t top, left; /* from the input up to the first window; transposed, in what is then the output */
  size_t y_origin, y_block, y_filter, y_row, y_pixel; /* where output pixels go: floats from y, and between them */
  struct fnn_lane_weights weights;                    /* of the first group; sizes are filled in */
  ptrdiff_t weights_group;                            /* from a group's weights to the next one's, in floats */
  const struct fnn_tensor *keeper; /* who keeps them in the kernels' order for the next call; or NULL */
  const float *x;
  struct fnn_epilogue epilogue;
  float *y;
};

/* Whether pairs are multiplied as matrices. */
static inline int fnn_has_matrices(const struct fnn_correlation *j) { return j->pairs && j->pairs->matrices; }

/* The channels that kernels see, but those of matrices: those of a group, or pairs of them. */
static inline size_t fnn_depth(const struct fnn_correlation *j) {
  return j->pairs ? fnn_ceil_div(j->channels, 2) : j->channels;
}

/* Memory for `count` weights in the kernels' order. Where the correlation has a keeper it is his, and *known tells that it holds
 * them already; else it is *own too, which the caller frees. */
enum fnn_status fnn_take_weights(struct fnn_context *context, const struct fnn_correlation *j, size_t count,
                                 const struct fnn_recipe *recipe, float **weights, float **own, int *known) FNN_CHECK;

/* y = x * weights, and what the epilogue says, by the quicker of two ways; of `count` correlations (1 .. FNN_MOST_CORRELATIONS)
 * of the same blocks and groups, such as write different pixels of the same planes. */
enum { FNN_MOST_CORRELATIONS = 4 };
enum fnn_status fnn_correlate(struct fnn_context *context, struct fnn_correlation *correlations,
                              size_t count) FNN_CHECK;

/* Has `count` floats fetched that are wanted soon. */
static inline void fnn_fetch(const float *from, size_t count) {
  enum { LINE = 64 / sizeof *from };
  for (size_t i = 0; i < count; i += LINE) __builtin_prefetch(from + i);
}

/* to[i] = pixel number first + i of a row of `size` pixels, 0 outside of it, for i < count */
void fnn_copy_pixels(size_t lanes, const float *row, size_t size, ptrdiff_t first, size_t count, float *to);

/* The same for the pairs of two rows' pixels, `step` from one to the next; b may be NULL for zeros. */
void fnn_copy_pairs(const struct fnn_lane_kernels *pairs, const float *a, const float *b, size_t size, ptrdiff_t first,
                    size_t count, float *to, size_t step);

#endif
