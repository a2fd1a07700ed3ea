/* The three products of a convolution over images in lanes (tensor/lanes.h): direct, without column matrices. x, y and g
 * are laned arrays, weights and their gradient dense as in convolution.h. */
#ifndef FNN_OPS_LANE_CONVOLUTION_H
#define FNN_OPS_LANE_CONVOLUTION_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* The kernels of mixed precision, where there is more than one of what makes pairs (`count`); else NULL. Matrices should not be
 * mostly empty, and are fast enough for zeros in the place of second blocks. */
const struct fnn_lane_kernels *fnn_lane_pairs_for(struct fnn_context *context, size_t lanes,
                                                  const struct fnn_convolution *conv, size_t count);

/* Whether these three can do it: not where a stride and a dilation come together. */
int fnn_lanes_convolve(const struct fnn_convolution *conv);

/* y = x * weight, and what the epilogue says. With `keep`, the weight keeps what kernels want of it for the next call. */
enum fnn_status fnn_lane_convolve(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv,
                                  const float *x, const struct fnn_tensor *weight, int keep,
                                  const struct fnn_epilogue *epilogue, float *y) FNN_CHECK;

/* dx = the gradient of x, plus an addend in its layout; NULL without one, and with strides. */
enum fnn_status fnn_lane_convolve_back_input(struct fnn_context *context, size_t lanes,
                                             const struct fnn_convolution *conv, const float *g, const float *weight,
                                             const float *addend, float *dx) FNN_CHECK;

/* How many of `blocks` blocks, of so many output pixels each, are a part of the batch whose direct gradients are added up by
 * themselves: several where they have `least` pixels each, for sums in registers end once a part. The number of parts is nearly a power
 * of two, or threads would wait for each other. At least 1. */
static inline size_t fnn_blocks_of_part(size_t blocks, size_t pixels, size_t least) {
  enum { PARTS = 16 };
  size_t parts = 1;
  while (parts < blocks * pixels / least && parts < PARTS && parts < blocks) parts *= 2;
  return blocks ? fnn_ceil_div(blocks, parts) : 1;
}

/* dw = the gradient of weight (lane_gradient.c), summed over the images in an order that depends on N alone. */
enum fnn_status fnn_lane_convolve_back_weight(struct fnn_context *context, size_t lanes,
                                              const struct fnn_convolution *conv, const float *g, const float *x,
                                              float *dw) FNN_CHECK;

/* The gradient of what became of sums: of relu's results y, or of a pool's with their winners (fnn_epilogue). */
struct fnn_masked_gradient {
  const float *g, *y;
  const uint8_t *winner; /* or y */
};

/* Whether the weight's gradient can be made of it, so that nobody need make that of the sums, but for some rows at a time. */
int fnn_lane_masks_rows(struct fnn_context *context, size_t lanes, const struct fnn_convolution *conv);

/* Then dw = the gradient of weight, and d_bias that of the bias (K), or NULL. */
enum fnn_status fnn_lane_convolve_back_masked(struct fnn_context *context, size_t lanes,
                                              const struct fnn_convolution *conv,
                                              const struct fnn_masked_gradient *masked, const float *x, float *dw,
                                              float *d_bias) FNN_CHECK;

#endif
