/* From a data set in memory to a batch. */
#ifndef FNN_DATA_BATCH_H
#define FNN_DATA_BATCH_H

#include "../tensor/tensor.h"

/* Refuses a source or an index that is not dense, and numbers of the index that are no rows of the source. */
enum fnn_status fnn_batch_check(const struct fnn_tensor *source, const struct fnn_tensor *index) FNN_CHECK;

/* The rows of `source` (dense; its first axis counts the examples) that the int64 vector `index` (0-based) names, as a new tensor.
 * Bytes become floats times `scale`; floats are multiplied by it; integers are taken as they are. */
enum fnn_status fnn_batch_gather(struct fnn_tensor *source, const struct fnn_tensor *index, double scale,
                                 struct fnn_tensor **out) FNN_CHECK;

/* Positions 0 .. n-1 in an order that depends on (seed, n) alone, as an int64 vector. */
enum fnn_status fnn_batch_shuffle(struct fnn_context *context, size_t n, uint64_t seed,
                                  struct fnn_tensor **out) FNN_CHECK;

#endif
