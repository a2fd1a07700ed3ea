/* Tensors whose images lie in the lanes of vectors: (N / lanes, ..., lanes) in memory for a shape of (N, ...). It is the
 * layout that convolutions work in; between them pooling, normalization and elementwise ops keep it, and whoever wants
 * rows gets them here. Lanes without an image hold zeros. A laned tensor is float32, has at least one
 * axis, owns its whole storage and has no views but aliases. */
#ifndef FNN_TENSOR_LANES_H
#define FNN_TENSOR_LANES_H

#include "../kernels/kernels.h"
#include "tensor.h"

/* Floats of one image, and how many blocks of `lanes` images there are. */
size_t fnn_image_size(const struct fnn_shape *shape);
size_t fnn_lane_blocks(const struct fnn_shape *shape, size_t lanes);

/* The floats in memory, lanes without an image included; of a dense tensor the number of its elements. */
size_t fnn_tensor_stored(const struct fnn_tensor *tensor);

/* Its memory as one dense axis, for loops that do not care which element is which. Not counted as a reference. */
struct fnn_tensor fnn_tensor_flat(const struct fnn_tensor *tensor);

/* The images of block `block` that are there: `lanes`, or fewer in the last. */
size_t fnn_lane_images(const struct fnn_shape *shape, size_t lanes, size_t block);

/* A new laned tensor, uninitialized; errors and *out as of fnn_tensor_new. */
enum fnn_status fnn_tensor_new_laned(struct fnn_context *context, const struct fnn_shape *shape, size_t lanes,
                                     struct fnn_tensor **out) FNN_CHECK;

/* The elements of any tensor as a float32 one in so many lanes: itself (retained) where it is one. The caller releases
 * *out. */
enum fnn_status fnn_tensor_laned(struct fnn_tensor *tensor, size_t lanes, struct fnn_tensor **out) FNN_CHECK;

/* Give a laned tensor rows for good: it gets a storage of its own, dense. Others are left as they are. */
enum fnn_status fnn_tensor_settle(struct fnn_tensor *tensor) FNN_CHECK;

/* dst = src: a laned tensor to a dense one of its shape. */
void fnn_lanes_unpack(struct fnn_tensor *dst, const struct fnn_tensor *src);

/* Write zeros where there is no image. */
void fnn_lanes_clear(struct fnn_tensor *tensor);

#endif
