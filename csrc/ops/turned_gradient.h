/* The gradient of a convolution's weight over images in lanes, where images and filters change places in the output's gradient
 * (kernels/turned_gradient.c): sums then have vectors of filters, whose lanes nobody has to add up, and larger tiles. With `pairs`
 * in mixed precision. */
#ifndef FNN_OPS_TURNED_GRADIENT_H
#define FNN_OPS_TURNED_GRADIENT_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* Whether a gradient of so many channels can be turned. Where products are those of matrices it is not. */
static inline int fnn_can_turn(const struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                               size_t channels) {
  return !(pairs && pairs->matrices) && context->kernels->lanes->width == lanes && channels >= FNN_LEAST_TURNED;
}

/* Directly (for lane_gradient.c): whether it can be and that pays; what it multiplies, of a channel, a filter and an image; doing
 * it. */
int fnn_turned_gradient_pays(const struct fnn_context *context, size_t lanes, const struct fnn_lane_kernels *pairs,
                             const struct fnn_convolution *conv);
size_t fnn_turned_gradient_products(const struct fnn_window *w);
enum fnn_status fnn_turned_gradient(struct fnn_context *context, const struct fnn_lane_kernels *pairs,
                                    const struct fnn_convolution *conv, const float *g, const float *x,
                                    float *dw) FNN_CHECK;

#endif
