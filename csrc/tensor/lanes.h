/* Tensors with an axis in the lanes of vectors: images, (N / lanes, C, ..., lanes) in memory for a shape of (N, C, ...), or
 * channels, (N, C / lanes, ..., lanes). These are the layouts that convolutions work in, of many images and of few; between
 * them pooling, normalization, elementwise ops and others keep them, and whoever wants rows gets them here. Lanes without an image hold zeros, those
 * without a channel anything. A laned tensor is float32, has the axis, owns its whole storage and has no views but
 * aliases. */
#ifndef FNN_TENSOR_LANES_H
#define FNN_TENSOR_LANES_H

#include "../kernels/kernels.h"
#include "tensor.h"

static inline int fnn_same_lanes(struct fnn_lanes a, struct fnn_lanes b) {
  return a.count == b.count && (a.count == 0 || a.axis == b.axis);
}

/* Floats of one image, and how many blocks of `lanes` images there are. */
size_t fnn_image_size(const struct fnn_shape *shape);
size_t fnn_lane_blocks(const struct fnn_shape *shape, size_t lanes);

/* The images of block `block` that are there: `lanes`, or fewer in the last. */
size_t fnn_lane_images(const struct fnn_shape *shape, size_t lanes, size_t block);

/* How many planes of pixels, of one float or one vector each, a tensor of images (N, C, H, W) has in memory. */
size_t fnn_lane_planes(const struct fnn_shape *shape, struct fnn_lanes lanes);

/* The floats in memory, lanes without an image or channel included; of a dense tensor the number of its elements. */
size_t fnn_tensor_stored(const struct fnn_tensor *tensor);

/* Its memory as one dense axis, for loops that do not care which element is which. Not counted as a reference. */
struct fnn_tensor fnn_tensor_flat(const struct fnn_tensor *tensor);

/* A new laned tensor, uninitialized; errors and *out as of fnn_tensor_new. */
enum fnn_status fnn_tensor_new_laned(struct fnn_context *context, const struct fnn_shape *shape, struct fnn_lanes lanes,
                                     struct fnn_tensor **out) FNN_CHECK;

/* The elements of any tensor as a float32 one in those lanes: itself (retained) where it is one. The caller releases
 * *out. */
enum fnn_status fnn_tensor_laned(struct fnn_tensor *tensor, struct fnn_lanes lanes, struct fnn_tensor **out) FNN_CHECK;

/* Give a laned tensor rows for good: it gets a storage of its own, dense. Others are left as they are. */
enum fnn_status fnn_tensor_settle(struct fnn_tensor *tensor) FNN_CHECK;

/* dst = src: a laned tensor to a dense one of its shape. */
void fnn_lanes_unpack(struct fnn_tensor *dst, const struct fnn_tensor *src);

/* Write zeros where there is no image. */
void fnn_lanes_clear(struct fnn_tensor *tensor);

#endif
