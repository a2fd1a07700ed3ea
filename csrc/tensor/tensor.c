#include "tensor.h"

#include <string.h>

static const size_t sizes[FNN_DTYPE_COUNT] = {[FNN_FLOAT32] = 4, [FNN_UINT8] = 1, [FNN_INT64] = 8};
const char *const fnn_dtype_choices[FNN_DTYPE_COUNT + 1] = {
    [FNN_FLOAT32] = "float32", [FNN_UINT8] = "uint8", [FNN_INT64] = "int64", [FNN_DTYPE_COUNT] = NULL};

size_t fnn_dtype_size(enum fnn_dtype dtype) { return sizes[dtype]; }
const char *fnn_dtype_name(enum fnn_dtype dtype) { return fnn_dtype_choices[dtype]; }

/* Small tensors are made often: their data stands in the same block, a cache line further on. */
enum { HEAD = 64, SMALL = 1024 };

_Static_assert(sizeof(struct fnn_storage) <= HEAD, "the head fits in one line");

static struct fnn_storage *storage_new(struct fnn_context *context, size_t bytes) {
  int small = bytes <= SMALL;
  struct fnn_storage *storage = fnn_alloc(context, small ? HEAD + bytes : HEAD);
  if (!storage) return NULL;
  *storage = (struct fnn_storage){.references = 1, .context = context};
  storage->data = small ? (char *)storage + HEAD : fnn_alloc(context, bytes);
  if (storage->data) return storage;
  fnn_free(context, storage);
  return NULL;
}

static void storage_release(struct fnn_storage *storage) {
  if (--storage->references > 0) return;
  struct fnn_context *context = storage->context;
  void *data = storage->data == (char *)storage + HEAD ? NULL : storage->data, *kept = storage->kept;
  fnn_free(context, kept); /* the last free may end the context */
  fnn_free(context, data);
  fnn_free(context, storage);
}

/* What was made of the elements from `offset` on, and by then. */
struct fnn_kept {
  struct fnn_recipe recipe;
  uint64_t version;
  size_t offset, bytes;
};

_Static_assert(sizeof(struct fnn_kept) <= HEAD, "what follows is aligned");

enum fnn_status fnn_tensor_keep(const struct fnn_tensor *tensor, size_t bytes, const struct fnn_recipe *recipe,
                                void **memory, int *known) {
  struct fnn_storage *storage = tensor->storage;
  struct fnn_kept *kept = storage->kept;
  if (!kept || kept->bytes != bytes) {
    fnn_free(storage->context, kept);
    kept = storage->kept = fnn_alloc(storage->context, HEAD + bytes);
    if (!kept) return FNN_NO_MEMORY;
    *kept = (struct fnn_kept){.bytes = bytes, .offset = SIZE_MAX};
  }
  *known = kept->version == storage->version && kept->offset == tensor->offset &&
           memcmp(&kept->recipe, recipe, sizeof *recipe) == 0;
  kept->recipe = *recipe, kept->version = storage->version, kept->offset = tensor->offset;
  *memory = (char *)kept + HEAD;
  return FNN_OK;
}

static enum fnn_status byte_count(struct fnn_context *context, enum fnn_dtype dtype, const struct fnn_shape *shape,
                                  size_t *bytes) {
  *bytes = fnn_dtype_size(dtype);
  size_t counted = *bytes; /* without axes of size 0, so that strides cannot overflow either */
  for (int i = 0; i < shape->rank; i++)
    if (!fnn_multiply(*bytes, shape->size[i], bytes) ||
        !fnn_multiply(counted, shape->size[i] ? shape->size[i] : 1, &counted) || counted > PTRDIFF_MAX) {
      char text[FNN_SHAPE_TEXT];
      return fnn_fail(context, FNN_NO_MEMORY, "out of memory: a tensor of shape %s is too large to address",
                      fnn_shape_text(shape, text));
    }
  return FNN_OK;
}

enum fnn_status fnn_tensor_new(struct fnn_context *context, enum fnn_dtype dtype, const struct fnn_shape *shape,
                               struct fnn_tensor **out) {
  size_t bytes;
  FNN_TRY(byte_count(context, dtype, shape, &bytes));
  struct fnn_tensor *tensor = fnn_alloc(context, sizeof *tensor);
  if (!tensor) return FNN_NO_MEMORY;
  *tensor = (struct fnn_tensor){.references = 1, .dtype = dtype, .shape = *shape};
  fnn_shape_strides(shape, tensor->stride);
  tensor->storage = storage_new(context, bytes);
  if (!tensor->storage) {
    fnn_free(context, tensor);
    return FNN_NO_MEMORY;
  }
  *out = tensor;
  return FNN_OK;
}

enum fnn_status fnn_tensor_zeros(struct fnn_context *context, enum fnn_dtype dtype, const struct fnn_shape *shape,
                                 struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_new(context, dtype, shape, out));
  memset(fnn_tensor_data(*out), 0, fnn_tensor_numel(*out) * fnn_dtype_size(dtype));
  return FNN_OK;
}

enum fnn_status fnn_tensor_number(struct fnn_context *context, double value, struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_new(context, FNN_FLOAT32, &(struct fnn_shape){.rank = 0}, out));
  *fnn_floats(*out) = (float)value;
  return FNN_OK;
}

enum fnn_status fnn_tensor_integer(struct fnn_context *context, int64_t value, struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_new(context, FNN_INT64, &(struct fnn_shape){.rank = 0}, out));
  *fnn_ints(*out) = value;
  return FNN_OK;
}

enum fnn_status fnn_tensor_view(const struct fnn_tensor *base, const struct fnn_shape *shape,
                                const size_t stride[FNN_MAX_RANK], size_t offset, struct fnn_tensor **out) {
  struct fnn_tensor *tensor = fnn_alloc(fnn_tensor_context(base), sizeof *tensor);
  if (!tensor) return FNN_NO_MEMORY;
  *tensor = (struct fnn_tensor){
      .references = 1, .storage = base->storage, .dtype = base->dtype, .shape = *shape, .offset = offset};
  memcpy(tensor->stride, stride, sizeof tensor->stride);
  base->storage->references++;
  *out = tensor;
  return FNN_OK;
}

enum fnn_status fnn_tensor_alias(const struct fnn_tensor *tensor, struct fnn_tensor **out) {
  FNN_TRY(fnn_tensor_view(tensor, &tensor->shape, tensor->stride, tensor->offset, out));
  (*out)->lanes = tensor->lanes;
  return FNN_OK;
}

struct fnn_tensor *fnn_tensor_retain(struct fnn_tensor *tensor) {
  tensor->references++;
  return tensor;
}

void fnn_tensor_release(struct fnn_tensor *tensor) {
  if (!tensor || --tensor->references > 0) return;
  struct fnn_context *context = fnn_tensor_context(tensor);
  struct fnn_storage *storage = tensor->storage;
  struct fnn_history *history = tensor->history;
  fnn_tensor_release(tensor->grad); /* a gradient has none of its own: this goes one level deep */
  fnn_context_retain(context);
  fnn_free(context, tensor);
  storage_release(storage);
  if (history && --history->references == 0) history->drop(history);
  fnn_context_release(context);
}

void fnn_tensors_release(struct fnn_tensor **list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fnn_tensor_release(list[i]);
    list[i] = NULL;
  }
}

void *fnn_tensor_data(const struct fnn_tensor *tensor) {
  return (char *)tensor->storage->data + tensor->offset * fnn_dtype_size(tensor->dtype);
}

float *fnn_floats(const struct fnn_tensor *tensor) { return fnn_tensor_data(tensor); }
int64_t *fnn_ints(const struct fnn_tensor *tensor) { return fnn_tensor_data(tensor); }
uint8_t *fnn_bytes(const struct fnn_tensor *tensor) { return fnn_tensor_data(tensor); }

size_t fnn_tensor_numel(const struct fnn_tensor *tensor) { return fnn_shape_numel(&tensor->shape); }

size_t fnn_tensor_bytes(const struct fnn_tensor *tensor) {
  size_t bytes = fnn_dtype_size(tensor->dtype);
  for (int i = 0; i < tensor->shape.rank; i++)
    if (tensor->stride[i] != 0 || tensor->shape.size[i] == 0) bytes *= tensor->shape.size[i];
  return bytes;
}

size_t fnn_tensor_position(const struct fnn_tensor *tensor, size_t i) {
  size_t position = 0;
  for (int axis = tensor->shape.rank; axis-- > 0;) {
    position += i % tensor->shape.size[axis] * tensor->stride[axis];
    i /= tensor->shape.size[axis];
  }
  return position;
}

struct fnn_context *fnn_tensor_context(const struct fnn_tensor *tensor) {
  return tensor->storage->context;
}

int fnn_tensor_is_contiguous(const struct fnn_tensor *tensor) {
  size_t next = 1;
  if (tensor->lanes.count) return 0;
  for (int i = tensor->shape.rank; i-- > 0;) {
    if (tensor->shape.size[i] != 1 && tensor->stride[i] != next) return 0;
    next *= tensor->shape.size[i];
  }
  return 1;
}

int fnn_tensor_overlaps(const struct fnn_tensor *tensor) {
  if (fnn_tensor_numel(tensor) == 0) return 0;
  for (int i = 0; i < tensor->shape.rank; i++)
    if (tensor->stride[i] == 0 && tensor->shape.size[i] > 1) return 1;
  return 0;
}
