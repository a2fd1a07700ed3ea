/* Elementwise loops over tensors of any strides: the axes of up to four operands are merged where
 * memory allows, and the innermost runs are handed to a kernel, on all threads. */
#ifndef FNN_TENSOR_LOOP_H
#define FNN_TENSOR_LOOP_H

#include "tensor.h"

enum { FNN_LOOP_OPERANDS = 4 };

/* Do `n` elements: operand k starts at at[k] and steps by stride[k] elements. */
typedef void (*fnn_run)(void *user, size_t n, char *const at[], const size_t stride[]);

/* Visit every element of `shape`; each operand broadcasts to it (by NumPy's rule, checked by the caller).
 * Runs may be visited in any order and at the same time, so what is written must not overlap. */
void fnn_loop(struct fnn_context *context, const struct fnn_shape *shape, int operands,
              struct fnn_tensor *const operand[], fnn_run run, void *user);

/* dst = src, converted to dst's dtype; src broadcasts to dst (checked by the caller), unless it is laned: then dst is a
 * dense float32 tensor of its shape. A float becomes an integer by
 * truncation towards zero (NaN becomes 0, values out of range the nearest end), an int64 a uint8 modulo 256. */
void fnn_tensor_copy(struct fnn_tensor *dst, struct fnn_tensor *src);

/* A dense tensor of this dtype with these elements: `tensor` itself (retained) when it is one, else a copy. No history. */
enum fnn_status fnn_tensor_dense(struct fnn_tensor *tensor, enum fnn_dtype dtype, struct fnn_tensor **out) FNN_CHECK;

#endif
