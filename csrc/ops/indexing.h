/* Shared by the ops that take indices. */
#ifndef FNN_OPS_INDEXING_H
#define FNN_OPS_INDEXING_H

#include "op.h"

/* Refuse an index outside 0 .. limit-1; the message counts from 1, as Lua does. `index` is dense int64. */
static inline enum fnn_status fnn_check_indices(const struct fnn_call *call, const char *name,
                                                const struct fnn_tensor *index, size_t limit) {
  const int64_t *at = fnn_ints(index);
  for (size_t i = 0, n = fnn_tensor_numel(index); i < n; i++)
    if (at[i] < 0 || (uint64_t)at[i] >= limit)
      return fnn_refuse(call, name, "number %zu: expected 1..%zu, got %lld", i + 1, limit,
                        (long long)((uint64_t)at[i] + 1));
  return FNN_OK;
}

#endif
