#include "indices.h"

#include "loop.h"

static int64_t plus(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }

enum fnn_status fnn_indices_shifted(struct fnn_tensor *indices, int64_t delta, struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_new(fnn_tensor_context(indices), FNN_INT64, &indices->shape, out));
  fnn_tensor_copy(*out, indices);
  int64_t *at = fnn_ints(*out);
  for (size_t i = 0, n = fnn_tensor_numel(*out); i < n; i++) at[i] = plus(at[i], delta);
  return FNN_OK;
}

enum fnn_status fnn_indices_check(struct fnn_context *context, const char *who, const char *name,
                                  const struct fnn_tensor *indices, size_t limit) {
  const int64_t *at = fnn_ints(indices);
  for (size_t i = 0, n = fnn_tensor_numel(indices); i < n; i++)
    if (at[i] < 0 || (uint64_t)at[i] >= limit)
      return fnn_fail(context, FNN_INVALID, "%s: %s: number %zu: expected 1..%zu, got %lld", who, name, i + 1, limit,
                      (long long)plus(at[i], 1));
  return FNN_OK;
}
