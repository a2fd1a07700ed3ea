/* The three products of a convolution over raw arrays, for conv2d and its transpose, by column matrices and BLAS.
 *
 * x is (N, C, H, W), weight (K, C / groups, R, S), y and its gradient g (N, K, P, Q), all dense. */
#ifndef FNN_OPS_CONVOLUTION_H
#define FNN_OPS_CONVOLUTION_H

#include "../base/context.h"
#include "../kernels/kernels.h"
#include "op.h"

enum { FNN_MOST_TAPS = 64 }; /* rows and columns of a kernel that goes another way, at most */

static inline size_t fnn_ceil_div(size_t a, size_t b) { return (a + b - 1) / b; }
static inline size_t fnn_fewer(size_t a, size_t b) { return a < b ? a : b; }

struct fnn_convolution {
  struct fnn_window window;
  size_t n, c, k, groups;
  int bf16; /* products of bfloat16 will do, where the CPU has them; sums are float32 */
};

/* In which kernels' order a weight keeps its elements for the next call: the first number of a recipe (fnn_tensor_keep). */
enum {
  FNN_FLAT_ORDER = 1,
  FNN_CHANNEL_ORDER,
  FNN_CHANNEL_TILE_ORDER,
  FNN_LANE_ORDER,
  FNN_RUN_ORDER, /* the same for matrices, with runs of several taps */
  FNN_TILE_ORDER,
  FNN_PAIRS_TILE_ORDER, /* of bfloat16 */
};

/* What is done to sums before they become the result. */
struct fnn_epilogue {
  const float *bias; /* (K), or NULL */
  int relu;
  const float *addend; /* added before relu; in the result's layout; images in lanes have one without relu too */
  /* Instead, for images in lanes: max_of_four of the sums with relu (kernels.h), so that the result has half their rows and columns, rounded
   * down; and its winners, which lie like the result, or NULL. */
  int pool;
  uint8_t *winner;
};

/* Whether a convolution may go the quicker ways, whose sizes then cannot overflow: its kernel has no more rows and columns than
 * FNN_MOST_TAPS, 16 pixels apart at most, its strides pass over and its paddings add no more than 1024 pixels. */
int fnn_is_ordinary(const size_t kernel[2], const size_t stride[2], const size_t dilation[2],
                    const struct fnn_padding *padding);

/* infer: refuse column matrices that are too large for BLAS, whichever way the convolution will go. */
enum fnn_status fnn_check_convolution(const struct fnn_call *call, const struct fnn_convolution *conv) FNN_CHECK;

/* y = x * weight + bias; bias (K) may be NULL. */
enum fnn_status fnn_convolve(struct fnn_context *context, const struct fnn_convolution *conv, const float *x,
                             const float *weight, const float *bias, float *y) FNN_CHECK;

/* dx = the gradient of x. */
enum fnn_status fnn_convolve_back_input(struct fnn_context *context, const struct fnn_convolution *conv, const float *g,
                                        const float *weight, float *dx) FNN_CHECK;

/* dw = the gradient of weight, summed over the images in an order that depends on N alone. */
enum fnn_status fnn_convolve_back_weight(struct fnn_context *context, const struct fnn_convolution *conv,
                                         const float *g, const float *x, float *dw) FNN_CHECK;

/* to[i] = the sum of from[part * count + i] over the parts, in their order; `to` may be `from`. */
void fnn_add_up(struct fnn_context *context, size_t parts, size_t count, const float *from, float *to);

/* sum[c] = the sum of x (images, channels, pixels) over images and pixels: the gradient of a bias, when x is that of y. */
void fnn_sum_channels(struct fnn_context *context, size_t images, size_t channels, size_t pixels, const float *x,
                      float *sum);

#endif
