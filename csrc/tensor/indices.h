/* Tensors of positions: int64, 0-based here and 1-based in Lua. */
#ifndef FNN_TENSOR_INDICES_H
#define FNN_TENSOR_INDICES_H

#include "tensor.h"

/* A new dense int64 tensor of indices + delta, between Lua's counting and ours. What leaves int64 wraps around, to a
 * position that does not exist either. */
enum fnn_status fnn_indices_shifted(struct fnn_tensor *indices, int64_t delta, struct fnn_tensor **out) FNN_CHECK;

/* Refuse an index outside 0 .. limit-1; the message, of `who` about argument `name`, counts from 1, as Lua does. `indices` is
 * dense int64. */
enum fnn_status fnn_indices_check(struct fnn_context *context, const char *who, const char *name,
                                  const struct fnn_tensor *indices, size_t limit) FNN_CHECK;

#endif
