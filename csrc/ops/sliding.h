/* Shared by convolution and pooling: from arguments to the geometry of a sliding window. */
#ifndef FNN_OPS_SLIDING_H
#define FNN_OPS_SLIDING_H

#include "../kernels/kernels.h"
#include "op.h"

/* infer: x, in[0], is (N, C, H, W); refuse another rank. */
enum fnn_status fnn_check_image(const struct fnn_call *call) FNN_CHECK;

/* The window of a kernel r x s over the images of x. Refuses a window that is larger than the padded image. */
enum fnn_status fnn_slide(const struct fnn_call *call, size_t r, size_t s, const size_t stride[2],
                          const size_t dilation[2], const struct fnn_padding *padding, struct fnn_window *window);

/* ---- ops that end in a pool of 2 x 2 pixels side by side: max_of_four of kernels.h ---- */

struct fnn_window fnn_pool_window(size_t h, size_t w);
const struct fnn_pool_kernels *fnn_call_pool(const struct fnn_call *call);

/* infer: out[0] is what becomes of (N, C, H, W), and out[winners] has a byte for each number of it where backward may follow.
 * Refuses images of less than 2 x 2 pixels. */
enum fnn_status fnn_infer_pool(struct fnn_call *call, const struct fnn_shape *x, int winners) FNN_CHECK;

#endif
