#include "batch.h"

#include <string.h>

#include "../kernels/kernels.h"
#include "../tensor/indices.h"

struct job {
  const struct fnn_elementwise_kernels *kernels;
  const struct fnn_tensor *source, *out;
  const int64_t *index;
  size_t row; /* elements */
  float scale;
};

static void gather_rows(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct job *j = user;
  for (size_t i = first; i < last; i++) {
    size_t from = (size_t)j->index[i] * j->row, to = i * j->row;
    switch (j->source->dtype) {
      case FNN_UINT8:
        j->kernels->scale_bytes(j->row, fnn_bytes(j->source) + from, j->scale, fnn_floats(j->out) + to);
        break;
      case FNN_FLOAT32:
        j->kernels->scale(j->row, fnn_floats(j->source) + from, j->scale, fnn_floats(j->out) + to);
        break;
      default: memcpy(fnn_ints(j->out) + to, fnn_ints(j->source) + from, j->row * sizeof(int64_t));
    }
  }
}

enum fnn_status fnn_batch_check(const struct fnn_tensor *source, const struct fnn_tensor *index) {
  struct fnn_context *context = fnn_tensor_context(source);
  if (source->shape.rank == 0 || index->dtype != FNN_INT64 || !fnn_tensor_is_contiguous(source) ||
      !fnn_tensor_is_contiguous(index))
    return fnn_fail(context, FNN_INVALID, "batch: expected a dense source and a dense int64 index");
  return fnn_indices_check(context, "batch", "index", index, source->shape.size[0]);
}

enum fnn_status fnn_batch_gather(struct fnn_tensor *source, const struct fnn_tensor *index, double scale,
                                 struct fnn_tensor **out) {
  struct fnn_context *context = fnn_tensor_context(source);
  struct fnn_shape shape = source->shape;
  size_t n = fnn_tensor_numel(index);
  FNN_TRY(fnn_batch_check(source, index));
  shape.size[0] = n;
  FNN_TRY(fnn_tensor_new(context, source->dtype == FNN_INT64 ? FNN_INT64 : FNN_FLOAT32, &shape, out));
  struct job job = {context->kernels->elementwise,
                    source,
                    *out,
                    fnn_ints(index),
                    fnn_shape_product(&shape, 1, shape.rank),
                    (float)scale};
  fnn_parallel(context, n, 1 + 16384 / (job.row ? job.row : 1), gather_rows, &job);
  return FNN_OK;
}

__extension__ typedef unsigned __int128 wide;

/* Fisher and Yates, with Lemire's multiplication for a number below i + 1 (2019). */
enum fnn_status fnn_batch_shuffle(struct fnn_context *context, size_t n, uint64_t seed, struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_new(context, FNN_INT64, &(struct fnn_shape){1, {n}}, out));
  int64_t *order = fnn_ints(*out);
  for (size_t i = 0; i < n; i++) order[i] = (int64_t)i;
  for (size_t i = n; i-- > 1;) {
    uint32_t bits[4];
    fnn_philox(seed, i, bits);
    uint64_t random = (uint64_t)bits[0] << 32 | bits[1];
    size_t k = (size_t)(((wide)random * (i + 1)) >> 64);
    int64_t swapped = order[i];
    order[i] = order[k];
    order[k] = swapped;
  }
  return FNN_OK;
}
