/* Shapes: how many elements along each axis. Axes are 0-based in C. */
#ifndef FNN_TENSOR_SHAPE_H
#define FNN_TENSOR_SHAPE_H

#include <stddef.h>

#include "../base/status.h"

struct fnn_context;

enum { FNN_MAX_RANK = 8 };

/* A rank of 0 is a single number. Sizes may be 0. */
struct fnn_shape {
  int rank;
  size_t size[FNN_MAX_RANK];
};

/* A set of axes; `count` 0 means "all of them" where an op says so. */
struct fnn_axes {
  int count;
  int axis[FNN_MAX_RANK];
};

/* The number of elements; the product is known not to overflow for a tensor's shape. */
size_t fnn_shape_numel(const struct fnn_shape *shape);

/* The same axes of the same sizes. */
int fnn_shape_equal(const struct fnn_shape *a, const struct fnn_shape *b);

/* "(2,3)"; "()" for a single number. Returns `text`. */
enum { FNN_SHAPE_TEXT = 128 };
const char *fnn_shape_text(const struct fnn_shape *shape, char text[FNN_SHAPE_TEXT]);

/* The shape that a and b broadcast to, by NumPy's rule: aligned at the last axis, sizes equal or 1. `who` names the op
 * in the error. */
enum fnn_status fnn_shape_broadcast(struct fnn_context *context, const char *who, const struct fnn_shape *a,
                                    const struct fnn_shape *b, struct fnn_shape *out) FNN_CHECK;

/* Strides (in elements) of a dense tensor, last axis fastest. */
void fnn_shape_strides(const struct fnn_shape *shape, size_t stride[FNN_MAX_RANK]);

/* The product of the sizes of axes first .. last-1. */
size_t fnn_shape_product(const struct fnn_shape *shape, int first, int last);

/* A shape of one, two ... sizes. */
struct fnn_shape fnn_shape_of(int rank, const size_t *size);

#endif
