/* The forward product of a convolution over a few images, whose channels lie in lanes (tensor/lanes.h), as its filters do in
 * the result. */
#ifndef FNN_OPS_CHANNEL_CONVOLUTION_H
#define FNN_OPS_CHANNEL_CONVOLUTION_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* Whether it can be done, and pays: without groups, and with enough channels and filters to fill lanes. */
int fnn_channels_convolve(const struct fnn_convolution *conv);

/* The lanes that x, y and the addend have. */
struct fnn_lanes fnn_channel_lanes(const struct fnn_context *context);

/* How many filters vector number `block` has, the last perhaps fewer than lanes. */
static inline size_t fnn_channel_filters(const struct fnn_lane_kernels *kernels, const struct fnn_convolution *conv,
                                         size_t block) {
  return fnn_fewer(kernels->width, conv->k - block * kernels->width);
}

/* How many vectors of filters kernels are given at a time, from number `block` on and below `end`: all have as many filters. */
static inline size_t fnn_channel_vectors(const struct fnn_lane_kernels *kernels, const struct fnn_convolution *conv,
                                         size_t block, size_t end) {
  size_t vectors = fnn_fewer(kernels->product_vectors, end - block);
  return fnn_channel_filters(kernels, conv, block + vectors - 1) < kernels->width ? 1 : vectors;
}

/* y = x * weight, and what the epilogue says. The weight keeps for the next call what kernels want of it. */
enum fnn_status fnn_channel_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                     const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue,
                                     float *y) FNN_CHECK;

#endif
