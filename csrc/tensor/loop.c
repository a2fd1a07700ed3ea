#include "loop.h"

#include <string.h>

#include "lanes.h"

enum { GRAIN = 32768 }; /* elements of one piece of work */

/* The merged axes. stride[operand][axis] is in elements. */
struct plan {
  int operands, rank;
  size_t size[FNN_MAX_RANK + 1];
  size_t stride[FNN_LOOP_OPERANDS][FNN_MAX_RANK + 1];
  size_t bytes[FNN_LOOP_OPERANDS];
  char *data[FNN_LOOP_OPERANDS];
  fnn_run run;
  void *user;
};

static size_t stride_along(const struct fnn_tensor *tensor, int rank, int axis) {
  int own = axis - (rank - tensor->shape.rank);
  return own < 0 || tensor->shape.size[own] == 1 ? 0 : tensor->stride[own];
}

/* Axis `axis` of the shape continues the plan's last axis for every operand. */
static int merges(const struct plan *plan, const size_t stride[], size_t size) {
  for (int k = 0; k < plan->operands; k++)
    if (plan->stride[k][plan->rank - 1] != stride[k] * size) return 0;
  return 1;
}

static void make_plan(struct plan *plan, const struct fnn_shape *shape, int operands,
                      struct fnn_tensor *const operand[]) {
  plan->operands = operands;
  plan->rank = 0;
  for (int k = 0; k < operands; k++) {
    plan->data[k] = fnn_tensor_data(operand[k]);
    plan->bytes[k] = fnn_dtype_size(operand[k]->dtype);
  }
  for (int axis = 0; axis < shape->rank; axis++) {
    size_t stride[FNN_LOOP_OPERANDS] = {0}, size = shape->size[axis];
    if (size == 1) continue;
    for (int k = 0; k < operands; k++) stride[k] = stride_along(operand[k], shape->rank, axis);
    if (plan->rank > 0 && merges(plan, stride, size)) {
      plan->size[plan->rank - 1] *= size;
    } else {
      plan->size[plan->rank] = size;
      plan->rank++;
    }
    for (int k = 0; k < operands; k++) plan->stride[k][plan->rank - 1] = stride[k];
  }
  if (plan->rank == 0) {
    plan->rank = 1;
    plan->size[0] = 1;
    for (int k = 0; k < operands; k++) plan->stride[k][0] = 0;
  }
}

static void piece(void *user, size_t first, size_t last, int worker) {
  (void)worker;
  const struct plan *plan = user;
  int inner = plan->rank - 1;
  size_t position[FNN_MAX_RANK + 1] = {0}, rest = first;
  for (int axis = inner; rest > 0; axis--) {
    position[axis] = rest % plan->size[axis];
    rest /= plan->size[axis];
  }
  while (first < last) {
    size_t n = plan->size[inner] - position[inner], stride[FNN_LOOP_OPERANDS];
    if (n > last - first) n = last - first;
    char *at[FNN_LOOP_OPERANDS];
    for (int k = 0; k < plan->operands; k++) {
      size_t offset = 0;
      for (int axis = 0; axis < plan->rank; axis++) offset += position[axis] * plan->stride[k][axis];
      at[k] = plan->data[k] + offset * plan->bytes[k];
      stride[k] = plan->stride[k][inner];
    }
    plan->run(plan->user, n, at, stride);
    first += n;
    position[inner] = 0;
    for (int axis = inner - 1; axis >= 0; axis--) {
      if (++position[axis] < plan->size[axis]) break;
      position[axis] = 0;
    }
  }
}

void fnn_loop(struct fnn_context *context, const struct fnn_shape *shape, int operands,
              struct fnn_tensor *const operand[], fnn_run run, void *user) {
  struct plan plan = {.run = run, .user = user};
  size_t numel = fnn_shape_numel(shape);
  if (numel == 0) return;
  make_plan(&plan, shape, operands, operand);
  fnn_parallel(context, numel, GRAIN, piece, &plan);
}

static int64_t float_to_int(float x) {
  if (x != x) return 0;
  if (x >= 0x1p63f) return INT64_MAX;
  if (x < -0x1p63f) return INT64_MIN;
  return (int64_t)x;
}

static uint8_t float_to_byte(float x) { return x >= 255.0f ? 255 : x > 0.0f ? (uint8_t)x : 0; }

#define CONVERT(name, from, to, expression)                                         \
  static void name(void *user, size_t n, char *const at[], const size_t stride[]) { \
    (void)user;                                                                     \
    to *y = (to *)at[0];                                                            \
    const from *x_ = (const from *)at[1];                                           \
    const size_t sy = stride[0], sx = stride[1];                                    \
    for (size_t i = 0; i < n; i++) {                                                \
      const from x = x_[i * sx];                                                    \
      y[i * sy] = (expression);                                                     \
    }                                                                               \
  }
CONVERT(float_from_int, int64_t, float, (float)x)
CONVERT(float_from_byte, uint8_t, float, (float)x)
CONVERT(int_from_float, float, int64_t, float_to_int(x))
CONVERT(int_from_byte, uint8_t, int64_t, x)
CONVERT(byte_from_float, float, uint8_t, float_to_byte(x))
CONVERT(byte_from_int, int64_t, uint8_t, (uint8_t)x)
CONVERT(copy_floats, float, float, x)
CONVERT(copy_ints, int64_t, int64_t, x)
CONVERT(copy_bytes, uint8_t, uint8_t, x)

static const fnn_run converters[FNN_DTYPE_COUNT][FNN_DTYPE_COUNT] = {
    [FNN_FLOAT32] = {[FNN_FLOAT32] = copy_floats, [FNN_UINT8] = float_from_byte, [FNN_INT64] = float_from_int},
    [FNN_UINT8] = {[FNN_FLOAT32] = byte_from_float, [FNN_UINT8] = copy_bytes, [FNN_INT64] = byte_from_int},
    [FNN_INT64] = {[FNN_FLOAT32] = int_from_float, [FNN_UINT8] = int_from_byte, [FNN_INT64] = copy_ints},
};

void fnn_tensor_copy(struct fnn_tensor *dst, struct fnn_tensor *src) {
  if (src->lanes.count) {
    fnn_lanes_unpack(dst, src);
    return;
  }
  if (dst->dtype == src->dtype && fnn_shape_equal(&dst->shape, &src->shape) && fnn_tensor_is_contiguous(dst) &&
      fnn_tensor_is_contiguous(src)) {
    memcpy(fnn_tensor_data(dst), fnn_tensor_data(src), fnn_tensor_numel(dst) * fnn_dtype_size(dst->dtype));
    return;
  }
  struct fnn_tensor *operands[] = {dst, src};
  fnn_loop(fnn_tensor_context(dst), &dst->shape, 2, operands, converters[dst->dtype][src->dtype], NULL);
}

enum fnn_status fnn_tensor_dense(struct fnn_tensor *tensor, enum fnn_dtype dtype, struct fnn_tensor **out) {
  if (tensor->dtype == dtype && fnn_tensor_is_contiguous(tensor)) {
    *out = fnn_tensor_retain(tensor);
    return FNN_OK;
  }
  struct fnn_tensor *rows = NULL;
  if (tensor->lanes.count && dtype != FNN_FLOAT32) FNN_TRY(fnn_tensor_dense(tensor, FNN_FLOAT32, &rows));
  enum fnn_status status = fnn_tensor_new(fnn_tensor_context(tensor), dtype, &tensor->shape, out);
  if (status == FNN_OK) fnn_tensor_copy(*out, rows ? rows : tensor);
  fnn_tensor_release(rows);
  return status;
}
