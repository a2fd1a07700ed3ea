/* The forward product of a convolution over a few images, each by itself: neighbouring pixels lie in the lanes. A channel
 * with its zeros around it is one long row, so that a window's tap is the same distance away from every pixel;
 * what is computed at the ends of rows is thrown away. With a stride of S there are S x S such rows: pixels that
 * neighbouring windows see at the same place are neighbours. Arrays are dense, as in convolution.h. */
#ifndef FNN_OPS_FLAT_CONVOLUTION_H
#define FNN_OPS_FLAT_CONVOLUTION_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* Whether it can be done, with a kernel of at most FNN_MOST_TAPS rows and columns: where there are strides, they and all its
 * taps are not too many. */
int fnn_flat_convolves(const struct fnn_convolution *conv);

/* y = x * weight, and what the epilogue says. The weight keeps what its kernels want of it for the next call. */
enum fnn_status fnn_flat_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                  const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue,
                                  float *y) FNN_CHECK;

#endif
