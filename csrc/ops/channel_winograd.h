/* Winograd's way to the forward product of a convolution whose channels lie in lanes, for channel_convolution.c. */
#ifndef FNN_OPS_CHANNEL_WINOGRAD_H
#define FNN_OPS_CHANNEL_WINOGRAD_H

#include "../tensor/tensor.h"
#include "convolution.h"

/* Whether it can be done, and pays: for kernels of 3 x 3 or 5 x 5 without stride, and results of enough pixels. The transform
 * of 3 x 3 weights takes up to four times their memory. */
int fnn_channel_winograd_pays(const struct fnn_convolution *conv);

/* As fnn_channel_convolve; the epilogue's bias is there, in whole vectors. */
enum fnn_status fnn_channel_winograd(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                                     const struct fnn_tensor *weight, const struct fnn_epilogue *epilogue,
                                     float *y) FNN_CHECK;

#endif
